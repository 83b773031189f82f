"""Threads that wait sleep: OpenMP's own report of its settings says so."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from util import waiting

REPORT = """
from util.launch import run_script

def main():
    import torch
    torch.ones(1)

run_script(main)
"""


def report(repository, **variables: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in waiting._CHOSEN}
    done = subprocess.run(
        [sys.executable, "-c", REPORT],
        cwd=repository,
        env=environment | {"OMP_DISPLAY_ENV": "VERBOSE"} | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    if "GOMP_SPINCOUNT" not in done.stderr:
        pytest.skip("torch computes with another OpenMP than libgomp here")
    return done.stderr


def test_every_script_sets_it_before_torch_is_loaded(repository):
    assert f"GOMP_SPINCOUNT = '{waiting.SPINS}'" in report(repository)


def test_the_users_choice_is_kept(repository):
    assert "GOMP_SPINCOUNT = '77'" in report(repository, GOMP_SPINCOUNT="77")
    assert f"GOMP_SPINCOUNT = '{waiting.SPINS}'" not in report(repository, OMP_WAIT_POLICY="ACTIVE")
