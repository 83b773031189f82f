"""Freed memory stays in the process, unless the user has chosen otherwise or the C library is another."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from util import allocator

glibc = pytest.mark.skipif(not allocator._is_glibc(), reason="the C library is not glibc")

# Takes a block of 64 MiB, writes to all of it and frees it, four times; prints the pages brought for the last three.
COUNT_FAULTS = """
import ctypes, resource, sys
from util.allocator import keep_freed_memory
from util.launch import run_script

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p

def touch(size=64 << 20):
    block = ctypes.c_void_p(libc.malloc(ctypes.c_size_t(size)))
    libc.memset(block, 1, ctypes.c_size_t(size))
    libc.free(block)

def main():
    assert "torch" not in sys.modules
    touch()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(3):
        touch()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def count_faults(repository, call: str, **variables: str) -> int:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "LD_PRELOAD"))}
    command = [sys.executable, "-c", f"{COUNT_FAULTS}\n{call}"]
    done = subprocess.run(
        command, cwd=repository, env={**environment, **variables}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@glibc
def test_an_entry_script_brings_the_pages_of_a_large_block_once(repository):
    assert count_faults(repository, "main()") > 3 * 10_000
    assert count_faults(repository, "run_script(main)") < 1_000


@glibc
@pytest.mark.parametrize("variable", [
    {"MALLOC_ARENA_MAX": "2"}, {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=7"},
    {"LD_PRELOAD": "/nowhere/libjemalloc.so.2"},
])  # fmt: skip
def test_the_users_own_choice_stands(monkeypatch, variable):
    for name, value in variable.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(allocator._PRIMITIVES, "17")
    assert not allocator.keep_freed_memory()
    assert os.environ[allocator._PRIMITIVES] == "17"


def test_another_c_library_is_left_alone(monkeypatch):
    def refuse(name):
        raise ValueError("unrecognized configuration name")

    monkeypatch.setenv(allocator._PRIMITIVES, "17")
    monkeypatch.setattr(os, "confstr", refuse, raising=False)
    assert not allocator.keep_freed_memory()
