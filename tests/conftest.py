"""Fixtures that every test folder shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from util.waiting import sleep_while_waiting

sleep_while_waiting()  # as every script does; test modules load torch after this

pytest_plugins = ["fixtures_browser"]

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout under test."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real data and reference outputs; $FUSELAB_SHARED names another place for it."""
    folder = Path(os.environ.get("FUSELAB_SHARED", REPOSITORY.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"reference data are not here: no folder {folder} (set FUSELAB_SHARED)")
    return folder
