"""What the training loop needs beside the model: where it stands, when to stop, the clock, and the state on disk."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import random
import resource
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from util import checkpoint, distributed
from util.errors import RunError, UserError
from util.files import REPOSITORY
from util.lazy import torch
from util.logger import is_main_process, log

STATE_FILE = "latest_train_state.pth"
STATE_FORMAT = 1


@dataclasses.dataclass
class Progress:
    """Where a run stands. It is saved only between two updates, so it is always exact.

    Attributes:
        epoch: the running epoch, from 1.
        consumed: images of this epoch that were learned from, over all processes.
        total_iters: images in all epochs, over all processes (CycleGAN's counter).
        step: updates of the parameters.
        update: the update that the last batch is part of: ``step``, or the coming one while batches are gathered.
        best_score, best_epoch: of the validation metric so far, None before the first.
    """

    epoch: int = 1
    consumed: int = 0
    total_iters: int = 0
    step: int = 0
    update: int = 0
    best_score: float | None = None
    best_epoch: int | None = None

    def advance(self, images: int, moved: bool) -> None:
        self.consumed += images
        self.total_iters += images
        self.step += moved
        self.update = self.step + (not moved)

    def begin_next_epoch(self) -> None:
        self.epoch += 1
        self.consumed = 0

    def crossed(self, frequency: int, images: int) -> bool:
        """Whether the last ``images`` images contained a multiple of ``frequency``."""
        return self.total_iters // frequency > (self.total_iters - images) // frequency


class StopSignal:
    """Turns SIGTERM and Ctrl-C into a flag that is read between two updates; a second Ctrl-C stops at once."""

    def __init__(self):
        self.name = ""

    def __enter__(self) -> StopSignal:
        self._before = {number: signal.signal(number, self._receive) for number in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, _frame) -> None:
        if self.name and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name


class Clock:
    """Measures, per image, how long a step waits for data and how long it computes, since the last reading."""

    def __init__(self):
        self._mark = time.perf_counter()
        self._clear()

    def data_arrived(self) -> None:
        self._data += self._lap()

    def computed(self, images: int) -> None:
        self._compute += self._lap()
        self._images += images

    def read(self) -> dict[str, float]:
        """Return seconds per image (data, compute, both) and images per second since the last call, and start anew."""
        images = max(1, self._images)
        total = self._data + self._compute
        times = {
            "time": total / images,
            "data_time": self._data / images,
            "compute_time": self._compute / images,
            "images_per_s": self._images / total if total else 0.0,
        }
        self._clear()
        return times

    def skip(self) -> None:
        """Leave out what was done since the last mark: saving, validating, drawing."""
        self._lap()

    def _lap(self) -> float:
        now = time.perf_counter()
        lap, self._mark = now - self._mark, now
        return lap

    def _clear(self) -> None:
        self._data = self._compute = 0.0
        self._images = 0


def seed_everything(seed: int, progress: Progress | None = None) -> None:
    """Start all random numbers from the seed, the process and the update.

    Every update begins here, so a run that is resumed draws the numbers of one that was never stopped, on each
    process, without a generator's state on disk.
    """
    numbers = [seed, distributed.rank(), progress.total_iters + 1] if progress else [seed]
    state = int(np.random.SeedSequence(numbers).generate_state(1)[0])
    torch.manual_seed(state)
    random.seed(state)
    np.random.seed(state)


def memory_in_use(device: str) -> str:
    """Return the peak memory of this process in words: the GPU's where there is one."""
    if device != "cpu":
        return f"{torch.cuda.max_memory_allocated(device) / 2**30:.1f} GiB GPU"
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB"


def save_state(model, progress: Progress, opt: argparse.Namespace) -> None:
    """Write the whole training state in one file, then the networks for ``test.py`` (rank 0 alone).

    Resuming reads the one file only, so a kill between two files cannot mix two moments.

    Raises:
        RunError: a weight is not finite, or the disk is full; what was saved before is kept.
    """
    model.check_finite()
    if not is_main_process():
        return
    model.check_weights()
    checkpoint.save(
        Path(opt.run_dir) / STATE_FILE,
        {
            "format": STATE_FORMAT,
            "model": opt.model,
            "progress": dataclasses.asdict(progress),
            "state": model.state_dict(),
        },
    )
    model.save_networks("latest")


def load_state(model, opt: argparse.Namespace) -> Progress:
    """Restore a model and return where its run stood; a run that was killed before its first save begins anew.

    Raises:
        UserError: the file is broken, or of another model or format.
    """
    path = Path(opt.run_dir) / STATE_FILE
    if not path.is_file():
        log(f"nothing was saved in {opt.run_dir} yet: the run begins at epoch {opt.epoch_count}")
        return Progress(epoch=opt.epoch_count)
    saved = checkpoint.load(path)
    if not isinstance(saved, dict) or saved.get("format") != STATE_FORMAT:
        raise UserError(
            f"{path} is not a training state of this version of FuseLab (format {STATE_FORMAT}): restore it, or start "
            "again with --overwrite"
        )
    if saved["model"] != opt.model:
        raise UserError(f"{path} was written by --model {saved['model']}, and --model {opt.model} was asked for")
    model.load_state_dict(saved["state"], str(path))
    progress = Progress(**saved["progress"])
    log(f"going on at epoch {progress.epoch}, image {progress.consumed}, after {progress.step} updates")
    return progress


def remove_run(folder: str) -> None:
    """Delete a run that ``--overwrite`` gives up: renamed first, a half-deleted one is never taken for a run."""
    old = Path(folder)
    if is_main_process() and old.exists():
        trash = old.with_name(f".{old.name}.deleted")
        shutil.rmtree(trash, ignore_errors=True)
        old.rename(trash)
        shutil.rmtree(trash)
    distributed.barrier()


def describe_batches(opt: argparse.Namespace, pairs: int) -> str:
    """Return in a line how many pairs one update sees."""
    world = distributed.world_size()
    total = opt.batch_size * world * opt.accumulate
    return (
        f"{pairs} pairs; an update sees {total}: {opt.batch_size} per process x {world} "
        f"process{'es' if world > 1 else ''} "
        f"x {opt.accumulate} accumulated; device {opt.device}"
    )


def make_record(progress: Progress, losses: dict[str, float], rate: float, clock: Clock) -> dict:
    """Return one object of ``loss_log.jsonl``: where the run stands, its losses, learning rate and times."""
    return {
        "epoch": progress.epoch,
        "iter": progress.consumed,
        "total_iters": progress.total_iters,
        "step": progress.update,
        "losses": losses,
        "lr": rate,
        **clock.read(),
    }


def reason_to_stop(opt: argparse.Namespace, progress: Progress, stop: StopSignal | None = None) -> str:
    """Return why the run ends after this update, "" to go on; all processes get the same answer."""
    if stop is not None and distributed.any_process(bool(stop.name)):
        return stop.name or "a signal to another process"
    return "--max_steps" if progress.step >= opt.max_steps else ""


def closing_message(opt: argparse.Namespace, progress: Progress, reason: str) -> str:
    """Return the last line of a run: that it is complete, or how to go on."""
    place = (
        "" if Path(opt.checkpoints_dir) == REPOSITORY / "checkpoints" else f" --checkpoints_dir {opt.checkpoints_dir}"
    )
    if not reason:
        return f"trained {progress.step} updates; fuse with: python test.py --dataroot FOLDER --name {opt.name}{place}"
    more = " --max_steps N" if reason == "--max_steps" else ""
    return (
        f"stopped by {reason} at epoch {progress.epoch} after {progress.step} updates; "
        "everything is saved, go on with: "
        f"python train.py --continue_train --name {opt.name}{place}{more}"
    )


@contextlib.contextmanager
def locating_failures(opt: argparse.Namespace, progress: Progress) -> Iterator[None]:
    """Add to a run's failure where it happened and which state is the last good one."""
    try:
        yield
    except RunError as error:
        state = Path(opt.run_dir) / STATE_FILE
        kept = f"the last good state is {state}" if state.is_file() else "nothing had been saved yet"
        raise RunError(f"{error}, at epoch {progress.epoch} after {progress.step} updates; {kept}") from error
