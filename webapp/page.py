"""The page that one visitor sees, from top to bottom."""

from __future__ import annotations

from pathlib import Path, PurePath

from nicegui import run, ui

from util.errors import UserError
from util.image_io import encode_image, to_float
from webapp.compare import Compare
from webapp.drop_zone import DropZone
from webapp.fields import list_fields
from webapp.fusing import Result
from webapp.methods import Method
from webapp.option_form import OptionForm
from webapp.scores import show_scores
from webapp.service import Service
from webapp.uploads import Upload, check_length, read_upload

STYLE = Path(__file__).with_name("style.css")
SIDES = {"A": "for example infrared", "B": "for example visible"}
TITLES = {"A": "source A", "B": "source B", "fused": "fused"}


class Page:
    """What was dropped, what is chosen, and the last result."""

    def __init__(self, service: Service):
        self.service = service
        self.uploads: dict[str, Upload | None] = dict.fromkeys(SIDES)
        self.key = service.pictures.open_page()
        self.is_open = True
        ui.context.client.on_delete(self._leave)
        self.methods: dict[str, Method] = {method.label: method for method in service.list_methods()[0]}
        ui.add_head_html(f"<style>{STYLE.read_text('utf-8')}</style>")
        ui.colors(primary="#2563c9")
        with ui.element("main"):
            ui.html("<h1>FuseLab</h1><p>Two images of one scene in, one image out.</p>", sanitize=False, tag="header")
            self._build_inputs()
            self._build_choices()
            self.message = ui.label().classes("message").props("role=alert")
            self._tell("")
            self.result = ui.element("section").classes("result")
            self._build_result()
        if self.methods:
            self._choose_method()
        else:
            self.fuse_button.disable()
            self._tell(
                f"There is nothing to fuse with: no trained run with its weights is in {service.opt.checkpoints_dir}. "
                "Train a model, or name another folder with --checkpoints_dir."
            )

    def _build_inputs(self) -> None:
        limit = self.service.limits.megabytes * 10**6
        with ui.element("section").classes("inputs"):
            self.zones = {}
            for side, hint in SIDES.items():
                with ui.element("div").classes("input"):
                    self.zones[side] = DropZone(side, hint, limit, self._take_file, self._refuse_large_file)

    def _build_choices(self) -> None:
        labels = list(self.methods)
        with ui.element("section").classes("choices"):
            with ui.element("div").classes("choice-row"):
                self.method = ui.select(labels, value=labels[0] if labels else None, label="Method",
                                        on_change=self._choose_method)  # fmt: skip
                self.snapshot = ui.select([], label="Snapshot")
                self.method.props("outlined dense options-dense").classes("method")
                self.snapshot.props("outlined dense options-dense").classes("snapshot")
                self.fuse_button = ui.button("Fuse", on_click=self._fuse).props("unelevated no-caps").classes("fuse")
            self.resize = ui.checkbox("Resize B to the size of A").classes("resize")
            self.form = OptionForm()

    def _build_result(self) -> None:
        with self.result:
            self.compare = Compare()
            with ui.element("div").classes("result-row"):
                self.facts = ui.label().classes("facts")
                self.download = ui.element("a").classes("download")
                with self.download:
                    ui.label("Download the fused image (PNG)")
            ui.html("<h2>Scores</h2>", sanitize=False)
            self.scores = ui.element("div")
            self.gallery_title = ui.html("<h2>How the method decided</h2>", sanitize=False)
            self.gallery = ui.element("div").classes("gallery")
        self.result.set_visibility(False)

    def _leave(self) -> None:
        self.is_open = False
        self.service.pictures.close_page(self.key)

    def _tell(self, sentence: str) -> None:
        """Show a sentence, or take the last one away."""
        self.message.set_text(f"{sentence[:1].upper()}{sentence[1:]}")
        self.message.set_visibility(bool(sentence))

    def _choose_method(self) -> None:
        method = self.methods[self.method.value]
        self._tell("")
        self.snapshot.set_options(list(method.snapshots), value=next(iter(method.snapshots), None))
        self.snapshot.set_visibility(len(method.snapshots) > 1)
        try:
            self.form.show(list_fields(method, self.service.opt.checkpoints_dir))
        except UserError as error:
            self.form.show([])
            self._tell(str(error))

    def _refuse_large_file(self, side: str) -> None:
        self._forget(side)
        self._tell(f"image {side} is a file of more than {self.service.limits.megabytes} MB, which is the most that "
                   "this page takes (--max_megabytes), or no file at all")  # fmt: skip

    def _forget(self, side: str) -> None:
        self.uploads[side] = None
        self.zones[side].clear()

    async def _take_file(self, side: str, name: str, content: bytes) -> None:
        try:
            check_length(f"image {side}", len(content), self.service.limits)
            upload, png = await run.io_bound(_read, side, name, content, self.service.limits)
        except UserError as error:
            self._forget(side)
            self._tell(str(error))
            return
        self._tell("")
        self.uploads[side] = upload
        width, height = upload.size
        url = self.service.pictures.put(self.key, f"upload_{side}", png)
        self.zones[side].show(url, f"{upload.name}, {width} x {height}")

    async def _fuse(self) -> None:
        self._tell("")
        self.fuse_button.props("loading")
        method = self.methods[self.method.value]
        try:
            result = await self.service.fuse(
                method, self.snapshot.value, self.form.words(), *self.uploads.values(), resize=self.resize.value
            )
            if self.is_open:  # else nobody is there to look
                self._show(result, method)
        except UserError as error:
            self._tell(str(error))
        finally:
            self.fuse_button.props(remove="loading")

    def _show(self, result: Result, method: Method) -> None:
        urls = {
            label: self.service.pictures.put(self.key, label, content) for label, content in result.pictures.items()
        }
        maps = {label: url for label, url in urls.items() if label not in TITLES}
        self.compare.show({TITLES.get(label, label): url for label, url in urls.items()}, "source A", "fused")
        self.facts.set_text(f"{method.name}: {result.size[0]} x {result.size[1]} pixels")
        stem = PurePath(self.uploads["A"].name if self.uploads["A"] else "pair").stem
        self.download.props(f'href="{urls["fused"]}" download="{_plain(stem)}_{_plain(method.name)}.png"')
        self.scores.clear()
        with self.scores:
            show_scores(result.scores, result.reasons)
        self.gallery_title.set_visibility(bool(maps))
        self.gallery.clear()
        with self.gallery:
            for label, url in maps.items():
                with ui.element("figure"):
                    ui.element("img").props(f'src="{url}" alt="{label}"')
                    with ui.element("figcaption"):
                        ui.label(label.replace("_", " "))
        self.result.set_visibility(True)


def _read(side: str, name: str, content: bytes, limits) -> tuple[Upload, bytes]:
    """Decode a file, and make the picture that a browser can show of it."""
    upload = read_upload(side, name, content, limits)
    return upload, encode_image("preview.png", to_float(upload.pixels))


def _plain(name: str) -> str:
    return "".join(sign if sign.isalnum() or sign in "-_." else "_" for sign in name)
