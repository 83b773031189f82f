"""The logs on disk: exact numbers, torn lines, kills, full disks, and going back."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from util.errors import RunError
from util.run_log import LogTail, RunLog, TextLog, read_records, rollback, rollback_text, set_aside


def make_record(step: int, **losses: float) -> dict:
    return {"epoch": 1 + step // 10, "iter": step % 10 * 4, "total_iters": step * 4, "step": step,
            "losses": losses or {"G": step / 3}, "lr": 2e-4, "time": 0.1, "data_time": 0.01}


def write_log(path: Path, steps) -> Path:
    log = RunLog(path)
    for step in steps:
        log.append(make_record(step))
    log.close()
    return path


def test_numbers_come_back_to_the_last_bit(tmp_path):
    values = [0.1 + 0.2, math.pi, 5e-324, 1.7976931348623157e308, -0.0, 1 / 3]
    log = RunLog(tmp_path / "log.jsonl")
    for value in values:
        log.append(make_record(1, G=value))
    assert [record["losses"]["G"].hex() for record in read_records(log.path)] == [value.hex() for value in values]


def test_every_line_is_strict_json(tmp_path):
    log = RunLog(tmp_path / "log.jsonl")
    log.append(make_record(np.int64(3), a=math.nan, b=-math.inf, c=np.float32(0.5), d=np.array(2.5)))

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    record = json.loads(log.path.read_text(), parse_constant=refuse)
    assert record["losses"] == {"a": None, "b": None, "c": 0.5, "d": 2.5} and record["step"] == 3


def test_a_record_is_on_disk_when_append_returns(tmp_path):
    log = RunLog(tmp_path / "log.jsonl")
    for step in range(1, 4):
        log.append(make_record(step))
        assert len(read_records(log.path)) == step  # while the log is open


def test_a_log_cut_anywhere_is_read_and_continued(tmp_path):
    whole = write_log(tmp_path / "whole.jsonl", (1, 2, 3)).read_bytes()
    torn = tmp_path / "torn.jsonl"
    for length in range(len(whole) + 1):
        torn.write_bytes(whole[:length])
        lines = whole[:length].count(b"\n")
        assert [record["step"] for record in read_records(torn)] == [1, 2, 3][:lines]
        write_log(torn, [9])
        assert [record["step"] for record in read_records(torn)] == [1, 2, 3][:lines] + [9]


def test_a_torn_line_longer_than_a_block_is_cut(tmp_path):
    path = write_log(tmp_path / "log.jsonl", [1])
    with open(path, "a") as handle:
        handle.write("x" * 200_000)
    write_log(path, [2])
    assert [record["step"] for record in read_records(path)] == [1, 2]
    assert path.read_text().count("\n") == 2


def test_kill_minus_nine_loses_nothing_that_was_reported(tmp_path, repository):
    path = tmp_path / "log.jsonl"
    script = ("import itertools, sys\nfrom util.run_log import RunLog\nlog = RunLog(sys.argv[1])\n"
              "for step in itertools.count(1):\n    log.append({'step': step, 'text': 'x' * 3000})\n"
              "    print(step, flush=True)\n")
    command = [sys.executable, "-c", script, str(path)]
    process = subprocess.Popen(command, cwd=repository, stdout=subprocess.PIPE, text=True)
    reported = 0
    for line in process.stdout:
        reported = int(line)
        if reported == 200:
            process.send_signal(signal.SIGKILL)
            break
    reported = max([reported, *(int(line) for line in process.stdout if line.endswith("\n"))])
    process.wait()
    steps = [record["step"] for record in read_records(path)]
    assert steps == list(range(1, len(steps) + 1)) and len(steps) >= reported
    write_log(path, [len(steps) + 1])
    assert len(read_records(path)) == len(steps) + 1


def test_a_full_disk_is_told_in_a_sentence(tmp_path):
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full: a full disk cannot be had here")
    (tmp_path / "log.jsonl").symlink_to("/dev/full")
    with pytest.raises(RunError, match=r"disk is full.*log\.jsonl.*--continue_train"):
        RunLog(tmp_path / "log.jsonl").append(make_record(1))


def test_a_folder_that_cannot_be_made_is_told_in_a_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="could not be written"):
        RunLog(tmp_path / "file" / "log.jsonl")


def test_a_tail_sees_each_whole_line_once(tmp_path):
    path = tmp_path / "log.jsonl"
    tail = LogTail(path)
    assert list(tail.read()) == []
    write_log(path, [1, 2])
    assert [record["step"] for record in tail.read()] == [1, 2]
    with open(path, "a") as handle:
        handle.write('{"step": 3')
        handle.flush()
        assert list(tail.read()) == []
        handle.write("}\n")
    assert [record["step"] for record in tail.read()] == [3]
    assert list(tail.read()) == []


def test_rollback_drops_what_is_later_and_nothing_else(tmp_path):
    path = write_log(tmp_path / "log.jsonl", range(1, 31))
    before = path.read_text().splitlines()
    rollback(path, 17)
    assert path.read_text().splitlines() == before[:17]
    rollback(path, 17)
    assert path.read_text().splitlines() == before[:17]
    rollback(tmp_path / "absent.jsonl", 5)
    assert not (tmp_path / "absent.jsonl").exists()


def test_text_log_has_the_form_that_users_parse(tmp_path):
    log = TextLog(tmp_path / "loss_log.txt")
    log.append_record({**make_record(7, G_GAN=0.6931471, G_L1=12.34567), "time": 0.1234, "data_time": 0.0016})
    header, line = log.path.read_text().splitlines()
    assert header.startswith("================ Training Loss (") and header.endswith(") ================")
    assert line == "(epoch: 1, iters: 28, time: 0.123, data: 0.002) G_GAN: 0.693 G_L1: 12.346"


def test_text_log_goes_back_with_the_records_and_keeps_its_headers(tmp_path):
    path = tmp_path / "loss_log.txt"
    log = TextLog(path)
    for step in range(1, 31):
        log.append_record(make_record(step))
    log.close()
    TextLog(path).close()  # a second start
    rollback_text(path, make_record(17))
    lines = path.read_text().splitlines()
    assert [line for line in lines if line.startswith("=")] == [lines[0], lines[-1]]
    assert len(lines) == 2 + 17 and lines[17].startswith("(epoch: 2, iters: 28,")
    rollback_text(path, None)
    assert len(path.read_text().splitlines()) == 2


def test_the_log_of_an_earlier_run_is_kept_beside(tmp_path):
    path = write_log(tmp_path / "loss_log.jsonl", [1, 2])
    os.utime(path, (1e9, 1e9))
    content = path.read_bytes()
    first = set_aside(path)
    assert not path.exists() and first.read_bytes() == content
    write_log(path, [3])
    os.utime(path, (1e9, 1e9))
    second = set_aside(path)
    assert second != first and [record["step"] for record in read_records(second)] == [3]
    assert set_aside(path) is None
