"""Work in several processes: in order, with little in memory, and with errors that arrive as they were."""

from __future__ import annotations

import os
import time

import pytest

from util.errors import RunError, UserError
from util.jobs import choose_jobs, map_jobs


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


def test_processes_are_started_only_where_they_pay():
    assert choose_jobs(3, 1) == 3
    assert choose_jobs(0, 7) == 1
    assert 1 <= choose_jobs(0, 10_000) <= (os.cpu_count() or 1)
    assert choose_jobs(0, 10_000, processes=10_000) == 1
