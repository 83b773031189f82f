"""What every page is made of: its head, its header, its assets, and safe links."""

from __future__ import annotations

import filecmp
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from util.files import atomic_write

ASSETS = Path(__file__).resolve().parent / "assets"


def quote_path(relative: str) -> str:
    """Return a relative path as a URL: blanks, brackets, quotes, '#', '%' and letters of any script survive."""
    return "/".join(quote(part, safe="") for part in relative.split("/"))


def copy_assets(folder: Path, names: Sequence[str]) -> None:
    """Put style sheets and scripts beside a page, in ``folder``/assets; what is there already is left alone."""
    for name in names:
        target = folder / "assets" / name
        if not target.is_file() or not filecmp.cmp(ASSETS / name, target, shallow=False):
            atomic_write(target, (ASSETS / name).read_bytes())


def start_page(title: str, kind: str, info: Mapping[str, str], assets: Sequence[str]):
    """Return a ``dominate`` document with its header: ``kind`` in small, the title, and the facts of ``info`` in order.

    Args:
        title: the run's name.
        kind: what the page is, e.g. "test results".
        info: fact to value, both shown as text.
        assets: style sheets and scripts (file names in ``ASSETS``), loaded in this order once the page is read.
    """
    import dominate
    from dominate import tags

    page = dominate.document(title=f"{title} · {kind}", lang="en")
    with page.head:
        tags.meta(charset="utf-8")
        tags.meta(name="viewport", content="width=device-width, initial-scale=1")
        tags.meta(name="color-scheme", content="light dark")
        tags.link(rel="icon", href="data:,")  # no request for a favicon
        for name in assets:
            if name.endswith(".css"):
                tags.link(rel="stylesheet", href=f"assets/{name}")
            elif name.endswith(".js"):
                tags.script(src=f"assets/{name}", defer=True)
    with page.body.add(tags.header(cls="head")):
        tags.p(f"FuseLab · {kind}", cls="kind")
        tags.h1(title)
        with tags.dl(cls="facts"):
            for fact, value in info.items():
                with tags.div():
                    tags.dt(fact)
                    tags.dd(value)
    return page
