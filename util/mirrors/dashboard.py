"""A run's dashboard: the windows that a Visdom page shows, as a training mirrors them and as a replay rebuilds them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from util.mirrors.base import ImageSet
from util.mirrors.curve import Curve
from util.mirrors.visdom_client import VisdomClient
from util.mirrors.visdom_windows import label_grid, plot_curves, plot_scores, show_picture


class Dashboard:
    """Keeps what the windows show, and sends those that have changed.

    A window is sent whole: it takes the place of the one before it on the page, and a server that was away or was
    started again holds the complete picture after one message per window.

    Args:
        name: the run's name. With ``display_id`` it makes the windows' names, so that a run draws in its own windows
            from start to end, and two runs may share a page.
        columns: ``--display_ncols``: images in a row of one window, or 0 for a window per image.
        size: ``--display_winsize``: pixels of an image's longer side.
    """

    def __init__(self, name: str, display_id: int, columns: int, size: int):
        self.name = name
        self.columns = columns
        self.size = size
        self._prefix = f"{re.sub(r'[^0-9A-Za-z_.-]', '_', name)}_{display_id}"
        self._losses: dict[str, Curve] = {}
        self._learning_rate = Curve()
        self._scores: dict[str, Curve] = {}
        self._images: ImageSet | None = None
        self._position = ""
        self._changed: dict[str, None] = {}  # in order, each once

    def add(self, losses: Iterable[dict], scores: Iterable[dict], images: list[ImageSet]) -> None:
        """Take in new records and images."""
        for record in losses:
            self._position = f"epoch {record['epoch']}, {record['total_iters']:,} images"
            for name, value in record["losses"].items():
                self._losses.setdefault(name, Curve()).append(record["total_iters"], value)
            self._learning_rate.append(record["total_iters"], record.get("lr"))
            self._changed.update(losses=None, lr=None)
        for record in scores:
            for name, value in record["scores"].items():
                self._scores.setdefault(name, Curve()).append(record["total_iters"], value)
            self._changed.update(scores=None)
        if images:
            self._images = images[-1]
            self._changed.update(images=None)

    def mark_all(self) -> None:
        """Have every window that has anything to show sent (again)."""
        filled = {
            "losses": self._losses,
            "lr": self._learning_rate.points()[0],
            "scores": self._scores,
            "images": self._images,
        }
        self._changed = {window: None for window, content in filled.items() if content}

    @property
    def changed(self) -> bool:
        """Whether a window waits to be sent."""
        return bool(self._changed)

    def send(self, client: VisdomClient) -> None:
        """Send the windows that have changed; raises ServerGone, and those that did not arrive stay marked."""
        compose: dict[str, Callable[[], dict[str, dict]]] = {
            "losses": self._compose_losses,
            "lr": self._compose_learning_rate,
            "scores": self._compose_scores,
            "images": self._compose_images,
        }
        for window in list(self._changed):
            for key, message in compose[window]().items():
                client.post("events", {"win": f"{self._prefix}_{key}", **message})
            del self._changed[window]

    def _compose_losses(self) -> dict[str, dict]:
        return {"losses": plot_curves(f"{self.name}: losses ({self._position})", self._losses)}

    def _compose_learning_rate(self) -> dict[str, dict]:
        return {"lr": plot_curves(f"{self.name}: learning rate", {"lr": self._learning_rate}, exponent=True)}

    def _compose_scores(self) -> dict[str, dict]:
        return {"scores": plot_scores(f"{self.name}: validation", self._scores)}

    def _compose_images(self) -> dict[str, dict]:
        current = self._images
        title = f"{self.name}: images (epoch {current.epoch}, {current.total_iters:,} images)"
        if self.columns > 0:
            return {"images": show_picture(title, label_grid(current.images, self.columns, self.size))}
        return {
            f"image_{label}": show_picture(f"{self.name}: {label}", label_grid({label: image}, 1, self.size))
            for label, image in current.images.items()
        }
