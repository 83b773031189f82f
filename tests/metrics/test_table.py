"""The table of scores and its file."""

from __future__ import annotations

import csv
import math

from metrics import ScoreTable, select


def test_csv_has_a_row_for_each_pair_and_a_mean_at_full_precision(tmp_path):
    table = ScoreTable(select("EN,SD,PSNR_GT", has_gt=True))
    third = 1 / 3
    table.add('a, "b" ü', {"EN": third, "SD": 0.1, "PSNR_GT": math.inf})
    table.add("lytro-02", {"EN": 2 / 3, "SD": math.nan, "PSNR_GT": 30.0})
    table.add("without ground truth", {"EN": 7.0, "SD": 0.2})
    path = table.write_csv(tmp_path / "deep" / "metrics.csv")

    lines = path.read_text(encoding="utf-8").split("\n")
    assert lines[0] == "name,EN,SD,PSNR_GT"
    with open(path, newline="", encoding="utf-8") as handle:
        rows = list(csv.reader(handle))
    assert [row[0] for row in rows[1:]] == ['a, "b" ü', "lytro-02", "without ground truth", "mean"]
    assert float(rows[1][1]) == third and rows[1][3] == "inf"
    assert rows[2][2] == "nan" and rows[3][3] == ""
    assert float(rows[4][1]) == math.fsum([third, 2 / 3, 7.0]) / 3
    assert float(rows[4][2]) == math.fsum([0.1, 0.2]) / 2
    assert rows[4][3] == "inf"
    assert table.counts() == {"EN": 3, "SD": 2, "PSNR_GT": 2}


def test_a_table_without_metrics_or_values(tmp_path):
    empty = ScoreTable([])
    empty.add("one", {})
    assert empty.write_csv(tmp_path / "metrics.csv").read_text() == "name\none\nmean\n"
    table = ScoreTable(select("EN", has_gt=False))
    assert math.isnan(table.mean()["EN"]) and table.counts() == {"EN": 0}
