"""The page that ranks methods, opened from disk in a real browser."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest
from selenium.webdriver.common.by import By

from metrics import ScoreTable, find_metric
from metrics.ranking import compare
from util.gallery.leaderboard_charts import (
    choose_ticks,
    draw_boxes,
    draw_critical_differences,
    format_ticks,
    measure_box,
    shorten,
)
from util.gallery.leaderboard_page import write_leaderboard

HOSTILE = [
    "plain-01",
    "a b (2) [final]",
    "100% #3 & ? ; =",
    "quote ' and \" two",
    "<img src=x onerror=alert(1)>",
    "</script><script>document.title='broken'</script>",
    "</title><script>document.title='broken'</script>",
    "ünï 图像 Ω",
    "n" * 180,
    "{{ name }} ${name}",
]
EN, SD = find_metric("EN"), find_metric("SD")
ERROR = replace(EN, name="ERROR", direction="down")
BIAS = replace(EN, name="BIAS", direction="zero")
LINE = "definitions, version 1: [0, 255]"


def make_table(methods, names, metrics=(EN, ERROR), seed=0) -> ScoreTable:
    """Random scores, of which the first method has the best and the last the worst."""
    random = np.random.default_rng(seed)
    table = ScoreTable(list(metrics))
    for number, method in enumerate(methods):
        for name in names:
            table.add(method, name, {metric.name: float(random.normal() + number * (-2 if metric is EN else 2))
                                     for metric in metrics})
    return table


def write_page(folder, table, **changes):
    arguments = {"title": "a comparison", "info": {"dataset": "TNO"}, "protocol": LINE, "table": table}
    return write_leaderboard(folder, **{**arguments, **changes})


def column(browser, index: int) -> list[str]:
    return browser.execute_script("return [...document.querySelectorAll('.leaders tbody tr')]"
                                  ".map((row) => row.cells[arguments[0]].textContent.trim())", index)


def click_head(browser, index: int) -> None:
    browser.find_elements(By.CSS_SELECTOR, ".leaders thead button")[index].click()


def open_all(browser) -> None:
    browser.execute_script("document.querySelectorAll('details').forEach((each) => { each.open = true; });")


def test_page_opens_from_disk_with_hostile_names_and_links_into_the_gallery(tmp_path, browser, failed_requests):
    folder = tmp_path / "results [1] #x"
    table = make_table(HOSTILE, HOSTILE)
    table.add("<b>", "plain-01", {"EN": 99.0})  # far off, and on one image only
    page = write_page(folder, table, title="</title><b>run</b> & 'co'", info={"<i>fact</i>": "<b>&amp;"},
                      protocol="<u>line</u>", links={"metrics.csv": "metrics #1.csv"})
    browser.get(page.as_uri())
    assert browser.find_element(By.TAG_NAME, "h1").text == "</title><b>run</b> & 'co'"
    assert "broken" not in browser.title and browser.find_element(By.CSS_SELECTOR, ".protocol").text == "<u>line</u>"
    assert sorted(column(browser, 0)) == sorted([*HOSTILE, "<b>"])
    assert browser.find_elements(By.CSS_SELECTOR, "main b b, img, i, u, script:not([src])") == []
    assert browser.get_log("browser") == [] and failed_requests(browser) == []
    links = browser.execute_script("return [...document.querySelectorAll('nav a')].map((link) => link.href)")
    assert links == [f"{folder.as_uri()}/index.html", f"{folder.as_uri()}/metrics%20%231.csv"]
    scenes = browser.execute_script("return [...document.querySelectorAll('.images-by-metric a')].map((link) => "
                                    "[link.textContent, decodeURIComponent(link.hash), link.href.split('#')[0]])")
    assert {tuple(scene) for scene in scenes} == \
        {(name, f"#scene={name}", f"{folder.as_uri()}/index.html") for name in HOSTILE}
    loaded = browser.execute_script("return [...document.querySelectorAll('script,link')].map((e) => e.src || e.href)")
    assert all(url.startswith(folder.as_uri()) or url == "data:," for url in loaded)


def test_methods_stand_by_rank_with_their_marks(tmp_path, browser):
    table = ScoreTable([EN, ERROR, BIAS])
    for number in range(6):
        table.add("middle", f"{number}", {"EN": 6.0 + number, "ERROR": 3.0, "BIAS": -1.0})
        table.add("best", f"{number}", {"EN": 7.0 + number, "ERROR": 1.0, "BIAS": 0.5})
        table.add("worst", f"{number}", {"EN": 5.0, "ERROR": 9.0} | ({"BIAS": 2.0} if number else {}))
    browser.get(write_page(tmp_path, table).as_uri())
    assert column(browser, 0) == ["best", "middle", "worst"]
    assert column(browser, 1) == ["1.00", "2.00", "3.00"]
    assert column(browser, 2) == ["17", "0", "0"]
    heads = [head.text for head in browser.find_elements(By.CSS_SELECTOR, ".leaders thead button")]
    assert heads == ["method", "mean rank ↓", "wins ↑", "EN ↑", "ERROR ↓", "BIAS →0"]
    assert column(browser, 3)[:2] == ["9.500 best± 1.871", "8.500 second± 1.871"]
    assert column(browser, 5)[2] == "2.000± 0.0005 of 6"
    best, second = browser.find_element(By.CSS_SELECTOR, ".best .mean"), browser.find_element(By.CSS_SELECTOR,
                                                                                            ".second .mean")
    assert int(best.value_of_css_property("font-weight")) >= 600
    assert "underline" in second.value_of_css_property("text-decoration-line")
    cells = browser.find_elements(By.CSS_SELECTOR, ".leaders tbody td[style]")
    tints = [cell.value_of_css_property("background-color") for cell in cells]
    assert len({tints[0], tints[3], tints[6]}) == 3, "the tint follows the rank"
    assert "left out of the ranks for all methods: 1 for BIAS." in \
        browser.find_element(By.CSS_SELECTOR, ".ranking .note").text
    verdict = browser.find_element(By.CSS_SELECTOR, ".verdict").text
    assert "Friedman's test over 6 images: χ² = 12 (2 degrees of freedom), p = 0.0025: the methods differ." in verdict
    assert verdict.endswith("These do not differ:\nbest · middle\nmiddle · worst")


def test_sorting_by_any_column(tmp_path, browser):
    table = ScoreTable([EN, BIAS])
    for method, scores in {"m10": (3.0, -0.1), "m9": (2.0, 4.0), "m1": (1.0, 0.05), "none": (math.nan, math.nan),
                           "inf": (math.inf, -9.0)}.items():
        table.add(method, "image", {"EN": scores[0], "BIAS": scores[1]})
    browser.get(write_page(tmp_path, table).as_uri())
    start = column(browser, 0)
    head = browser.find_elements(By.CSS_SELECTOR, ".leaders thead th")[3]
    click_head(browser, 3)
    assert column(browser, 0) == ["inf", "m10", "m9", "m1", "none"] and head.get_attribute("aria-sort") == "ascending"
    click_head(browser, 3)
    assert column(browser, 0) == ["m1", "m9", "m10", "inf", "none"] and head.get_attribute("aria-sort") == "descending"
    click_head(browser, 3)
    assert column(browser, 0) == start and head.get_attribute("aria-sort") in (None, "none")
    click_head(browser, 4)
    assert column(browser, 0) == ["m1", "m10", "m9", "inf", "none"], "nearest to 0 first"
    click_head(browser, 0)
    assert column(browser, 0) == ["inf", "m1", "m9", "m10", "none"], "names count in numbers"
    assert len(browser.find_elements(By.CSS_SELECTOR, ".leaders [aria-sort]")) == 1
    # The tables by image sort as well.
    open_all(browser)
    image = browser.find_element(By.CSS_SELECTOR, ".images-by-metric table")
    assert len(image.find_elements(By.CSS_SELECTOR, "tbody tr")) == 1
    image.find_elements(By.CSS_SELECTOR, "thead button")[1].click()
    assert len(image.find_elements(By.CSS_SELECTOR, "[aria-sort=ascending]")) == 1


def test_tables_by_image_sort_by_a_method(tmp_path, browser):
    table = make_table(["a", "b"], [f"image {number}" for number in range(12)])
    browser.get(write_page(tmp_path, table).as_uri())
    open_all(browser)
    for metric, view in zip(table.metrics, browser.find_elements(By.CSS_SELECTOR, ".images-by-metric table"),
                            strict=True):
        heads = view.find_elements(By.CSS_SELECTOR, "thead button")
        method = heads[2].text
        heads[2].click()
        shown = [row.text for row in view.find_elements(By.CSS_SELECTOR, "tbody th")]
        assert shown == sorted(table.names, key=lambda name: metric.loss(table.value(method, name, metric.name)))


def test_outliers_link_to_their_image(tmp_path, browser):
    names = [f"scene #{number} é" for number in range(30)]
    table = make_table(["a", "b", "c"], names, metrics=[EN])
    table.add("a", names[7], {"EN": 60.0})
    browser.get(write_page(tmp_path, table, gallery="sub/index.html").as_uri())
    dots = browser.find_elements(By.CSS_SELECTOR, ".boxes a")
    told = {dot.find_element(By.TAG_NAME, "title").get_attribute("textContent"): dot for dot in dots}
    dot = told[f"{names[7]}, a: 60.000"]
    assert dot.get_dom_attribute("href") == "sub/index.html#scene=scene%20%237%20%C3%A9"
    assert dot.find_element(By.TAG_NAME, "circle").is_displayed()
    boxes = browser.find_elements(By.CSS_SELECTOR, ".boxes .box title")
    assert [box.get_attribute("textContent").split(":")[0] for box in boxes] == ["a", "b", "c"]
    assert browser.find_element(By.CSS_SELECTOR, ".boxes").get_attribute("aria-label") == "box plots of EN by method"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_fits_a_phone_and_is_readable_in_light_and_dark(tmp_path, browser, scheme):
    names = [f"image {number}" for number in range(25)]
    methods = [f"a method with a long name {number}" for number in range(8)]
    page = write_page(tmp_path, make_table(methods, names, metrics=(EN, ERROR, BIAS, SD)))
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                            {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia",
                            {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    try:
        browser.get(page.as_uri())
        open_all(browser)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
        for box in browser.find_elements(By.CSS_SELECTOR, ".box, .boxes"):
            assert box.rect["width"] <= 390
        # The letters of a drawing keep a size that can be read.
        sizes = browser.execute_script("return [...document.querySelectorAll('.boxes .name, .differences text')]"
                                       ".map((text) => text.getBoundingClientRect().height)")
        assert min(sizes) > 9
        ground, ink = browser.execute_script(
            "return [getComputedStyle(document.body).backgroundColor,"
            "getComputedStyle(document.querySelector('.boxes .name')).fill]"
            ".map((text) => text.match(/[\\d.]+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0))")
        assert (ground > 600 and ink < 200) if scheme == "light" else (ground < 200 and ink > 600)
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_names_of_the_drawings_are_inside_them(tmp_path, browser):
    methods = ["W" * 40, "图像融合的一个方法" * 3, *(f"method_{number}" for number in range(18))]
    page = write_page(tmp_path, make_table(methods, [f"{number}" for number in range(30)], metrics=[EN]))
    browser.get(page.as_uri())
    for name in (".differences", ".boxes"):
        drawing = browser.find_element(By.CSS_SELECTOR, name)
        frame = browser.execute_script("const r = arguments[0].getBoundingClientRect(); return [r.left, r.right]",
                                       drawing)
        spans = browser.execute_script("return [...arguments[0].querySelectorAll('text')].map((text) => { "
                                       "const r = text.getBoundingClientRect(); return [r.left, r.right]; })", drawing)
        assert len(spans) >= 20
        assert min(left for left, _ in spans) >= frame[0] - 1 and max(right for _, right in spans) <= frame[1] + 1


@pytest.mark.parametrize("methods, images, sentence", [
    (["alone"], 5, "No test: there is no second method to compare with."),
    (["a", "b"], 20, "Wilcoxon's signed ranks (two methods; Friedman's test needs three)"),
    (["a", "b", "c"], 1, "No test: one image says nothing about other images."),
    (["a", "b", "c", "d", "e"], 3, "No test: 5 methods need at least as many images, and there are 3."),
])  # fmt: skip
def test_where_no_diagram_is_possible_a_sentence_stands(tmp_path, browser, methods, images, sentence):
    browser.get(write_page(tmp_path, make_table(methods, [f"{number}" for number in range(images)])).as_uri())
    assert browser.find_element(By.CSS_SELECTOR, ".verdict").text.startswith(sentence)
    assert browser.find_elements(By.CSS_SELECTOR, ".differences") == []
    assert len(browser.find_elements(By.CSS_SELECTOR, ".boxes")) == 2
    assert browser.get_log("browser") == []


def test_pages_of_nothing(tmp_path, browser):
    for table in (ScoreTable([]), ScoreTable([EN])):
        browser.get(write_page(tmp_path, table).as_uri())
        assert "Nothing was scored." in browser.find_element(By.TAG_NAME, "main").text
        assert browser.get_log("browser") == []
    table = ScoreTable([EN])
    for method in ("a", "b", "c"):
        table.add(method, "one", {"EN": math.nan})
        table.add(method, "two", {"EN": math.nan})
    browser.get(write_page(tmp_path, table).as_uri())
    assert column(browser, 3) == ["n/a"] * 3 and column(browser, 1) == ["n/a"] * 3
    assert "no image has a value of every method" in browser.find_element(By.CSS_SELECTOR, ".verdict").text
    assert "no finite value" in browser.find_element(By.CSS_SELECTOR, ".plots").text


def test_large_page_is_small_and_shows_best_and_worst_images(tmp_path, browser):
    metrics = [replace(EN, name=f"M{number}", direction=("up", "down", "zero")[number % 3]) for number in range(45)]
    table = make_table([f"method {number}" for number in range(20)], [f"scene {number:04}" for number in range(400)],
                       metrics=metrics)
    page = write_page(tmp_path, table)
    assert page.stat().st_size < 3_000_000
    browser.get(page.as_uri())
    rows = browser.execute_script("return [...document.querySelectorAll('.images-by-metric tbody')]"
                                  ".map((body) => [...body.rows].map((row) => row.cells[0].textContent))")
    assert len(rows) == 45 and {len(names) for names in rows} == {33}
    medians = {name: np.median([table.value(method, name, "M0") for method in table.methods]) for name in table.names}
    order = sorted(medians, key=medians.get, reverse=True)
    assert rows[0] == order[:17] + order[-16:]
    load = browser.execute_script("const t = performance.timing; return t.loadEventEnd - t.navigationStart")
    assert load < 10_000
    assert "17 best and the 16 worst of 400 images" in browser.find_element(By.CSS_SELECTOR, ".images-by-metric").text


def test_boxes_are_those_of_numpy_and_tukey():
    values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 30.0, -40.0]
    box = measure_box(values)
    assert (box.lower, box.median, box.upper) == tuple(np.percentile(values, (25, 50, 75)))
    assert (box.low, box.high) == (1.0, 7.0) and box.outliers == [8, 7]
    assert measure_box([2.0]).outliers == [] and measure_box([2.0, 2.0]).high == 2.0

    drawing = draw_boxes({"a": {str(n): value for n, value in enumerate(values)}, "b": {"0": math.inf}},
                         {str(n): f"x#{n}" for n in range(9)}, best=["a"], marks=1, label="<&>")
    svg = ElementTree.fromstring(drawing)
    assert [link.get("href") for link in svg.findall("a")] == ["x#8"], "the farthest only"
    assert draw_boxes({"a": {"0": math.inf}}, {}, best=[], marks=1, label="") == ""


def test_a_box_of_values_that_differ_in_their_last_bits():
    """Quartiles that are rounded may leave no value between the whiskers."""
    generator = np.random.default_rng(1)
    for _ in range(500):
        values = 1 - generator.integers(0, 8, generator.integers(2, 7)) * 2.0**-53
        box = measure_box(values)
        assert min(values) <= box.low <= box.lower <= box.upper <= box.high <= max(values)


@pytest.mark.parametrize("methods", [3, 4, 20])
def test_diagram_places_ranks_to_scale(methods):
    random = np.random.default_rng(methods)
    names = [f"<m{number}>" for number in range(methods)]
    outcome = compare(names, random.normal(size=(40, methods)) + 0.4 * np.arange(methods))
    svg = ElementTree.fromstring(draw_critical_differences(outcome))
    ticks = {int(text.text): float(text.get("x")) for text in svg.findall("text[@class='tick']")}
    assert list(ticks) == list(range(1, methods + 1))
    starts = sorted(float(path.get("d")[1:].split(" ")[0]) for path in svg.findall("path[@class='leader']"))
    expected = sorted(np.interp(rank, list(ticks), list(ticks.values())) for rank in outcome.average_ranks.values())
    assert starts == pytest.approx(expected, abs=0.2)
    assert len(svg.findall("path[@class='group']")) == len(outcome.groups)


@pytest.mark.parametrize("low, high, texts", [
    (0.12, 0.88, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
    (0, 1000, ["0", "250", "500", "750", "1000"]),
    (7.1, 7.3, ["7.10", "7.15", "7.20", "7.25", "7.30"]),
    (-3.0, 5.0, ["-4", "-2", "0", "2", "4", "6"]),
    (5.0, 5.0, ["4.50", "4.75", "5.00", "5.25", "5.50"]),
    (0.0, 0.0, ["-1.0", "-0.5", "0.0", "0.5", "1.0"]),
])  # fmt: skip
def test_ticks_are_round(low, high, texts):
    assert format_ticks(choose_ticks(low, high)) == texts


def test_long_names_lose_their_middle():
    assert shorten("short", 16) == "short"
    assert shorten("a_method_with_a_variant_1", 12) == "a_met…ant_1"
    assert shorten("图像融合方法", 6) == "图…法"
