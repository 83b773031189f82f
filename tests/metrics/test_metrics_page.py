"""What docs/metrics.md says of each metric is what the code says."""

from __future__ import annotations

import math
import re

import pytest

from metrics import ARROWS, find_metric, find_protocol, metric_names, protocol_names
from options.listing import list_registry


@pytest.fixture(scope="module")
def page(repository) -> str:
    return (repository / "docs" / "metrics.md").read_text(encoding="utf-8")


def test_arrows_ranges_and_years_are_those_of_the_code(page):
    row = r"^\| `(\w+)` \| (\S+) (-inf|-?[\d.]+?)\.\.(-?[\d.]*)[^|]*\|.*\| ([^|]+) \|$"
    rows = re.findall(row, page, flags=re.MULTILINE)
    assert len(rows) == len(metric_names(compat=False))
    for name, arrow, low, high, source in rows:
        known = find_metric(name)
        assert arrow == ARROWS[known.direction], name
        assert float(low) == pytest.approx(known.low, rel=0.01, abs=0.02), name
        assert float(high or "inf") == pytest.approx(known.high, rel=0.03) or (high, known.high) == ("", math.inf), name
        for year in re.findall(r"\d{4}", source):
            assert year in known.source, name


def test_protocols_of_the_page_have_the_columns_of_the_code(page):
    rows = dict(re.findall(r"^\| [^|`]+, `([\w-]+)` \| ([^|]+) \|", page, flags=re.MULTILINE))
    assert set(rows) == set(protocol_names())
    for name, cell in rows.items():
        columns = re.sub(r" \([^)]*\)", "", cell).split(", ")
        assert name == "fuselab" or columns == find_protocol(name).metrics.split(","), name


def test_every_published_definition_is_named(page):
    assert all(re.search(rf"\b{name}\b", page) for name in metric_names())


def test_example_runs(page):
    for example in re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL):
        exec(compile(example, "docs/metrics.md", "exec"), {})


def test_list_shows_name_direction_range_and_title_and_published_ones_apart():
    lines = list_registry("metrics")
    heading = next(number for number, line in enumerate(lines) if line.startswith("To reproduce published tables"))
    own, published = "\n".join(lines[:heading]), "\n".join(lines[heading:])
    for name in metric_names():
        known = find_metric(name)
        line = re.search(rf"^{name} .*$", published if known.compat else own, flags=re.MULTILINE).group()
        assert known.title in line and "better" in line and ".." in line
    assert all(re.search(rf"^{name} ", published, flags=re.MULTILINE) for name in protocol_names())
