"""PMF triplets by the thousand: in parallel, whole files only, taken up where a kill left them."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import lru_cache
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for
from multiprocessing.process import BaseProcess
from pathlib import Path

import cv2
import numpy as np

from data.synthesis.focus_masks import NoSplitError
from data.synthesis.label_maps import numbers_to_colours, read_label_colours, read_label_map, segment_photograph
from data.synthesis.label_sources import Photograph
from data.synthesis.pmf import Settings, make_legacy_triplet, make_triplet, round_pixels
from data.synthesis.pmf_folder import Target, hold_folders, is_whole_png
from util.errors import RunError, UserError
from util.files import atomic_write
from util.image_io import read_pixels, to_float, to_three_channels

# Level 1 is three times as fast as level 6 and a tenth larger; one fixed filter (OpenCV 4.12 on) saves another third.
PNG_FILTER = (cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP) if hasattr(cv2, "IMWRITE_PNG_FILTER") else ()
PNG_PARAMETERS = (cv2.IMWRITE_PNG_COMPRESSION, 1, *PNG_FILTER)
VARIANTS_PER_TASK = 16


@dataclass
class Report:
    """What a run did. ``dropped`` counts triplets by reason; ``bad`` has a sentence for each photograph left out."""

    written: int = 0
    kept: int = 0
    dropped: Counter = field(default_factory=Counter)
    bad: list[str] = field(default_factory=list)
    seconds: float = 0.0


def write_triplets(
    targets: list[Target], settings: Settings, *, jobs: int = 1, skip_bad: bool = False, title: str = "pairs"
) -> Report:
    """Make every target that is not there yet.

    The pixels depend on the settings and each photograph's name and variant alone, so ``jobs`` (processes) and the
    order change nothing.

    Raises:
        UserError: a photograph or label map cannot be decoded (without ``skip_bad``), or another run is at work there.
        RunError: a worker process died, or the disk is full.
    """
    with hold_folders({file.parent for target in targets for file in target.files}):
        return _write_missing(targets, settings, jobs, skip_bad, title)


def _write_missing(targets: list[Target], settings: Settings, jobs: int, skip_bad: bool, title: str) -> Report:
    from tqdm import tqdm

    missing = [target for target in targets if not all(is_whole_png(file) for file in target.files)]
    report = Report(kept=len(targets) - len(missing))
    begin = time.perf_counter()
    with (
        tqdm(total=len(targets), initial=report.kept, desc=title, unit="pair", disable=None) as bar,
        closing(_run(list(_divide(missing)), settings, jobs)) as outcomes,
    ):
        for outcome in outcomes:
            if outcome.failure:
                raise RunError(outcome.failure)
            if outcome.error and not skip_bad:
                raise UserError(f"{outcome.error}; mend or remove it, or go on without with --skip_bad")
            if outcome.error and outcome.error not in report.bad:  # a photograph's variants are several tasks
                report.bad.append(outcome.error)
            report.written += outcome.written
            report.dropped.update(outcome.dropped)
            bar.update(outcome.count)
    report.seconds = time.perf_counter() - begin
    return report


def encode_strip(images: Sequence[np.ndarray]) -> bytes:
    """Encode uint8 RGB images (H, W, 3) side by side as a PNG."""
    strip = np.concatenate([image[..., ::-1] for image in images], axis=1)
    return cv2.imencode(".png", np.ascontiguousarray(strip), PNG_PARAMETERS)[1].tobytes()


def load_photo(path: Path) -> np.ndarray:
    """Read a photograph of any depth as uint8 RGB (H, W, 3)."""
    pixels = to_three_channels(read_pixels(path))
    return pixels if pixels.dtype == np.uint8 else round_pixels(to_float(pixels) * 255)


def load_regions(photograph: Photograph, photo: np.ndarray, settings: Settings) -> np.ndarray:
    """Read or find the regions of a photograph: int32 (h, w), for the official rule uint8 BGR (h, w, 3)."""
    if photograph.labels is None:
        regions = segment_photograph(photo, settings.segmenter)
        return numbers_to_colours(regions) if settings.legacy else regions
    return read_label_colours(photograph.labels) if settings.legacy else read_label_map(photograph.labels)


@dataclass
class _Outcome:
    count: int
    written: int = 0
    dropped: Counter = field(default_factory=Counter)
    error: str | None = None  # what is wrong with the photograph or its labels
    failure: str | None = None  # why nothing can be written


def _make(task: list[Target], settings: Settings) -> _Outcome:
    """Make the targets of one photograph."""
    outcome = _Outcome(len(task))
    photograph = task[0].photograph
    try:
        photo, regions = _load(photograph, settings)
        for target in task:
            try:
                if settings.legacy:
                    bgr = make_legacy_triplet(np.ascontiguousarray(photo[..., ::-1]), regions)
                    triplet = [image[..., ::-1] for image in bgr]
                else:
                    triplet = make_triplet(photo, regions, settings, photograph.name, target.variant)
            except NoSplitError as error:
                outcome.dropped[str(error)] += 1
                continue
            parts = [triplet] if len(target.files) == 1 else [[image] for image in triplet]
            for file, images in zip(target.files, parts, strict=True):
                atomic_write(file, encode_strip(images))
            outcome.written += 1
    except RunError as error:
        outcome.failure = str(error)
    except UserError as error:
        outcome.error = str(error)
    return outcome


@lru_cache(maxsize=2)
def _load(photograph: Photograph, settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    photo = load_photo(photograph.image)
    return photo, load_regions(photograph, photo, settings)


def _divide(targets: list[Target]) -> Iterator[list[Target]]:
    """Group the targets of one photograph into tasks, so that it is decoded once for many variants."""
    task: list[Target] = []
    for target in targets:
        if task and (target.photograph != task[0].photograph or len(task) == VARIANTS_PER_TASK):
            yield task
            task = []
        task.append(target)
    if task:
        yield task


def _run(tasks: list[list[Target]], settings: Settings, jobs: int) -> Iterator[_Outcome]:
    """Yield the outcome of every task, made in this process (one job) or in as many others."""
    jobs = min(jobs, len(tasks))
    if jobs <= 1:
        yield from (_make(task, settings) for task in tasks)
        return
    waiting = iter(tasks)
    workers: dict[Connection, BaseProcess] = {}
    try:
        for _ in range(jobs):
            pipe, process = _start_worker(settings)
            workers[pipe] = process
            pipe.send(next(waiting))
        busy = set(workers)
        while busy:
            for pipe in wait_for(busy):
                outcome = pipe.recv()
                task = next(waiting, None)
                if task is None:
                    busy.discard(pipe)
                else:
                    pipe.send(task)
                yield outcome
    except (EOFError, ConnectionError) as error:
        raise RunError(
            "a worker process ended without an answer (its traceback is above, or it was killed, perhaps for want of "
            "memory); the same command goes on where it stopped, and fewer --jobs need less memory"
        ) from error
    finally:
        # Whatever a worker is at now is not wanted any more, and its files are whole or absent.
        for pipe, process in workers.items():
            process.terminate()
            pipe.close()
        for process in workers.values():
            process.join()


def _start_worker(settings: Settings) -> tuple[Connection, BaseProcess]:
    # A fresh process: forking would copy OpenCV's thread pool in whatever state it is.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, settings), daemon=True)
    # Ctrl-C is the parent's business: the worker inherits the blocked signal.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    theirs.close()
    return ours, process


def _work(pipe: Connection, settings: Settings) -> None:
    """Make tasks until the pipe is closed, which the end of the parent does too, however it ends."""
    cv2.setNumThreads(1)  # the processes are the parallelism
    try:
        while True:
            pipe.send(_make(pipe.recv(), settings))
    except (EOFError, ConnectionError):
        return
