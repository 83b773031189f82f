"""What every mirror is: a thread that draws the run's files somewhere else, and that training never waits for."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from util.logger import warn
from util.run_log import LogTail

IMAGE_SETS = 2  # sets of images that may wait for a slow mirror; the oldest goes when one more comes
INTERVAL = 1.0  # seconds from one drawing to the next, at least: a print every few milliseconds is drawn in one go
RETRY = 5.0  # seconds until a mirror that could not draw tries again


@dataclass
class ImageSet:
    """The current images, by label: uint8 (H, W, 3) RGB arrays that nobody changes any more."""

    images: dict[str, np.ndarray]
    epoch: int
    total_iters: int
    step: int


class Mirror(threading.Thread):
    """A daemon thread that draws a run's logs and images.

    Training calls ``notify``, ``show_images`` and ``close``; the first two only leave a mark and return. Records do not
    pass through memory: they are on disk already, and the thread reads there what it has not drawn yet, so nothing is
    lost while a server is away and nothing piles up. Only images wait in a queue, of ``IMAGE_SETS`` at most.

    A subclass provides ``draw`` and ``finish``, which are called on the thread. Whatever they raise ends the mirror
    with one warning, and nothing else. They import nothing: a data worker that is forked while a thread is in the
    middle of an import waits for that import for ever.
    """

    title = "mirror"

    def __init__(self, folder: Path):
        super().__init__(name=f"{self.title} mirror", daemon=True)
        self.losses = LogTail(folder / "loss_log.jsonl")
        self.scores = LogTail(folder / "val_log.jsonl")
        self._images: deque[ImageSet] = deque(maxlen=IMAGE_SETS)
        self._wake = threading.Event()
        self._closing = threading.Event()

    def notify(self) -> None:
        """Say that the logs have grown."""
        self._wake.set()

    def show_images(self, images: ImageSet) -> None:
        """Hand over the current images."""
        self._images.append(images)
        self._wake.set()

    def close(self, timeout: float) -> bool:
        """Draw what is left, for at most ``timeout`` seconds; return whether the mirror came to its end."""
        self._closing.set()
        self._wake.set()
        self.join(timeout)
        return not self.is_alive()

    @property
    def closing(self) -> bool:
        return self._closing.is_set()

    def draw(self, losses: Iterable[dict], scores: Iterable[dict], images: list[ImageSet]) -> bool:
        """Draw new records and images; return False where that did not work out and should be tried again soon.

        The records come from disk as they are asked for, each once.
        """
        raise AssertionError(f"{type(self).__name__} does not say how it draws")

    def finish(self) -> None:
        """Close what is open, after the last drawing."""

    def run(self) -> None:
        try:
            while True:
                closing = self.closing  # read before the files are: what was logged before close() is drawn
                self._wake.clear()
                drawn = self.draw(self.losses.read(), self.scores.read(), self._take_images())
                if closing:
                    break
                self._closing.wait(INTERVAL if drawn else RETRY)
                if drawn:
                    self._wake.wait()
            self.finish()
        except Exception as error:  # a mirror may fail in any way; training must not even notice
            warn(f"{self.title} stopped ({type(error).__name__}: {error}); training goes on, its files are complete")

    def _take_images(self) -> list[ImageSet]:
        taken = []
        while self._images:
            taken.append(self._images.popleft())
        return taken
