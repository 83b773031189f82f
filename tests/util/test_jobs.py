"""Work in several processes: in order, with little in memory, and with errors that arrive as they were."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from commands import environment
from watching import wait_until

from util.errors import RunError, UserError
from util.jobs import _Crew, choose_jobs, map_jobs
from util.launch import run_script

PROMPT = 20  # seconds, of minutes that it would take: a test machine may be busy


def add(common: int, item: int) -> tuple[int, int]:
    time.sleep(0.05 if item % 3 == 0 else 0)
    return common + item, os.getpid()


def fail_at_five(common: None, item: int) -> int:
    if item == 5:
        raise UserError("five is broken")
    return item


def leave_at_five(common: None, item: int) -> int:
    if item == 5:
        os._exit(1)
    return item


def work_for_minutes(folder: Path, item: int) -> None:
    """Say who is at work."""
    (folder / str(os.getpid())).touch()
    time.sleep(300)


def work_for_minutes_after_nought(folder: Path, item: int) -> int:
    return item if item == 0 else work_for_minutes(folder, item)


def fail_at_nought_while_others_work(folder: Path, item: int) -> None:
    if item != 0:
        work_for_minutes(folder, item)
    wait_until(lambda: list(folder.iterdir()), "the other process is at work")
    raise UserError("nought is broken")


def main() -> None:
    """Be a script whose two processes are at work for minutes."""
    list(map_jobs(work_for_minutes, Path(sys.argv[1]), range(9), 2))


def alive(process: int) -> bool:
    """Whether a process runs: one that nobody has waited for is a zombie, not alive."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def script(tmp_path):
    """Return the script, once both of its processes are at work, and their ids."""
    words = [sys.executable, __file__, str(tmp_path)]
    root = Path(__file__).resolve().parents[2]
    process = subprocess.Popen(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               start_new_session=True,
                               env=environment(PYTHONPATH=f"{root}:{root / 'tests'}"))  # fmt: skip
    try:
        wait_until(lambda: len(list(tmp_path.iterdir())) == 2, "both processes are at work")
        yield process, [int(path.name) for path in tmp_path.iterdir()]
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_come_in_the_order_of_the_items(jobs):
    results = list(map_jobs(add, 100, iter(range(12)), jobs))
    assert [value for value, _ in results] == list(range(100, 112))
    processes = {process for _, process in results}
    assert processes == {os.getpid()} if jobs == 1 else os.getpid() not in processes


def test_items_are_made_as_results_are_taken():
    made = []

    def produce():
        for item in range(100):
            made.append(item)
            yield item

    results = map_jobs(add, 0, produce(), 2)
    next(results)
    assert len(made) <= 5, "twice the processes, and the one that was taken"
    results.close()


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_of_an_item_is_raised_here(jobs):
    with pytest.raises(UserError, match="five is broken"):
        list(map_jobs(fail_at_five, None, range(9), jobs))


def test_a_killed_process_is_told():
    with pytest.raises(RunError, match="one of the 2 processes that score was killed"):
        list(map_jobs(leave_at_five, None, range(9), 2))


def test_an_error_ends_the_processes_that_are_still_at_work(tmp_path):
    results = map_jobs(fail_at_nought_while_others_work, tmp_path, range(9), 2)
    with pytest.raises(UserError, match="nought is broken"):
        list(results)
    assert not multiprocessing.active_children()


def test_a_process_is_added_only_where_the_others_have_work(tmp_path):
    crew = _Crew(work_for_minutes_after_nought, tmp_path, 3)
    try:
        for _ in range(3):
            assert crew.submit(0).result() == 0
        assert len(multiprocessing.active_children()) == 1
        for item in range(1, 6):
            crew.submit(item)
        assert len(multiprocessing.active_children()) == 3
    finally:
        crew.dismiss()


def test_closing_ends_the_processes(tmp_path):
    results = map_jobs(work_for_minutes_after_nought, tmp_path, iter((0, 2, 3, 4)), 2)
    assert next(results) == 0
    wait_until(lambda: len(list(tmp_path.iterdir())) == 2, "both processes are at work")
    began = time.monotonic()
    results.close()
    assert time.monotonic() - began < PROMPT
    assert not multiprocessing.active_children()


@pytest.mark.parametrize(
    ("number", "status", "said"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
@pytest.mark.parametrize("whom", ["group", "parent"])
def test_a_signal_ends_all_processes_with_one_sentence(script, whom, number, status, said):
    process, workers = script
    began = time.monotonic()
    (os.killpg if whom == "group" else os.kill)(process.pid, number)
    _, errors = process.communicate(timeout=30)
    assert time.monotonic() - began < PROMPT
    assert process.returncode == status and errors == f"test_jobs.py: error: {said}\n"
    assert not any(map(alive, workers))


def test_processes_leave_when_the_parent_is_killed(script):
    process, workers = script
    process.kill()
    process.wait()
    wait_until(lambda: not any(map(alive, workers)), "the processes have seen that the parent is gone", 2 * PROMPT)


def test_processes_are_started_only_where_they_pay():
    assert choose_jobs(3, 1) == 3
    assert choose_jobs(0, 7) == 1
    assert 1 <= choose_jobs(0, 10_000) <= (os.cpu_count() or 1)
    assert choose_jobs(0, 10_000, processes=10_000) == 1


if __name__ == "__main__":
    run_script(main)
