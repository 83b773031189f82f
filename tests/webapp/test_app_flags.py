"""The command line of scripts/app.py, and what the other commands do not pay for it."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest
from commands import REPOSITORY, call, environment

BAD = {
    "unknown flag": (["--prt", "8050"], ["--prt", "--port"]),
    "stray word": (["fast"], ["'fast'"]),
    "port is text": (["--port", "eighty"], ["--port", "'eighty'"]),
    "port out of range": (["--port", "70000"], ["--port", "65535"]),
    "no such address": (["--host", "192.0.2.7"], ["192.0.2.7", "--host"]),
    "runs are not there": (["--checkpoints_dir", "{root}/nowhere"], ["nowhere", "no such folder"]),
    "no pixel": (["--max_megapixels", "0"], ["--max_megapixels", "larger than 0"]),
    "no byte": (["--max_megabytes", "0"], ["--max_megabytes"]),
    "less than nobody waits": (["--max_waiting", "-1"], ["--max_waiting"]),
    "no model is kept": (["--cached_models", "0"], ["--cached_models"]),
    "GPU list is text": (["--gpu_ids", "one"], ["--gpu_ids", "'one'"]),
    "two GPUs": (["--gpu_ids", "0,1"], ["--gpu_ids", "name one"]),
}


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.replace(" ", "_"))
def test_bad_flag_ends_in_one_sentence(case, tmp_path, monkeypatch, capsys):
    words, said = BAD[case]
    words = [word.format(root=tmp_path) for word in words]
    status, output, errors = call("scripts/app.py", *words, monkeypatch=monkeypatch, capsys=capsys)
    assert status == 2 and output == ""
    assert errors.startswith("app.py: error: ") and errors.count("\n") == 1
    assert all(part in errors for part in said)


def test_port_that_is_taken_is_told_in_a_sentence(monkeypatch, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, _, errors = call("scripts/app.py", "--port", str(port), monkeypatch=monkeypatch, capsys=capsys)
    assert status == 2 and errors.count("\n") == 1
    assert f"port {port}" in errors and "--port" in errors


@pytest.mark.parametrize(("host", "warned"), [("127.0.0.1", False), ("localhost", False), ("0.0.0.0", True)])
def test_address_of_the_network_is_warned_of(host, warned, capsys):
    from webapp.server import find_port

    assert find_port(host, 0) > 0
    assert ("no password" in capsys.readouterr().err) == warned


def test_help_loads_neither_torch_nor_nicegui_and_the_other_commands_load_no_nicegui():
    probe = (
        "import runpy, sys\n"
        "for script, heavy in (('scripts/app.py', {'torch', 'nicegui'}), ('train.py', {'nicegui'}), "
        "('test.py', {'nicegui'})):\n"
        "    sys.argv = [script, '--help']\n"
        "    try: runpy.run_path(script, run_name='__main__')\n"
        "    except SystemExit as end: assert not end.code\n"
        "    assert not heavy & set(sys.modules), (script, heavy & set(sys.modules))\n"
        "import train, test\n"
        "assert not {'nicegui', 'webapp'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", probe], cwd=REPOSITORY, capture_output=True, text=True,
                          env=environment())  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "--max_megapixels" in done.stdout


def test_missing_library_is_told_in_a_sentence(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "nicegui", None)
    status, _, errors = call("scripts/app.py", monkeypatch=monkeypatch, capsys=capsys)
    assert status == 2 and "nicegui" in errors and "requirements.txt" in errors
