"""What every page is made of: its head, its header, its assets, its data, and safe links."""

from __future__ import annotations

import filecmp
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from util.files import atomic_write

ASSETS = Path(__file__).resolve().parent / "assets"
# The style sheets and scripts by which a page shows rows of pictures and opens them, in the order of loading.
PICTURE_ASSETS = (
    "page.css", "rows.css", "viewer.css",
    "parts.js", "help.js", "compare.js", "figures.js", "rows.js",
    "panzoom.js", "viewer_pane.js", "viewer.js", "links.js",
)  # fmt: skip


def quote_path(relative: str) -> str:
    """Return a relative path as a URL: blanks, brackets, quotes, '#', '%' and letters of any script survive."""
    return "/".join(quote(part, safe="") for part in relative.split("/"))


def link_to_scene(page: str, name: str, view: str = "") -> str:
    """Return the link to a scene of a gallery: to its row, or with ``view`` to its pictures at full size.

    Args:
        page: the gallery's path relative to the page that holds the link.
        name: the scene's.
        view: "" or "all" (beside each other), "one", "slider" or "difference".
    """
    return f"{quote_path(page)}#scene={quote(name, safe='')}" + (f"&view={view}" if view else "")


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


def add_data(html: str, key: str, value) -> str:
    """Return a rendered page with a block of JSON at its end, for a script to read by its id ``key``."""
    block = f'<script type="application/json" id="{key}">{to_json(value)}</script>\n'
    return html.removesuffix("</body></html>") + block + "</body></html>"


def to_json(value) -> str:
    """Return JSON of one line that may stand in a page: nan and inf as text, no "<" that could end its block."""
    text = json.dumps(_spell(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")  # JSON lets every letter be written as its number


def _spell(value):
    if isinstance(value, Mapping):
        return {key: _spell(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_spell(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    return value


def format_number(value: float) -> str:
    """Return about five significant digits, so that columns line up: 7.4479, 28.797, 431.55, ∞, n/a."""
    if math.isnan(value):
        return "n/a"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value:.{4 if abs(value) < 10 else 3 if abs(value) < 100 else 2}f}"
