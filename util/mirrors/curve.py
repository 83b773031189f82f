"""A curve that stays small however long a run is."""

from __future__ import annotations

MAX_POINTS = 1000  # more than a window on a screen has columns of pixels for


class Curve:
    """Points (x, y) in the order they come. When there are too many, neighbours are averaged two by two.

    From ``2 * MAX_POINTS`` points on each drawn point is the mean of 2, then 4, 8, ... neighbouring ones, so that a
    drawing costs the same in the first hour and in the second week. The full precision stays in the run's log.
    """

    def __init__(self):
        self.x: list[float] = []
        self.y: list[float | None] = []  # None is a gap
        self._per_point = 1
        self._waiting: list[tuple[float, float | None]] = []

    def append(self, x: float, y: float | None) -> None:
        self._waiting.append((x, y))
        if len(self._waiting) < self._per_point:
            return
        self._add(self._waiting)
        self._waiting = []
        if len(self.x) >= 2 * MAX_POINTS:
            points = list(zip(self.x, self.y, strict=True))
            self.x, self.y = [], []
            for start in range(0, len(points), 2):
                self._add(points[start : start + 2])
            self._per_point *= 2

    def points(self) -> tuple[list[float], list[float | None]]:
        """Return x and y of what is to be drawn, the newest point included."""
        if not self._waiting:
            return self.x, self.y
        x, y = _mean(self._waiting)
        return [*self.x, x], [*self.y, y]

    def _add(self, points: list[tuple[float, float | None]]) -> None:
        x, y = _mean(points)
        self.x.append(x)
        self.y.append(y)


def _mean(points: list[tuple[float, float | None]]) -> tuple[float, float | None]:
    known = [y for _, y in points if y is not None]
    return sum(x for x, _ in points) / len(points), sum(known) / len(known) if known else None
