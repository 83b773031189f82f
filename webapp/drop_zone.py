"""A field on which an image is dropped, or which is clicked to choose one; it shows what it got."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui
from nicegui.events import UploadEventArguments

STOP = "(event) => event.preventDefault()"


class DropZone:
    """The field of one side.

    Args:
        side: "A" or "B".
        hint: what belongs there.
        limit: the largest file in bytes; the browser keeps larger ones back.
        on_file: called with (side, file name, content).
        on_too_large: called with the side.
    """

    def __init__(self, side: str, hint: str, limit: int, on_file: Callable[[str, str, bytes], Awaitable[None]],
                 on_too_large: Callable[[str], None]):  # fmt: skip
        self.side, self._on_file = side, on_file
        self._upload = ui.upload(
            auto_upload=True, max_file_size=limit, on_upload=self._take, on_rejected=lambda: on_too_large(side)
        ).classes(f"hidden-upload upload-{side}")
        number = self._upload.id
        pick = f'() => runMethod({number}, "pickFiles", [])'
        zone = ui.element("div").classes(f"drop-zone zone-{side}")
        zone.props(f'role=button tabindex=0 aria-label="Image {side}: drop a file or press to choose one"')
        zone.on("click", js_handler=pick).on("keydown.enter", js_handler=pick)
        zone.on("dragover", js_handler=STOP)
        first_file = "[[...event.dataTransfer.files].slice(0, 1)]"
        add = f'(event) => {{ event.preventDefault(); runMethod({number}, "addFiles", {first_file}) }}'
        zone.on("drop", js_handler=add)
        with zone:
            self._image = ui.element("img").props(f'alt="image {side}"')
            with ui.element("div").classes("drop-text"):
                ui.label(f"Image {side}").classes("drop-title")
                self._caption = ui.label().classes("drop-caption")
        self._hint = f"Drop a file here, or click to choose one ({hint})"
        self.clear()

    async def _take(self, event: UploadEventArguments) -> None:
        content = await event.file.read()
        self._upload.reset()  # the next file may have the same name
        await self._on_file(self.side, event.file.name, content)

    def show(self, url: str, caption: str) -> None:
        """Show a picture with a line about it."""
        self._image.props(f'src="{url}"').set_visibility(True)
        self._image.update()
        self._caption.set_text(caption)

    def clear(self) -> None:
        """Show what the field is for."""
        self._image.set_visibility(False)
        self._caption.set_text(self._hint)
