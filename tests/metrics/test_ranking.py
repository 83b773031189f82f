"""Ranks of methods and the tests on them: a worked example in print, scipy, and cases where no test is possible."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from metrics import ScoreTable, find_metric
from metrics.ranking import ALPHA, compare, critical_difference, rank_methods

ALGORITHMS = ("C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf")
# Table 6 of Demsar, JMLR 7, 2006: the ranks of four algorithms on 14 data sets.
DEMSAR = np.array([
    [4, 3, 2, 1], [1, 2, 3, 4], [4, 1, 2, 3], [4, 1, 3, 2], [4, 2, 3, 1], [1, 2.5, 4, 2.5], [3, 2, 4, 1],
    [2.5, 2.5, 4, 1], [4, 3, 2, 1], [2.5, 2.5, 2.5, 2.5], [4, 2.5, 1, 2.5], [3, 2, 4, 1], [4, 1, 2, 3], [3, 1, 4, 2],
])  # fmt: skip


UP, ZERO = find_metric("EN"), replace(find_metric("EN"), name="BIAS", direction="zero")
OTHER, DOWN = find_metric("SD"), replace(find_metric("EN"), name="ERROR", direction="down")


def make_table(scores: dict[str, list[dict[str, float]]], *metrics) -> ScoreTable:
    """A table of chosen scores: {method: [{metric: value} for each image]}."""
    table = ScoreTable(metrics)
    for method, rows in scores.items():
        for number, row in enumerate(rows):
            table.add(method, f"image {number}", row)
    return table


def test_worked_example_in_print():
    outcome = compare(ALGORITHMS, DEMSAR)
    assert [round(outcome.average_ranks[name], 3) for name in ALGORITHMS] == [3.143, 2.0, 2.893, 1.964]
    assert outcome.test == "Friedman" and outcome.images == 14
    # The paper's formula takes no account of ties: a pair in three rows, all four in one.
    count, images = len(ALGORITHMS), len(DEMSAR)
    ties = 1 - (3 * (2**3 - 2) + (4**3 - 4)) / (images * count * (count**2 - 1))
    uncorrected = outcome.statistic * ties
    assert uncorrected == pytest.approx(9.28, abs=0.005)
    assert (images - 1) * uncorrected / (images * (count - 1) - uncorrected) == pytest.approx(3.69, abs=0.005)
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)
    assert critical_difference(4, 14, alpha=0.10) == pytest.approx(1.12, abs=0.005)
    assert outcome.critical_difference == critical_difference(4, 14)
    assert outcome.differ and "(3 degrees of freedom), p = 0.0167: the methods differ." in outcome.sentence
    assert outcome.verdict.endswith("'C4.5+m+cf', 'C4.5+m', 'C4.5+cf' and 'C4.5' do not differ.")
    # At 5 % Nemenyi's test finds no pair apart: 3.143 - 1.964 = 1.18 < 1.25.
    assert outcome.groups == (("C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5"),)


@pytest.mark.parametrize("methods, images", [(3, 8), (5, 40), (20, 100)])
def test_figures_are_those_of_scipy(methods, images):
    random = np.random.default_rng(methods)
    losses = np.round(random.normal(size=(images, methods)) + 0.3 * np.arange(methods), 1)  # with ties
    names = [f"m{index}" for index in range(methods)]
    outcome = compare(names, losses)
    statistic, p = stats.friedmanchisquare(*losses.T)
    assert outcome.statistic == pytest.approx(statistic, rel=1e-9) and outcome.p == pytest.approx(p, rel=1e-9)
    ranks = stats.rankdata(losses, axis=1).mean(axis=0)
    assert list(outcome.average_ranks.values()) == pytest.approx(list(ranks))
    assert len(outcome.pairs) == methods * (methods - 1) // 2
    for (one, other), probability in outcome.pairs.items():
        apart = abs(outcome.average_ranks[one] - outcome.average_ranks[other]) >= outcome.critical_difference
        assert (probability < ALPHA) == apart
        assert any({one, other} <= set(group) for group in outcome.groups) != apart or not outcome.differ
    largest = [set(group) for group in outcome.groups]
    assert not any(one < other for one in largest for other in largest), "no group is part of another"


def test_critical_values_are_those_of_the_table_in_print():
    # Demsar, table 5 (a): q at 5 % and 10 % for 2 to 10 classifiers.
    for alpha, row in {0.05: [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164],
                       0.10: [1.645, 2.052, 2.291, 2.459, 2.589, 2.693, 2.780, 2.855, 2.920]}.items():
        for count, quantile in enumerate(row, start=2):
            images = count * (count + 1) / 6  # makes the root 1
            assert critical_difference(count, images, alpha) == pytest.approx(quantile, abs=0.0015)


def test_ranks_go_by_what_is_better_and_ties_share():
    table = make_table({
        "a": [{"EN": 7.0, "ERROR": 10.0, "BIAS": -1.0, "SD": math.inf}],
        "b": [{"EN": 6.0, "ERROR": 10.0, "BIAS": 0.5, "SD": 30.0}],
        "c": [{"EN": 5.0, "ERROR": 5.0, "BIAS": 2.0, "SD": math.inf}],
    }, UP, DOWN, ZERO, OTHER)
    ranking = rank_methods(table)
    assert ranking.metric_ranks == {"EN": {"a": 1, "b": 2, "c": 3}, "ERROR": {"a": 2.5, "b": 2.5, "c": 1},
                                    "BIAS": {"a": 2, "b": 1, "c": 3}, "SD": {"a": 1.5, "b": 3, "c": 1.5}}
    assert ranking.mean_ranks == {"a": 7 / 4, "b": 8.5 / 4, "c": 8.5 / 4}
    assert list(ranking.mean_ranks) == ["a", "b", "c"]
    assert ranking.wins == {"a": 2, "b": 1, "c": 2} and ranking.cases == 4


def test_an_image_without_a_value_is_left_out_of_that_metric_for_all_methods_and_counted():
    table = make_table({
        "a": [{"EN": 2.0, "SD": 1.0}, {"EN": math.nan, "SD": 1.0}, {"EN": 2.0}],
        "b": [{"EN": 1.0, "SD": 2.0}, {"EN": 9.0, "SD": 2.0}, {"EN": 1.0, "SD": 9.0}],
    }, UP, OTHER)
    ranking = rank_methods(table)
    assert ranking.images == {"EN": 2, "SD": 2} and ranking.left_out == {"EN": 1, "SD": 1}
    assert ranking.metric_ranks == {"EN": {"a": 1, "b": 2}, "SD": {"a": 2, "b": 1}}
    assert ranking.wins == {"a": 2, "b": 2} and ranking.cases == 4
    # Image 0: a tie; image 1: SD alone; image 2: EN alone.
    assert ranking.overall.images == 3 and ranking.overall.average_ranks == {"a": 1.5, "b": 1.5}


def test_metrics_have_equal_weight_whatever_they_leave_out():
    rows = [{"EN": 1.0, "SD": 2.0}] + [{"EN": math.nan, "SD": 2.0}] * 9
    other = [{"EN": 2.0, "SD": 1.0}] + [{"EN": math.nan, "SD": 1.0}] * 9
    assert rank_methods(make_table({"a": rows, "b": other}, UP, OTHER)).mean_ranks == {"a": 1.5, "b": 1.5}


def test_the_judges_of_the_overall_test_are_the_images():
    random = np.random.default_rng(5)
    scores = random.normal(size=(4, 30, 2)) + 0.5 * np.arange(4)[:, None, None]
    table = make_table({f"m{m}": [dict(zip(("EN", "SD"), row, strict=True)) for row in rows.tolist()]
                        for m, rows in enumerate(scores)}, UP, OTHER)
    ranking = rank_methods(table)
    blocks = stats.rankdata(-scores, axis=0).mean(axis=2)  # of each image its mean ranks
    assert ranking.overall.images == 30
    assert ranking.overall.p == pytest.approx(stats.friedmanchisquare(*blocks)[1], rel=1e-9)
    assert ranking.by_metric["SD"].p == pytest.approx(stats.friedmanchisquare(*-scores[:, :, 1])[1], rel=1e-9)


def test_two_methods_are_compared_by_wilcoxon():
    random = np.random.default_rng(6)
    losses = random.normal(size=(25, 2)) + [0.0, 1.0]
    outcome = compare(["a", "b c"], losses)
    statistic, p = stats.wilcoxon(losses[:, 0], losses[:, 1])
    assert outcome.test == "Wilcoxon" and (outcome.statistic, outcome.p) == (statistic, p)
    assert "two methods" in outcome.sentence and "'a' is better than 'b c'" in outcome.sentence
    assert outcome.groups == () and math.isnan(outcome.critical_difference)
    alike = compare(["a", "b"], np.array([[0.0, 1.1], [1.0, 0.0]] * 9))
    assert alike.groups == (("a", "b"),) and "no difference is found at 5%" in alike.sentence
    # Fewer images speak for b, but by so much more that the signed ranks do too.
    few = compare(["a", "b"], np.array([[0.0, 0.01 * n] for n in range(1, 16)] + [[9.0 + n, 0.0] for n in range(14)]))
    assert few.p < ALPHA and "'b' is better than 'a'" in few.sentence


def test_infinite_scores_are_compared():
    two = compare(["a", "b"], np.array([[-math.inf, -30.0], [-math.inf, -math.inf]] * 8))
    assert two.p < ALPHA and "'a' is better than 'b'" in two.sentence
    many = compare(["a", "b", "c"], np.array([[-math.inf, -30.0, -20.0]] * 8))
    assert many.average_ranks == {"a": 1, "b": 2, "c": 3} and many.differ


@pytest.mark.parametrize("methods, losses, reason", [
    (["a"], np.zeros((5, 1)), "no second method"),
    (["a", "b", "c"], np.zeros((0, 3)), "no image has a value of every method"),
    (["a", "b", "c"], np.array([[1.0, 2.0, 3.0]]), "one image says nothing"),
    (["a", "b"], np.array([[1.0, 2.0]]), "one image says nothing"),
    (["a", "b", "c"], np.array([[1.0, 2.0, 3.0]] * 2), "3 methods need at least as many images, and there are 2"),
    (["a", "b", "c"], np.full((9, 3), 7.0), "tie on every image"),
    (["a", "b"], np.full((9, 2), math.inf), "tie on every image"),
])  # fmt: skip
def test_a_sentence_where_no_test_is_possible(methods, losses, reason):
    outcome = compare(methods, losses)
    assert outcome.test == "" and math.isnan(outcome.p) and not outcome.differ
    assert outcome.sentence.startswith("No test: ") and reason in outcome.sentence
    assert outcome.groups == () and outcome.pairs == {}


def test_tables_without_methods_metrics_or_values():
    empty = rank_methods(ScoreTable([UP]))
    assert empty.mean_ranks == {} and empty.overall.test == "" and empty.cases == 0
    bare = ScoreTable([])
    bare.add("a", "image", {})
    assert math.isnan(rank_methods(bare).mean_ranks["a"])
    nothing = rank_methods(make_table({"a": [{"EN": math.nan}], "b": [{"EN": 1.0}]}, UP))
    assert math.isnan(nothing.mean_ranks["a"]) and nothing.left_out == {"EN": 1} and nothing.wins == {"a": 0, "b": 0}
    alone = rank_methods(make_table({"a": [{"EN": 1.0}, {"EN": 2.0}]}, UP))
    assert alone.mean_ranks == {"a": 1.0} and alone.wins == {"a": 2} and alone.overall.test == ""
