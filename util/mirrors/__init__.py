"""Mirrors draw a run's files elsewhere while it trains: on a Visdom server, in TensorBoard's events."""

from __future__ import annotations

from pathlib import Path

from util.logger import warn
from util.mirrors.base import ImageSet, Mirror
from util.mirrors.tensorboard_mirror import TensorBoardMirror
from util.mirrors.visdom_mirror import VisdomMirror

__all__ = ["ImageSet", "Mirror", "start_mirrors"]


def start_mirrors(opt, folder: Path, resume_step: int | None) -> list[Mirror]:
    """Start the mirrors that the options ask for.

    Args:
        opt: ``display_id`` (0 or less: no Visdom), the other ``display_*`` options, ``tensorboard``, ``name``.
        folder: the run's folder, whose logs are drawn from their first line on.
        resume_step: the update at which a resumed run goes on; None for a fresh one.
    """
    mirrors: list[Mirror] = []
    if opt.display_id > 0:
        mirrors.append(VisdomMirror(opt, folder))
    if opt.tensorboard:
        try:
            mirrors.append(TensorBoardMirror(folder, resume_step))
        except ImportError as error:
            warn(f"TensorBoard is left out and training goes on: {error} (pip install tensorboard)")
        except OSError as error:
            warn(f"TensorBoard is left out and training goes on: {error}")
    for mirror in mirrors:
        mirror.start()
    return mirrors
