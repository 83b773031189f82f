"""The training loop's only window to the outside: logs, the run's page, and the mirrors that draw them elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image

from util.files import atomic_write
from util.logger import is_main_process
from util.mirrors import ImageSet, Mirror, start_mirrors
from util.run_log import RunLog, TextLog, read_records, rollback, rollback_text, set_aside

CLOSING_TIME = 5.0  # seconds that the end of a run waits for all mirrors together


class Visualizer:
    """Writes what a run reports: to disk first, then to its page, then to the mirrors, which nobody waits for.

    On every rank but the first it does nothing and makes no file.

    Args:
        opt: ``name``, ``no_html``, ``tensorboard``, the ``display_*`` options, and ``model`` and ``dataroot`` for the
            page's header.
        folder: the run's folder, ``checkpoints/NAME``.
        resume_step: the number of updates at which a resumed run goes on; what the logs and the page hold beyond it is
            dropped, as the run will report it again. None for a fresh run: logs of an earlier one are set aside.

    Raises (all methods):
        RunError: the disk is full or the folder cannot be written.
    """

    def __init__(self, opt, folder: str | os.PathLike, *, resume_step: int | None):
        self._active = is_main_process()
        if not self._active:
            return
        self.folder = Path(folder)
        losses, scores, text = (self.folder / name for name in ("loss_log.jsonl", "val_log.jsonl", "loss_log.txt"))
        if resume_step is None:
            for log_file in (losses, scores, text):
                set_aside(log_file)
        else:
            rollback(losses, resume_step)
            rollback(scores, resume_step)
            rollback_text(text, next(reversed(read_records(losses)), None))
        self._losses, self._scores, self._text = RunLog(losses), RunLog(scores), TextLog(text)
        self._page = None if opt.no_html else _open_page(opt, self.folder / "web", resume_step)
        self._mirrors: list[Mirror] = start_mirrors(opt, self.folder, resume_step)

    def log_losses(self, record: dict) -> None:
        """Report losses.

        Args:
            record: ``epoch`` (from 1), ``iter`` (images in this epoch), ``total_iters`` (images in all), ``step``
                (optimiser updates), ``losses`` (name to number), ``lr``, ``time``, ``data_time`` and ``compute_time``
                (seconds per image), ``images_per_s``.
        """
        if not self._active:
            return
        self._losses.append(record)
        self._text.append_record(record)
        if self._page:
            self._page.add_losses(record)
        for mirror in self._mirrors:
            mirror.notify()

    def log_scores(self, record: dict) -> None:
        """Report a validation: ``epoch``, ``total_iters``, ``step`` and ``scores`` (name to number)."""
        if not self._active:
            return
        self._scores.append(record)
        if self._page:
            self._page.add_scores(record)
        for mirror in self._mirrors:
            mirror.notify()

    def show_images(
        self, images: dict[str, np.ndarray], *, epoch: int, total_iters: int, step: int, save: bool
    ) -> None:
        """Show the current images, and with ``save`` keep them for the run's page.

        Args:
            images: uint8 (H, W, 3) RGB arrays by label. They must not be changed afterwards.
            save: write ``web/images/epochNNN_LABEL.png`` (one set per epoch, the last one stays) and tell the page.
        """
        if not self._active:
            return
        if save:
            files = {label: f"images/epoch{epoch:03d}_{label}.png" for label in images}
            for label, image in images.items():
                atomic_write(self.folder / "web" / files[label], Image.fromarray(image).save)
            if self._page:
                self._page.add_images(epoch, total_iters, step, files)
        for mirror in self._mirrors:
            mirror.show_images(ImageSet(dict(images), epoch, total_iters, step))

    def close(self) -> None:
        """Close the logs and let the mirrors draw what is left, for ``CLOSING_TIME`` at most."""
        if not self._active:
            return
        for log_file in (self._losses, self._scores, self._text):
            log_file.close()
        for mirror in self._mirrors:
            mirror.close(timeout=CLOSING_TIME / len(self._mirrors))


def _open_page(opt, folder: Path, resume_step: int | None):
    from util.gallery.training_page import TrainingPage

    info = {name: str(value) for name in ("model", "dataroot") if (value := getattr(opt, name, None))}
    page = TrainingPage(folder, opt.name, info)
    page.rollback(resume_step or 0)
    return page
