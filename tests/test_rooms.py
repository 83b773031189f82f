"""Imports point one way: entry points, options, then models, data and metrics, then util."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# What DEVELOPERS.md says that each room knows of the others; the entry scripts and scripts/ know all.
KNOWN = {
    "options": {"data", "models", "metrics", "util"},
    "models": {"util", "options.types"},
    "data": {"util", "options.types"},
    "downstream": {"data", "options", "util"},
    "metrics": {"util"},
    "util": set(),
    "webapp": {"data", "models", "metrics", "options", "util"},
}
ENTRIES = ("train", "test", "evaluate", "scripts")
HELPERS_OF_THE_LOOPS = (
    "util/validation.py",
    "util/scoring.py",
    "util/evaluation.py",
    "util/report.py",
    "util/tables.py",
    "util/gallery/gallery_page.py",
    "util/gallery/summary.py",
    "util/gallery/leaderboard_charts.py",
    "util/gallery/leaderboard_page.py",
    "util/gallery/runs_page.py",
)


def find_imports(path: Path) -> set[str]:
    """Return the modules that a file imports, at its top and inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("room", KNOWN)
def test_imports_point_one_way(room):
    for path in (ROOT / room).rglob("*.py"):
        name = path.relative_to(ROOT).as_posix()
        if name in HELPERS_OF_THE_LOOPS:
            continue
        ours = {module for module in find_imports(path) if module.split(".")[0] in (*KNOWN, *ENTRIES)}
        strange = {module for module in ours if not {module, module.split(".")[0]} & {room, *KNOWN[room]}}
        assert not strange, f"{name} imports {strange}"
