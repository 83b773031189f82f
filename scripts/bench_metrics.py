#!/usr/bin/env python3
"""Measure what scoring costs: milliseconds per metric and image, images/s of all cores, and memory on large pictures.

    python scripts/bench_metrics.py                                    # every metric, a generated pair of 640x480
    python scripts/bench_metrics.py --metrics fast --size 1280x1024 --repeat 9
    python scripts/bench_metrics.py --images ir.png vis.png fused.png --metrics Q_P,FMI_pixel
    python scripts/bench_metrics.py --megapixels 20 --metrics VIF,Q_CB

A time is that of the processor, from the 8-bit images to the number, on the one thread that scores are computed on:
the median of several, after a first that is not counted. "together" is one call for all metrics, which do the work that
they have in common once. With --megapixels each metric runs once in a process of its own, whose largest memory is told.
"""

from __future__ import annotations

import math
import multiprocessing
import statistics
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from importlib.metadata import version
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from metrics import find_metric, score, select, to_gray8
from options.option_parser import OptionParser
from options.types import real_number, whole_number
from util.benchmark import largest_memory, read_load, width_and_height
from util.errors import RunError, UserError
from util.image_io import read_image
from util.jobs import choose_jobs, count_cores, map_jobs
from util.launch import run_script
from util.logger import log

MANY = 1000  # images: enough for every core


def main() -> None:
    """Print one table: of times, or of memory."""
    opt = parse()
    if opt.images and len(opt.images) not in (3, 4):
        raise UserError("--images takes the two sources, the fused image and perhaps a ground truth, not "
                        f"{len(opt.images)} files")
    names = [chosen.name for chosen in select(opt.metrics, has_gt=len(opt.images or ()) != 3)]
    if not names:
        raise UserError("--metrics none leaves nothing to measure")
    if opt.megapixels:
        report_memory(names, opt.megapixels)
    else:
        report_times(names, read_pictures(opt.images) if opt.images else draw_pictures(*opt.size), opt)


def parse():
    parser = OptionParser(description=__doc__, prog="bench_metrics.py")
    group = parser.group("run")
    group.add_argument("-h", "--help", action="help", help="show this and stop")
    group.add_argument("--metrics", default="all", help="all|fast, or names such as EN,Qabf,VIF")
    group.add_argument("--size", type=width_and_height, default="640x480", help="of the generated images, pixels")
    group.add_argument("--images", nargs="+", metavar="FILE", help="A, B, F and perhaps a ground truth instead")
    group.add_argument("--repeat", type=whole_number(1, 10000), default=5, help="runs that the median is taken of")
    group.add_argument("--jobs", type=whole_number(0, 1024), default=0, help="processes of the batch; 0: one per core")
    group.add_argument("--seconds", type=real_number(0), default=10, help="length of the batch; 0: no batch")
    group.add_argument("--megapixels", type=real_number(0, 1000, above=True), help="measure memory instead")
    return parser.parse_strictly(sys.argv[1:])


def draw_pictures(width: int, height: int) -> dict[str, np.ndarray]:
    """Return two sources, their fusion and a ground truth, uint8 (height, width): waves of all lengths and noise."""
    pictures = {label: np.empty((height, width), np.uint8) for label in ("a", "b", "fused", "gt")}
    noise = np.random.default_rng(0)
    x = np.arange(width)
    for top in range(0, height, 64):  # in strips: the memory that is measured later is that of the metrics
        y = np.arange(top, min(height, top + 64))[:, None]
        heat = 110 + 90 * np.sin(x / 83 + y / 170) * np.cos(y / 61)
        texture = 120 + 50 * np.sin((x * y) / 900) + 40 * np.cos(x / 7 - y / 11)
        a, b = (scene + noise.normal(0, 5, scene.shape) for scene in (heat, texture))
        for label, scene in {"a": a, "b": b, "fused": (a + b) / 2, "gt": np.maximum(a, b)}.items():
            pictures[label][top:top + 64] = np.clip(np.rint(scene), 0, 255)
    return pictures


def read_pictures(files: list[str]) -> dict[str, np.ndarray]:
    """Return the gray levels of A, B, F and, where it is given, the ground truth."""
    labels = ("a", "b", "fused", "gt")
    return {label: to_gray8(read_image(file)[0]).numpy() for label, file in zip(labels, files, strict=False)}


def report_times(names: list[str], pictures: dict[str, np.ndarray], opt) -> None:
    """Print the milliseconds of each metric and of all together, and the images/s of a batch."""
    height, width = pictures["fused"].shape
    cores = f"{count_cores()} cores, load {read_load()}"
    log(f"{width}x{height}, median of {opt.repeat}, torch {version('torch')}, {cores}")
    column = max(map(len, ["all, together", *names]))
    total = 0.0
    for name in names:
        milliseconds = time_score([name], pictures, opt.repeat)
        total += milliseconds
        log(f"{name:{column}} {milliseconds:9.2f} ms")
    log(f"{'all, one by one':{column}} {total:9.2f} ms")
    log(f"{'all, together':{column}} {time_score(names, pictures, opt.repeat):9.2f} ms")
    if opt.seconds:
        jobs = choose_jobs(opt.jobs, MANY)
        rate = time_batch(names, pictures, jobs, opt.seconds)
        log(f"batch of {jobs} process{'es' if jobs > 1 else ''}: {rate:.2f} images/s (load now {read_load()})")


def time_score(names: list[str], pictures: dict[str, np.ndarray], repeat: int) -> float:
    """Return the median processor time in milliseconds of one ``score`` call."""
    selected = [find_metric(name) for name in names]
    times = []
    for _ in range(repeat + 1):
        before = time.process_time()
        score(selected, **pictures, reasons={})
        times.append(time.process_time() - before)
    return 1e3 * statistics.median(times[1:])


def time_batch(names: list[str], pictures: dict[str, np.ndarray], jobs: int, seconds: float) -> float:
    """Return the images/s of ``jobs`` processes, counted from when all of them have begun to deliver."""
    started = math.inf

    def images() -> Iterator[None]:
        while time.perf_counter() < started + seconds:
            yield None

    finished = 0
    for number, _ in enumerate(map_jobs(score_pictures, (names, pictures), images(), jobs), start=1):
        if number == 2 * jobs:
            started = time.perf_counter()
        finished = max(0, number - 2 * jobs)
    return finished / (time.perf_counter() - started)


def score_pictures(common: tuple[list[str], dict[str, np.ndarray]], _: None) -> None:
    names, pictures = common
    score([find_metric(name) for name in names], **pictures, reasons={})


def report_memory(names: list[str], megapixels: float) -> None:
    """Print the largest memory of a process that scores one picture by one metric, and by all."""
    width = round(math.sqrt(megapixels * 1.5e6))
    height = max(1, round(megapixels * 1e6 / width))
    log(f"{width}x{height}, one process each, torch {version('torch')}, load {read_load()}; above what torch and "
        "the 8-bit images take")
    column = max(map(len, ["all, together", *names]))
    sets = {name: [name] for name in names} | ({"all, together": names} if len(names) > 1 else {})
    for title, chosen in sets.items():
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, context) as pool:
            try:
                start, peak, seconds = pool.submit(measure_memory, chosen, width, height).result()
            except BrokenProcessPool as error:
                raise RunError(f"the process that measured {title} was killed, most likely for want of memory; choose "
                               "fewer --megapixels") from error
        log(f"{title:{column}} {peak - start:7.0f} MiB above {start:.0f} {seconds:8.2f} s")


def measure_memory(names: list[str], width: int, height: int) -> tuple[float, float, float]:
    """Return the memory before and at its largest, in MiB, and the processor time of scoring, in seconds."""
    selected = [find_metric(name) for name in names]
    score(selected, **draw_pictures(64, 64), reasons={})  # loads what is loaded on the way
    pictures = draw_pictures(width, height)
    start, before = largest_memory(), time.process_time()
    score(selected, **pictures, reasons={})
    return start, largest_memory(), time.process_time() - before


if __name__ == "__main__":
    run_script(main)
