"""Two pictures of one size over each other, and a slider that moves the border between them."""

from __future__ import annotations

from nicegui import ui

MOVE = '(event) => event.target.parentElement.style.setProperty("--cut", event.target.value + "%")'


class Compare:
    """What lies left and right of the border can be any of the pictures given to ``show``."""

    def __init__(self):
        self._urls: dict[str, str] = {}
        with ui.element("div").classes("compare-choices"):
            self.left = ui.select([], label="Left of the slider", on_change=self._update).classes("compare-left")
            self.right = ui.select([], label="Right of the slider", on_change=self._update).classes("compare-right")
        for choice in (self.left, self.right):
            choice.props("outlined dense options-dense")
        with ui.element("div").classes("compare"):
            self._below = ui.element("img").props('alt="right picture"').classes("below")
            self._above = ui.element("img").props('alt="left picture"').classes("above")
            ui.element("div").classes("border")
            # Without a value of its own it begins in the middle, and an update of the page leaves it where it is.
            slider = ui.element("input").props('type=range min=0 max=100 step=0.1 aria-label="move the border"')
            slider.on("input", js_handler=MOVE)

    def show(self, urls: dict[str, str], left: str, right: str) -> None:
        """Show pictures by label; ``left`` and ``right`` are chosen unless the user chose others that are there."""
        self._urls = urls
        for choice, first in ((self.left, left), (self.right, right)):
            choice.set_options(list(urls), value=choice.value if choice.value in urls else first)
        self._update()

    def _update(self) -> None:
        for image, choice in ((self._above, self.left), (self._below, self.right)):
            if choice.value in self._urls:
                image.props(f'src="{self._urls[choice.value]}"')
                image.update()
