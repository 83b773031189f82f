"""The drawings of the leaderboard, as SVG text: box plots, and the diagram of critical differences."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from metrics.ranking import Comparison
from util.gallery.parts import format_number

# Box plots, in units of the view box: near CSS pixels on a phone, somewhat larger on a screen.
WIDTH, LABELS, ROW, AXIS = 360, 120, 22, 26
# Diagram of critical differences.
DIAGRAM, SIDE, LINE, BAR = 800, 220, 24, 10


@dataclass(frozen=True)
class Box:
    """A box of a box plot (Tukey's): the whiskers reach the last values within 1.5 interquartile ranges.

    Attributes:
        low, lower, median, upper, high: whisker, quartile, median, quartile, whisker.
        outliers: indices of the values beyond the whiskers, farthest first.
    """

    low: float
    lower: float
    median: float
    upper: float
    high: float
    outliers: list[int]


def measure_box(values: Sequence[float]) -> Box:
    """Return the box of at least one finite value; quartiles are interpolated linearly."""
    array = np.asarray(values, dtype=np.float64)
    lower, median, upper = np.percentile(array, (25, 50, 75)).tolist()
    reach = 1.5 * (upper - lower)
    inside = array[(array >= lower - reach) & (array <= upper + reach)]
    if not len(inside):  # values that differ in their last bits, between which the quartiles were rounded
        inside = array
    beyond = np.where(array < inside.min(), lower - array, np.where(array > inside.max(), array - upper, 0.0))
    outliers = [int(index) for index in np.argsort(-beyond, kind="stable") if beyond[index] > 0]
    low, high = float(inside.min()), float(inside.max())
    return Box(low, max(low, lower), median, min(high, upper), high, outliers)


def draw_boxes(scores: Mapping[str, Mapping[str, float]], links: Mapping[str, str], *, best: Sequence[str], marks: int,
               label: str) -> str:
    """Draw a box for each method, in rows.

    Args:
        scores: {method: {image's name: value}}, without nan; infinite values are not drawn.
        links: {image's name: where its outlier leads}.
        best: the methods to set off.
        marks: the most outliers to draw of each method, the farthest ones.
        label: what the drawing is, for a screen reader.
    """
    finite = {method: {name: value for name, value in of.items() if math.isfinite(value)}
              for method, of in scores.items()}
    values = [value for of in finite.values() for value in of.values()]
    if not values:
        return ""
    ticks = choose_ticks(min(values), max(values))
    low, high = min(ticks[0], *values), max(ticks[-1], *values)
    scale = (WIDTH - LABELS - 12) / (high - low)
    bottom = ROW * len(finite) + 4

    def x(value: float) -> str:
        return f"{LABELS + (value - low) * scale:.1f}"

    parts = [f'<svg class="boxes" viewBox="0 0 {WIDTH} {bottom + AXIS}" role="group" aria-label="{escape(label)}">']
    for tick, text in zip(ticks, format_ticks(ticks), strict=True):
        parts.append(f'<line class="grid" x1="{x(tick)}" x2="{x(tick)}" y1="0" y2="{bottom}"/>'
                     f'<text class="tick" x="{x(tick)}" y="{bottom + 16}">{text}</text>')
    for row, (method, of) in enumerate(finite.items()):
        y = ROW * row + ROW / 2 + 2
        parts.append(f'<text class="name{" first" if method in best else ""}" x="{LABELS - 8}" y="{y + 4:g}">'
                     f"<title>{escape(method)}</title>{escape(shorten(method, 15))}</text>")
        if not of:
            parts.append(f'<text class="none" x="{LABELS + 4}" y="{y + 4:g}">n/a</text>')
            continue
        names = list(of)
        box = measure_box(list(of.values()))
        told = (f"{method}: median {format_number(box.median)}, quartiles {format_number(box.lower)} and "
                f"{format_number(box.upper)}, {len(of)} image{'s' if len(of) != 1 else ''}")
        width = max(1.0, (box.upper - box.lower) * scale)
        parts.append(
            f'<g class="box{" first" if method in best else ""}"><title>{escape(told)}</title>'
            f'<line x1="{x(box.low)}" x2="{x(box.lower)}" y1="{y:g}" y2="{y:g}"/>'
            f'<line x1="{x(box.upper)}" x2="{x(box.high)}" y1="{y:g}" y2="{y:g}"/>'
            f'<rect x="{x(box.lower)}" y="{y - 6:g}" width="{width:.1f}" height="12"/>'
            f'<line class="median" x1="{x(box.median)}" x2="{x(box.median)}" y1="{y - 6:g}" y2="{y + 6:g}"/></g>')
        for index in box.outliers[:marks]:
            name = names[index]
            told = f"{name}, {method}: {format_number(of[name])}"
            parts.append(f'<a href="{escape(links[name])}"><title>{escape(told)}</title>'
                         f'<circle cx="{x(of[name])}" cy="{y:g}" r="2.5"/></a>')
    return "".join(parts) + "</svg>"


def draw_critical_differences(outcome: Comparison) -> str:
    """Draw the average ranks on a line, best at the left, with a bar over each group that does not differ.

    After Demsar, JMLR 7, 2006, figure 1.
    """
    order = sorted(outcome.methods, key=outcome.average_ranks.get)
    count = len(order)
    right = DIAGRAM - SIDE
    scale = (right - SIDE) / (count - 1)

    def x(rank: float) -> float:
        return round(SIDE + (rank - 1) * scale, 1)

    top = 56
    bars = top + 12
    names = bars + BAR * len(outcome.groups) + 14
    half = (count + 1) // 2
    height = names + LINE * half
    label = "; ".join(f"{method}: average rank {outcome.average_ranks[method]:.2f}" for method in order)
    end = x(1 + outcome.critical_difference)
    parts = [
        f'<svg class="differences" viewBox="0 0 {DIAGRAM} {height}" role="img" aria-label="{escape(label)}">',
        f'<g class="distance"><path d="M{x(1)} 14v8m0-4H{end}m0-4v8"/>'
        f'<text x="{end + 8}" y="22">critical difference {outcome.critical_difference:.2f}</text></g>',
        f'<path class="axis" d="M{x(1)} {top}H{x(count)}"/>',
    ]
    for rank in range(1, count + 1):
        parts.append(f'<path class="axis" d="M{x(rank)} {top - 5}v5"/>'
                     f'<text class="tick" x="{x(rank)}" y="{top - 10}">{rank}</text>')
    for number, group in enumerate(outcome.groups):
        y = bars + BAR * number
        first, last = outcome.average_ranks[group[0]], outcome.average_ranks[group[-1]]
        parts.append(f'<path class="group" d="M{x(first) - 4} {y}H{x(last) + 4}"/>')
    for number, method in enumerate(order):
        rank = outcome.average_ranks[method]
        left = number < half
        y = names + LINE * (number if left else count - 1 - number) + 8
        turn, text, anchor = (SIDE - 24, SIDE - 30, "end") if left else (right + 24, right + 30, "start")
        name = f'<tspan class="method">{escape(shorten(method, 18.5))}</tspan>'
        value = f'<tspan class="rank">{rank:.2f}</tspan>'
        parts.append(f'<path class="leader" d="M{x(rank)} {top}V{y}H{turn}"/>'
                     f'<text x="{text}" y="{y + 4}" text-anchor="{anchor}"><title>{escape(method)}</title>'
                     + (f"{name}  {value}" if left else f"{value}  {name}") + "</text>")
    return "".join(parts) + "</svg>"


def choose_ticks(low: float, high: float) -> list[float]:
    """Return three to six round numbers from just below ``low`` to just above ``high``."""
    if not high - low > 1e-9 * max(abs(low), abs(high)):  # one value: it stands in the middle
        margin = abs(low) * 0.1 or 1.0
        low, high = low - margin, high + margin
    power = 10.0 ** math.floor(math.log10((high - low) / 4))
    # The small number lets 0.2 / 0.05 be four steps in spite of rounding.
    step = next(size * power for size in (1, 2, 2.5, 5, 10) if (high - low) / (size * power) <= 4 + 1e-9)
    return [index * step for index in range(math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9) + 1)]


def format_ticks(ticks: Sequence[float]) -> list[str]:
    """Return the ticks with the decimals that tell them apart."""
    step = ticks[1] - ticks[0]
    decimals = next((n for n in range(12) if abs(step * 10**n - round(step * 10**n)) < 1e-6 * step * 10**n), 12)
    return [f"{tick:z.{decimals}f}" if decimals <= 5 else f"{tick:.3g}" for tick in ticks]


def shorten(text: str, width: float) -> str:
    """Return text about as wide as so many small letters at most, its middle left out."""
    sizes = [_width(letter) for letter in text]
    if sum(sizes) <= width:
        return text
    head, tail, room = 0, len(text), width - 1
    while True:  # a letter from the front, a letter from the end, as long as there is room
        front = head <= len(text) - tail
        room -= sizes[head if front else tail - 1]
        if room < 0:
            return f"{text[:head]}…{text[tail:]}"
        head, tail = (head + 1, tail) if front else (head, tail - 1)


def _width(letter: str) -> float:
    if unicodedata.east_asian_width(letter) in "WF":
        return 1.8
    return 1.6 if letter in "MWmw@%" else 1.2 if letter.isupper() else 1.0
