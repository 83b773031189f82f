"""The benchmark of starting: it runs real commands and sees when one does not end as it should."""

from __future__ import annotations

import pytest

from scripts import bench_startup
from util.errors import RunError


def test_a_command_is_run_and_timed():
    seconds, processor = bench_startup.measure("scripts/app.py --help")
    assert seconds > 0 and processor > 0


def test_a_command_that_ends_otherwise_is_told(monkeypatch):
    command = "train.py --lr none"
    assert bench_startup.measure(command)[0] > 0
    monkeypatch.setitem(bench_startup.COMMANDS, command, 0)
    with pytest.raises(RunError, match="ended with status 2 instead of 0: .*--lr"):
        bench_startup.measure(command)


def test_rows_are_medians():
    table = bench_startup.format_rows({"import torch": [(3.0, 2.0), (9.0, 5.0), (1.0, 1.0)]})
    assert table.splitlines()[-1] == "| `import torch` | 3.00 | 2.00 |"
