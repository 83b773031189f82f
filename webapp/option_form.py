"""The form of a method's options as it is seen."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from webapp.fields import Field, to_words


class OptionForm:
    """Shows a field for each option, and gives the words of what was chosen."""

    def __init__(self):
        self._fields: list[Field] = []
        self._inputs: dict[str, Any] = {}
        self._frame = ui.expansion("Options of the method").classes("options")
        with self._frame:
            self._grid = ui.element("div").classes("option-grid")

    def show(self, fields: list[Field]) -> None:
        """Show the options of another method."""
        self._fields, self._inputs = fields, {}
        self._frame.set_visibility(bool(fields))
        self._grid.clear()
        with self._grid:
            for field in fields:
                with ui.element("div").classes(f"option option-{field.flag.removeprefix('--')}"):
                    self._inputs[field.flag] = _make_input(field)
                    ui.label(field.help).classes("option-help")

    def words(self) -> list[str]:
        """Return what differs from the defaults, as ``test.py`` takes it."""
        return to_words(self._fields, {flag: shown.value for flag, shown in self._inputs.items()})


def _make_input(field: Field):
    if field.kind == "flag":
        box = ui.checkbox(field.label, value=field.default)
        if field.fixed:
            box.disable()
        return box
    if field.kind == "choice":
        known = field.default is None or str(field.default) in field.choices
        choices = list(field.choices) if known else [field.default, *field.choices]
        return ui.select(choices, value=field.default, label=field.label).props("outlined dense options-dense")
    if field.kind == "number":
        step = 1 if field.whole else "any"
        return ui.number(field.label, value=field.default).props(f"outlined dense step={step}")
    return ui.input(field.label, value="" if field.default is None else str(field.default)).props("outlined dense")
