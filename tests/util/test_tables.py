"""Tables for papers and programs: what is marked, how names are escaped, and that the JSON file reads back."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
from dataclasses import replace

import pytest

from metrics import ScoreTable, find_metric, find_protocol
from util.errors import UserError
from util.tables import escape_latex, escape_markdown, format_table, read_json, write_json, write_latex, write_markdown

EN, SD = find_metric("EN"), find_metric("SD")
ERROR = replace(EN, name="MY_ERROR", direction="down")
BIAS = replace(EN, name="BIAS", direction="zero")
LINE = "FuseLab's definitions, version 1: [0, 255], 100 % of R&D_border"
HOSTILE = ["plain", "a_b^c 50% & $x$ {y} #1 ~", "\\input{/etc/passwd}", "[1ex] x", "* star", "<u>|</u> `code`",
           "two\nlines\t\x07", "--- \"quoted\" 'single'", "naïve Ünï", "!= [link](x)"]


def make_table(metrics, means: dict[str, list[float]], images: int = 2) -> ScoreTable:
    """A table whose methods have these means (by metric) over images that lie 0.5 to either side."""
    table = ScoreTable(metrics)
    for method, row in means.items():
        for number in range(images):
            shift = 0.5 if number % 2 else -0.5
            table.add(method, f"image {number}", {metric.name: value + shift
                                                  for metric, value in zip(metrics, row, strict=True)})
    return table


def column(table: ScoreTable, metric) -> list[tuple[str, int]]:
    cells = format_table(table)
    return [(cells[method, metric.name].mean, cells[method, metric.name].place) for method in table.methods]


@pytest.mark.parametrize("metric, means, expected", [
    (EN, [7.1, 6.5, 7.2], [("7.100", 2), ("6.500", 0), ("7.200", 1)]),
    (ERROR, [712.4, 1000.5, 99.25], [("712.4", 2), ("1000.5", 0), ("99.2", 1)]),
    (BIAS, [-0.25, 0.1, 3.0], [("-0.2500", 2), ("0.1000", 1), ("3.0000", 0)]),
    (EN, [0.80421, 0.80424, 0.8], [("0.80421", 2), ("0.80424", 1), ("0.80000", 0)]),  # a fifth digit tells them apart
    (EN, [0.804211, 0.804212, 0.8], [("0.80421", 1), ("0.80421", 1), ("0.80000", 2)]),  # not so: they share
    (EN, [3.0, 3.0, 3.0], [("3.000", 0)] * 3),
    (EN, [math.inf, 40.125, 30.0], [("∞", 1), ("40.12", 2), ("30.00", 0)]),
    (EN, [math.inf, math.inf, 30.0], [("∞", 1), ("∞", 1), ("30.00", 2)]),
    (EN, [math.nan, 5.0, 6.0], [("n/a", 0), ("5.000", 2), ("6.000", 1)]),
    (EN, [math.nan, math.nan, math.nan], [("n/a", 0)] * 3),
    (ERROR, [0.0, 0.0123, 65025.0], [("0.00000", 1), ("0.01230", 2), ("65025", 0)]),
    (EN, [-1e-9, -2e-5, -4.0], [("0.00000000", 1), ("-0.00002000", 2), ("-4.0000", 0)]),
    (EN, [0.0, 0.0, 0.0], [("0.000", 0)] * 3),
])  # fmt: skip
def test_digits_and_marks(metric, means, expected):
    table = ScoreTable([metric])
    for number, mean in enumerate(means):
        table.add(f"m{number}", "image", {metric.name: mean})
    assert column(table, metric) == expected


def test_markdown(tmp_path):
    table = make_table([EN, ERROR], {"ours": [7.1, 3.0], "other": [6.5, 2.0], "third": [5.0, 9.0]})
    text = write_markdown(tmp_path / "deep" / "table.md", table, LINE).read_text(encoding="utf-8")
    assert text.split("\n") == [
        "| method | EN ↑ | MY\\_ERROR ↓ |",
        "| :-- | --: | --: |",
        "| ours | **7.100** | <u>3.000</u> |",
        "| other | <u>6.500</u> | **2.000** |",
        "| third | 5.000 | 9.000 |",
        "",
        "Means over 2 images. Best in bold, second best underlined.",
        "",
        "FuseLab's definitions, version 1: \\[0, 255\\], 100 % of R\\&D\\_border",
        "",
    ]
    text = write_markdown(tmp_path / "table.md", table, LINE, std=True).read_text(encoding="utf-8")
    assert "| ours | **7.100** ± 0.707 | <u>3.000</u> ± 0.707 |" in text
    assert "Means ± standard deviations over 2 images." in text


def test_missing_values_are_told(tmp_path):
    table = ScoreTable([EN, SD])
    table.add("ours", "one", {"EN": 1.0})
    table.add("ours", "two", {"EN": math.nan})
    table.add("other", "one", {"EN": 3.0})
    table.add("other", "two", {"EN": 2.0})
    for text in (write_markdown(tmp_path / "a.md", table, LINE).read_text(encoding="utf-8"),
                 write_latex(tmp_path / "a.tex", table, LINE).read_text(encoding="utf-8")):
        assert "1.000}} (1)" in text or "<u>1.000</u> (1)" in text or r"\underline{1.000} (1)" in text
        assert "only n images have a value" in text and "n/a: no image has one" in text and "n/a" in text


def test_names_in_markdown_are_text(tmp_path):
    table = make_table([EN], {name: [float(number)] for number, name in enumerate(HOSTILE)})
    lines = write_markdown(tmp_path / "table.md", table, LINE).read_text(encoding="utf-8").split("\n")
    assert len(lines[2:2 + len(HOSTILE)]) == len(HOSTILE)
    for name, line in zip(HOSTILE, lines[2:], strict=False):
        cells = re.split(r"(?<!\\)\|", line)
        assert len(cells) == 4, "a bar in a name is no border"
        assert not re.search(r"(?<!\\)[<>`*_\[\]#$!]", cells[1])
        shown = re.sub(r"\\(.)", r"\1", cells[1]).strip()
        assert shown == " ".join(re.sub(r"[\n\t\x07]", " ", name).split())


def test_latex(tmp_path):
    table = make_table([EN, ERROR], {"ours_v2": [7.1, 3.0], "other": [6.5, 2.0], "third": [5.0, math.inf]})
    text = write_latex(tmp_path / "table.tex", table, LINE, caption="Results on TNO & MD.").read_text(encoding="utf-8")
    lines = text.split("\n")
    assert lines[0] == r"% \usepackage{booktabs}" and lines[1] == f"% {LINE}"
    assert r"\caption{Results on TNO \& MD. Means over 2 images. Best in bold, second best underlined.}" in lines
    assert r"\label{tab:fusion}" in lines
    assert r"Method & EN $\uparrow$ & MY\_ERROR $\downarrow$ \\" in lines
    assert r"ours\_v2 & \textbf{7.100} & \underline{3.000} \\" in lines
    assert r"third & 5.000 & $\infty$ \\" in lines
    assert [rule for rule in (r"\toprule", r"\midrule", r"\bottomrule") if lines.count(rule) != 1] == []
    assert r"{[}0, 255], 100 \% of R\&D\_border" in text
    deviations = write_latex(tmp_path / "table.tex", table, LINE, std=True).read_text(encoding="utf-8")
    assert r"\textbf{7.100} $\pm$ 0.707" in deviations


def test_more_metrics_than_a_page_is_wide_go_to_further_tables(tmp_path):
    metrics = [replace(EN, name=f"M{number}") for number in range(20)]
    table = make_table(metrics, {"a": [1.0] * 20, "b": [2.0] * 20})
    text = write_latex(tmp_path / "table.tex", table, LINE).read_text()
    assert re.findall(r"\\label\{(.*)\}", text) == ["tab:fusion", "tab:fusion-2", "tab:fusion-3"]
    assert "Part 3 of 3." in text
    assert sorted(re.findall(r"M\d+", text), key=lambda name: int(name[1:])) == [metric.name for metric in metrics]


def test_latex_has_no_letter_that_it_would_take_for_a_command(tmp_path):
    assert escape_latex("a_b%") == r"a\_b\%"
    assert escape_latex("---a-b") == "-{}-{}-a-b"
    assert escape_latex("\\x{y}") == r"\textbackslash{}x\{y\}"
    assert escape_markdown("a|b_c") == r"a\|b\_c"
    table = make_table([EN], {name: [float(number)] for number, name in enumerate(HOSTILE)})
    text = write_latex(tmp_path / "table.tex", table, "a line\nwith a break \\end{table}").read_text(encoding="utf-8")
    body = text[text.index(r"\midrule"):text.index(r"\bottomrule")].split("\n")[1:-1]
    assert len(body) == len(HOSTILE)
    for row in body:
        assert row.endswith(r" \\") and len(re.findall(r"(?<!\\)&", row)) == 1
        name = re.sub(r"\\(textbackslash|textasciitilde|textasciicircum|textless|textgreater|textbar)\{\}|\\[{}$&#_%]",
                      "", row[:row.rindex("&")])
        name = re.sub(r"\{[`\[*]?\}", "", name)
        assert not re.search(r"[\\{}$&#_%~^\[*]", name), row
    assert text.split("\n")[1] == "% a line with a break \\end{table}"
    # Every group and environment is closed.
    code = re.sub(r"\\[{}]", "", re.sub(r"(?m)^%.*$", "", text))
    assert code.count("{") == code.count("}")
    for name in ("table", "tabular", "minipage"):
        assert code.count(rf"\begin{{{name}}}") == code.count(rf"\end{{{name}}}") == 1


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex on PATH")
def test_latex_compiles(tmp_path):
    table = make_table([EN, ERROR, BIAS], {name: [float(number), math.inf, 0.1] for number, name in enumerate(HOSTILE)})
    write_latex(tmp_path / "table.tex", table, LINE, std=True)
    (tmp_path / "paper.tex").write_text("\\documentclass{article}\\usepackage{booktabs}\\begin{document}\n"
                                        "\\input{table}\nTable~\\ref{tab:fusion}\\end{document}\n")
    done = subprocess.run(["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "paper.tex"], cwd=tmp_path,
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout


def test_json_is_strict_and_reads_back(tmp_path):
    table = ScoreTable([EN, SD, find_metric("PSNR_GT")])
    third = 1 / 3
    table.add("ours", "a \"b\" ü", {"EN": third, "SD": math.nan, "PSNR_GT": math.inf})
    table.add("ours", "two", {"EN": 2.0, "SD": 1.0})
    table.add("inf", "a \"b\" ü", {"EN": 1.0, "SD": 0.1, "PSNR_GT": -math.inf})
    table.add("inf", "two", {"EN": 1.0, "SD": 0.1})
    facts = {"protocol": find_protocol("fuselab"), "line": LINE, "info": {"dataset": "nan"}}
    path = write_json(tmp_path / "metrics.json", table, **facts)

    def refuse(word):
        raise AssertionError(f"{word} is not JSON")

    document = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    assert document["format"] == 1 and document["protocol"]["line"] == LINE and document["info"] == {"dataset": "nan"}
    assert document["metrics"][0]["name"] == "EN" and document["metrics"][2]["high"] == "inf"
    ours = document["methods"][0]
    assert ours["images"][0] == {"name": "a \"b\" ü", "scores": {"EN": third, "SD": None, "PSNR_GT": "inf"}}
    assert "PSNR_GT" not in ours["images"][1]["scores"]
    assert ours["summary"]["SD"] == {"mean": 1.0, "std": None, "median": 1.0, "count": 1}
    assert ours["metric_ranks"]["EN"] == 1.5 and ours["wins"] == 3
    assert document["ranking"]["methods"][0] == "ours" and document["ranking"]["left_out"]["SD"] == 1
    assert document["ranking"]["overall"]["p"] is None or document["ranking"]["overall"]["p"] <= 1

    again = read_json(path)
    assert again.metrics == table.metrics and again.methods == table.methods and again.names == table.names
    for (method, name, scores), row in zip(again.rows, table.rows, strict=True):
        assert (method, name, list(scores)) == (row[0], row[1], list(row[2]))
        for metric, value in scores.items():
            assert value == row[2][metric] or math.isnan(value) and math.isnan(row[2][metric])
    write_json(tmp_path / "again.json", again, **facts)
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', '{"format": 1, "metrics": [{"name": "?"}]}', "\x00"])
def test_a_file_that_is_no_table_is_refused(tmp_path, text):
    (tmp_path / "metrics.json").write_text(text)
    with pytest.raises(UserError):
        read_json(tmp_path / "metrics.json")
    with pytest.raises(UserError):
        read_json(tmp_path / "missing.json")


def test_tables_of_nothing(tmp_path):
    empty = ScoreTable([])
    empty.add("ours", "one", {})
    assert write_markdown(tmp_path / "table.md", empty, LINE).read_text().startswith("| method |\n| :-- |\n| ours |\n")
    assert r"\begin{tabular}{@{}l@{}}" in write_latex(tmp_path / "table.tex", empty, LINE).read_text()
    for table in (empty, ScoreTable([EN])):
        write_json(tmp_path / "metrics.json", table, protocol=find_protocol("fuselab"), line=LINE, info={})
        assert read_json(tmp_path / "metrics.json").methods == table.methods
