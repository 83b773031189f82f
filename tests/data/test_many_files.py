"""A folder of many files costs memory for their names, never for their pixels."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import pytest
import tiny
from data_options import make_options

import data
from data.check import map_in_threads
from data.synthesis.label_sources import find_sources
from data.synthesis.pmf_folder import plan_targets
from util.errors import UserError

FEW, MANY = 500, 3000  # pairs
BYTES = 1000  # for each further file; its pixels alone would take 12,288


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[int, Path]:
    """Return {number of pairs: data set} of links to one picture."""
    root = tmp_path_factory.mktemp("many")
    picture = tiny.write(root / "x.png", tiny.make_image(1, 64, 64))
    for pairs in (FEW, MANY):
        for side in ("ir", "vis"):
            (root / str(pairs) / "test" / side).mkdir(parents=True)
            for number in range(pairs):
                os.link(picture, root / str(pairs) / "test" / side / f"scene {number:05d}.png")
    return {pairs: root / str(pairs) for pairs in (FEW, MANY)}


def largest_memory(work) -> int:
    """Return the most bytes that were held at a time while ``work`` ran."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("check", ["quick", "full"])
def test_opening(folders, check):
    def open_set(pairs: int):
        opt = make_options(dataroot=str(folders[pairs]), phase="test", check=check)
        assert len(data.create_dataset(opt, augment=False)) == pairs

    open_set(FEW)  # what is imported and cached does not count
    few, many = (largest_memory(lambda pairs=pairs: open_set(pairs)) for pairs in (FEW, MANY))
    assert (many - few) / (2 * (MANY - FEW)) < BYTES


def test_loading(folders):
    opt = make_options(dataroot=str(folders[MANY]), phase="test", check="quick", batch_size=1)
    loader = data.create_loader(data.create_dataset(opt, augment=False), opt, train=False)

    def read(count: int):
        for number, _ in enumerate(loader):
            if number == count:
                break

    read(5)
    few, many = (largest_memory(lambda count=count: read(count)) for count in (20, 600))
    assert many - few < 100 * (600 - 20), "nothing is kept of what was read"


def test_planning_pairs_of_photographs(folders, tmp_path):
    def plan(pairs: int):
        sources = find_sources(folders[pairs] / "test", "none", "test")
        assert len(plan_targets(sources.photographs, 1, tmp_path)) == 2 * pairs

    plan(FEW)
    few, many = (largest_memory(lambda pairs=pairs: plan(pairs)) for pairs in (FEW, MANY))
    assert (many - few) / (2 * (MANY - FEW)) < 2 * BYTES


def test_threads_keep_the_order_take_what_is_wanted_and_raise():
    assert list(map_in_threads(lambda item: item + 1, range(1000))) == list(range(1, 1001))
    assert list(map_in_threads(str, [])) == []
    seen = []
    results = map_in_threads(lambda item: seen.append(item), range(100_000))
    next(results)
    results.close()
    assert len(seen) < 10_000

    def refuse(item):
        if item == 700:
            raise UserError("no")

    with pytest.raises(UserError):
        list(map_in_threads(refuse, range(1000)))
