"""The bar of a training run: where it is, how long it takes, and what a step waits for."""

from __future__ import annotations

import argparse
import sys
import time
from datetime import timedelta

from util.distributed import world_size
from util.logger import is_main_process, log
from util.training import Progress, memory_in_use


class ProgressBar:
    """One bar per epoch on a terminal; elsewhere (a log file, a batch job) one line per print of the losses."""

    def __init__(self, opt: argparse.Namespace, loader):
        self.opt = opt
        self.last_epoch = opt.n_epochs + opt.n_epochs_decay
        self.images_per_epoch = len(loader.sampler) * world_size()
        self._bar = None
        self._begun = time.perf_counter()
        self._first_iters: int | None = None

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_) -> None:
        if self._bar is not None:
            self._bar.close()

    def advance(self, progress: Progress) -> None:
        """Move the bar to where the run stands."""
        if self._first_iters is None:
            self._first_iters = progress.total_iters
        if not (is_main_process() and sys.stderr.isatty()):
            return
        if self._bar is None or self._bar.n > progress.consumed:
            from tqdm import tqdm

            if self._bar is not None:
                self._bar.close()
            self._bar = tqdm(
                total=self.images_per_epoch,
                unit="image",
                leave=False,
                dynamic_ncols=True,
                bar_format="{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} {postfix}",
            )
        self._bar.set_description_str(f"epoch {progress.epoch}/{self.last_epoch}", refresh=False)
        self._bar.update(progress.consumed - self._bar.n)

    def show(self, record: dict) -> None:
        """Show the losses and times of one log record."""
        times = (
            f"{record['images_per_s']:.1f} images/s, data {record['data_time'] * 1e3:.1f} ms, "
            f"compute {record['compute_time'] * 1e3:.1f} ms, {memory_in_use(self.opt.device)}, "
            f"ETA {self._remaining(record)}"
        )
        losses = " ".join(f"{name}: {value:.3f}" for name, value in record["losses"].items())
        if self._bar is not None:
            self._bar.set_postfix_str(times, refresh=False)
        log(
            f"(epoch: {record['epoch']}, iters: {record['iter']}) {losses}"
            + ("" if self._bar is not None else f" | {times}")
        )

    def _remaining(self, record: dict) -> str:
        done = record["total_iters"] - (self._first_iters or 0)
        left = (self.last_epoch - record["epoch"] + 1) * self.images_per_epoch - record["iter"]
        left = min(
            left, (self.opt.max_steps - record["step"]) * self.opt.batch_size * world_size() * self.opt.accumulate
        )
        if done <= 0:
            return "?"
        seconds = (time.perf_counter() - self._begun) / done * max(0, left)
        return str(timedelta(seconds=round(seconds)))
