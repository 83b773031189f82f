"""Which method is best, and whether the images can tell: ranks, and the tests on them.

Every image judges the methods: it ranks them by each metric. The tests take the images for independent judges, and ask
whether their agreement could be chance. Sources:

M. Friedman: The use of ranks to avoid the assumption of normality implicit in the analysis of variance. JASA 32, 1937.
P. Nemenyi: Distribution-free multiple comparisons. PhD thesis, Princeton, 1963.
J. Demsar: Statistical comparisons of classifiers over multiple data sets. JMLR 7, 2006 (equations 1-3, figure 1).
F. Wilcoxon: Individual comparisons by ranking methods. Biometrics Bulletin 1, 1945 (for two methods).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from metrics.table import ScoreTable

ALPHA = 0.05  # the level at which methods are said to differ


@dataclass(frozen=True)
class Comparison:
    """What a test says about methods that were judged by the same images.

    Attributes:
        test: "Friedman"; "Wilcoxon" for two methods; "" where no test is possible, and ``sentence`` says why.
        methods: all that were compared.
        images: how many judged.
        average_ranks: {method: mean over the images of its rank}, 1 for the best; empty without an image.
        statistic: Friedman's chi-squared, corrected for ties, or Wilcoxon's W; nan without a test.
        p: the probability of such a statistic where the methods are equal; nan without a test.
        critical_difference: two methods whose average ranks are this far apart differ (Nemenyi); nan but for Friedman.
        pairs: {(method, other): p of Nemenyi's test}, each pair once, in the order of ``methods``.
        groups: the largest sets of methods that do not differ, best first, each in the order of average ranks; a method
            that differs from all others is in none.
        sentence: the test's outcome in words; ``verdict`` goes on with Nemenyi's.
    """

    test: str
    methods: tuple[str, ...]
    images: int
    average_ranks: dict[str, float]
    statistic: float = math.nan
    p: float = math.nan
    critical_difference: float = math.nan
    pairs: dict[tuple[str, str], float] = field(default_factory=dict)
    groups: tuple[tuple[str, ...], ...] = ()
    sentence: str = ""

    @property
    def differ(self) -> bool:
        """Whether the test finds that the methods are not all equal."""
        return self.p < ALPHA

    @property
    def verdict(self) -> str:
        """The outcome in words, with the methods that do not differ."""
        if not self.pairs or not self.differ:
            return self.sentence
        groups = "; ".join(f"{_join(group)} do not differ" for group in self.groups)
        return (f"{self.sentence} Nemenyi's test (critical difference {self.critical_difference:.3g}): "
                f"{groups or 'every two methods differ'}.")


@dataclass(frozen=True)
class Ranking:
    """The methods of a table by rank.

    An image in which any method lacks a value of a metric is left out of that metric's ranks, for all methods.

    Attributes:
        mean_ranks: {method: mean of its mean ranks by metric, each metric of equal weight}, best first; nan where
            nothing could be ranked.
        metric_ranks: {metric: {method: mean rank over the images}}; nan where all images are left out.
        wins: {method: in how many cases of an image and a metric none was better}; a shared first place counts for
            each.
        images: {metric: how many images were ranked}.
        left_out: {metric: how many were not, for lack of a value}.
        overall: the test on the mean rank that each image gives a method over the metrics. Its average ranks are those
            of these means: near ``mean_ranks``, and not the same.
        by_metric: {metric: the test on the scores of that metric}.
    """

    mean_ranks: dict[str, float]
    metric_ranks: dict[str, dict[str, float]]
    wins: dict[str, int]
    images: dict[str, int]
    left_out: dict[str, int]
    overall: Comparison
    by_metric: dict[str, Comparison]

    @property
    def cases(self) -> int:
        """How many cases of an image and a metric were ranked: the most wins that a method can have."""
        return sum(self.images.values())


def rank_methods(table: ScoreTable) -> Ranking:
    """Rank the methods of a table, rank 1 for the best; methods of equal score share the mean of their ranks."""
    methods, names, metrics = table.methods, table.names, table.metrics
    scores = [[[metric.loss(table.value(method, name, metric.name)) for metric in metrics] for method in methods]
              for name in names]
    losses = np.array(scores, dtype=np.float64).reshape(len(names), len(methods), len(metrics))
    complete = ~np.isnan(losses).any(axis=1)  # (image, metric)
    ranks = _rank(losses)
    ranks[np.broadcast_to(~complete[:, None, :], ranks.shape)] = np.nan

    metric_ranks, by_metric = {}, {}
    for index, metric in enumerate(metrics):
        found = complete[:, index]
        means = ranks[found, :, index].mean(axis=0) if found.any() else np.full(len(methods), np.nan)
        metric_ranks[metric.name] = dict(zip(methods, means.tolist(), strict=True))
        by_metric[metric.name] = compare(methods, losses[found, :, index])
    judging = complete.any(axis=1)
    image_ranks = np.nanmean(ranks[judging], axis=2) if judging.any() else np.empty((0, len(methods)))
    best = _rank(losses, ties="min") == 1
    wins = (best & complete[:, None, :]).sum(axis=(0, 2))
    mean_ranks = {method: _mean([metric_ranks[metric.name][method] for metric in metrics]) for method in methods}
    return Ranking(
        mean_ranks=dict(sorted(mean_ranks.items(), key=lambda item: (math.isnan(item[1]), item[1]))),
        metric_ranks=metric_ranks,
        wins=dict(zip(methods, wins.tolist(), strict=True)),
        images={metric.name: int(complete[:, index].sum()) for index, metric in enumerate(metrics)},
        left_out={metric.name: int((~complete[:, index]).sum()) for index, metric in enumerate(metrics)},
        overall=compare(methods, image_ranks),
        by_metric=by_metric,
    )


def compare(methods: Sequence[str], losses: np.ndarray) -> Comparison:
    """Test whether methods differ.

    Three methods and more are compared by Friedman's test and, where it finds a difference, by Nemenyi's in pairs. Two
    are compared by Wilcoxon's signed ranks.

    Args:
        methods: k names.
        losses: (n, k): for each image a number for each method that is smaller the better, without nan; inf is allowed.

    Returns:
        The outcome; without a test where there are fewer than two methods, fewer than two images, fewer images than
        methods (too few for the distribution that the test supposes), or nothing but ties.
    """
    methods = tuple(methods)
    losses = np.asarray(losses, dtype=np.float64)
    images, count = losses.shape
    ranks = _rank(losses)
    means = dict(zip(methods, ranks.mean(axis=0).tolist(), strict=True)) if images else {}
    reason = _reason_not_to_test(ranks)
    if reason:
        return Comparison("", methods, images, means, sentence=f"No test: {reason}.")
    if count == 2:
        return _compare_two(methods, losses, means)
    return _compare_many(methods, ranks, means)


def _rank(losses: np.ndarray, ties: str = "average") -> np.ndarray:
    """Rank the methods, which are the second dimension, 1 for the smallest loss."""
    if losses.shape[1] < 2 or not losses.size:
        return np.ones_like(losses)  # and scipy, which takes a second to load, is not needed for the table of a test
    from scipy.stats import rankdata

    return rankdata(losses, axis=1, method=ties)


def _reason_not_to_test(ranks: np.ndarray) -> str:
    images, count = ranks.shape
    if count < 2:
        return "there is no second method to compare with"
    if images < 2:
        return ("one image says" if images else "no image has a value of every method, which says") + \
            " nothing about other images"
    if images < count:
        return f"{count} methods need at least as many images, and there are {images}"
    if (ranks == ranks[:, :1]).all():
        return "the methods tie on every image"
    return ""


def _compare_two(methods: tuple[str, str], losses: np.ndarray, means: dict[str, float]) -> Comparison:
    from scipy.stats import rankdata, wilcoxon

    apart = losses[losses[:, 0] != losses[:, 1]]  # equal ones say nothing; two infinite ones have no difference
    differences = apart[:, 0] - apart[:, 1]
    statistic, p = map(float, wilcoxon(differences))
    # The signed ranks say which is better: more images may speak for the other, each by little.
    first_is_worse = (rankdata(abs(differences)) * np.sign(differences)).sum() > 0
    better, other = reversed(methods) if first_is_worse else methods
    outcome = f"{better!r} is better than {other!r}" if p < ALPHA else f"no difference is found at {ALPHA:.0%}"
    return Comparison("Wilcoxon", methods, len(losses), means, statistic, p, groups=() if p < ALPHA else (methods,),
                      sentence=f"Wilcoxon's signed ranks (two methods; Friedman's test needs three) over {len(losses)} "
                               f"images: W = {statistic:.4g}, {_format_p(p)}: {outcome}.")


def _compare_many(methods: tuple[str, ...], ranks: np.ndarray, means: dict[str, float]) -> Comparison:
    from scipy.stats import friedmanchisquare

    images, count = ranks.shape
    statistic, p = map(float, friedmanchisquare(*ranks.T))
    distance = critical_difference(count, images)
    order = sorted(methods, key=means.get)
    pairs = _pair_probabilities(methods, means, images)
    groups = _groups(order, means, distance) if p < ALPHA else (tuple(order),)
    outcome = "the methods differ" if p < ALPHA else f"no difference between the methods is found at {ALPHA:.0%}"
    sentence = f"Friedman's test over {images} images: χ² = {statistic:.4g} ({count - 1} degrees of freedom), " \
               f"{_format_p(p)}: {outcome}."
    return Comparison("Friedman", methods, images, means, statistic, p, distance, pairs, groups, sentence)


@cache
def critical_difference(methods: int, images: int, alpha: float = ALPHA) -> float:
    """Return how far apart average ranks must be for two of so many methods to differ (Nemenyi; Demsar's section
    3.2.2): q sqrt(k (k + 1) / 6 n), where q sqrt(2) is a quantile of the studentized range."""
    from scipy.stats import studentized_range

    return float(studentized_range.ppf(1 - alpha, methods, math.inf)) / math.sqrt(2) * _deviation(methods, images)


def _deviation(methods: int, images: int) -> float:
    # The standard deviation of the difference of two average ranks.
    return math.sqrt(methods * (methods + 1) / (6 * images))


def _pair_probabilities(methods: tuple[str, ...], means: dict[str, float], images: int) -> dict:
    from scipy.stats import studentized_range

    pairs = [(method, other) for index, method in enumerate(methods) for other in methods[index + 1:]]
    scale = math.sqrt(2) / _deviation(len(methods), images)
    ranges = np.array([abs(means[method] - means[other]) * scale for method, other in pairs])
    return dict(zip(pairs, studentized_range.sf(ranges, len(methods), math.inf).tolist(), strict=True))


def _groups(order: Sequence[str], means: dict[str, float], distance: float) -> tuple[tuple[str, ...], ...]:
    groups, reached = [], 0
    for first in range(len(order)):
        last = max(index for index in range(first, len(order)) if means[order[index]] - means[order[first]] < distance)
        if last > first and last > reached:  # not part of the group before
            groups.append(tuple(order[first:last + 1]))
            reached = last
    return tuple(groups)


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return math.fsum(known) / len(known) if known else math.nan


def _format_p(p: float) -> str:
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.4f}"


def _join(names: Sequence[str]) -> str:
    return f"{', '.join(map(repr, names[:-1]))} and {names[-1]!r}"
