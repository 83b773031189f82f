"""The table of scores and its file."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest

from metrics import ScoreTable, select


def test_csv_has_a_row_for_each_pair_and_a_mean_at_full_precision(tmp_path):
    table = ScoreTable(select("EN,SD,PSNR_GT", has_gt=True))
    third = 1 / 3
    table.add("ours", 'a, "b" ü', {"EN": third, "SD": 0.1, "PSNR_GT": math.inf})
    table.add("ours", "lytro-02", {"EN": 2 / 3, "SD": math.nan, "PSNR_GT": 30.0})
    table.add("ours", "without ground truth", {"EN": 7.0, "SD": 0.2})
    path = table.write_csv(tmp_path / "deep" / "metrics.csv")

    lines = path.read_text(encoding="utf-8").split("\n")
    assert lines[0] == "method,name,EN,SD,PSNR_GT"
    with open(path, newline="", encoding="utf-8") as handle:
        rows = list(csv.reader(handle))
    assert {row[0] for row in rows[1:]} == {"ours"}
    names = ['a, "b" ü', "lytro-02", "without ground truth", "mean", "std", "median"]
    assert [row[1] for row in rows[1:]] == names
    assert float(rows[1][2]) == third and rows[1][4] == "inf"
    assert rows[2][3] == "nan" and rows[3][4] == ""
    assert float(rows[4][2]) == math.fsum([third, 2 / 3, 7.0]) / 3
    assert float(rows[4][3]) == math.fsum([0.1, 0.2]) / 2
    assert rows[4][4] == "inf" and rows[5][4] == "nan" and rows[6][4] == "inf"
    values = np.array([third, 2 / 3, 7.0])
    assert float(rows[5][2]) == pytest.approx(values.std(ddof=1), rel=1e-12)
    assert float(rows[6][2]) == np.median(values)
    assert [table.summary("ours", metric)["count"] for metric in ("EN", "SD", "PSNR_GT")] == [3, 2, 2]


def test_methods_are_apart_and_in_the_order_in_which_they_came(tmp_path):
    table = ScoreTable(select("EN", has_gt=False))
    for name in ("one", "two"):
        table.add("ours", name, {"EN": 1.0})
        table.add("average", name, {"EN": 2.0})
    assert table.methods == ["ours", "average"] and table.names == ["one", "two"]
    assert table.value("average", "two", "EN") == 2.0 and math.isnan(table.value("average", "three", "EN"))
    rows = list(csv.reader(open(table.write_csv(tmp_path / "metrics.csv"), encoding="utf-8")))
    assert [row[0] for row in rows[1:]] == ["ours"] * 5 + ["average"] * 5


def test_a_table_without_metrics_or_values(tmp_path):
    empty = ScoreTable([])
    empty.add("ours", "one", {})
    written = empty.write_csv(tmp_path / "metrics.csv").read_text()
    assert written == "method,name\nours,one\nours,mean\nours,std\nours,median\n"
    summary = ScoreTable(select("EN", has_gt=False)).summary("ours", "EN")
    assert math.isnan(summary["mean"]) and math.isnan(summary["median"]) and summary["count"] == 0


def test_opposite_infinities_have_no_mean():
    table = ScoreTable(select("PSNR_GT", has_gt=True))
    for number, value in enumerate((math.inf, -math.inf, 1.0)):
        table.add("ours", str(number), {"PSNR_GT": value})
    assert math.isnan(table.means("ours")["PSNR_GT"]) and table.summary("ours", "PSNR_GT")["median"] == 1.0


def test_a_scene_that_is_called_like_a_summary_is_marked(tmp_path):
    table = ScoreTable(select("EN", has_gt=False))
    table.add("ours", "mean", {"EN": 1.0})
    rows = table.write_csv(tmp_path / "metrics.csv").read_text("utf-8").splitlines()
    assert [row.split(",")[1] for row in rows[1:]] == ["mean (scene)", "mean", "std", "median"]
