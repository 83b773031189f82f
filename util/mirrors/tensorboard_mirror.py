"""TensorBoard's events, written beside the run's own logs with ``--tensorboard``."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from util.mirrors.base import ImageSet, Mirror


class TensorBoardMirror(Mirror):
    """Writes ``checkpoints/NAME/tensorboard``: ``loss/*``, ``score/*``, ``lr``, ``images_per_s`` and images, by update.

    A resumed run first takes back what was written after ``resume_step``, and does not write twice what came before.

    Raises:
        ImportError: tensorboard is not installed.
    """

    title = "TensorBoard"

    def __init__(self, folder: Path, resume_step: int | None):
        from torch.utils.tensorboard import SummaryWriter

        super().__init__(folder)
        target = folder / "tensorboard"
        written_before = resume_step is not None and any(target.glob("events.out.tfevents.*"))
        self._written_step = resume_step if written_before else -1
        self._writer = SummaryWriter(str(target), purge_step=resume_step + 1 if written_before else None)

    def draw(self, losses: Iterable[dict], scores: Iterable[dict], images: list[ImageSet]) -> bool:
        for record in losses:
            self._add(record, "loss/", record["losses"])
            self._add(record, "", {name: record.get(name) for name in ("lr", "images_per_s") if name in record})
        for record in scores:
            self._add(record, "score/", record["scores"])
        for image_set in images:
            for label, image in image_set.images.items():
                self._writer.add_image(label, image, image_set.step, dataformats="HWC")
        self._writer.flush()
        return True

    def _add(self, record: dict, prefix: str, values: dict) -> None:
        if record["step"] > self._written_step:
            for name, value in values.items():
                self._writer.add_scalar(prefix + name, math.nan if value is None else value, record["step"])

    def finish(self) -> None:
        self._writer.close()
