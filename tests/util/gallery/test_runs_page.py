"""The list of all runs."""

from __future__ import annotations

import json

from gallery_samples import draw_scenes, make_columns, make_scores, write_page, write_sample
from selenium.webdriver.common.by import By

from util.gallery.runs_page import write_runs_page


def set_time(folder, time) -> None:
    said = json.loads((folder / "run.json").read_text("utf-8"))
    (folder / "run.json").write_text(json.dumps(said | {"time": time}), encoding="utf-8")


def test_runs_are_listed_newest_first_with_a_picture_and_three_numbers(tmp_path, browser, failed_requests):
    for name, time in (("old #1", "2026-01-02T03:04:05+00:00"), ("<b>new", "2026-02-02T03:04:05+00:00")):
        folder = tmp_path / name / "test_latest"
        write_sample(folder, ["one", "two"], ["average", "ours"], title=f"run {name}")
        set_time(folder, time)
    write_sample(tmp_path / "x" / ".test_latest.partial", ["one"])
    browser.get(write_runs_page(tmp_path).as_uri())
    runs = browser.find_elements(By.CSS_SELECTOR, ".run")
    assert [run.find_element(By.TAG_NAME, "h2").text for run in runs] == ["run <b>new", "run old #1"]
    assert "evaluation, 2 scenes, 2 methods\n2026-02-02 03:04 UTC" in runs[0].text
    assert [name.text for name in runs[0].find_elements(By.TAG_NAME, "dt")] == ["PSNR_GT ↑", "EN ↑", "SD ↑"]
    assert runs[0].find_elements(By.TAG_NAME, "dd")[1].text == "1.5000\nours", "of the best method"
    widths = [browser.execute_script("return arguments[0].naturalWidth", run.find_element(By.TAG_NAME, "img"))
              for run in runs]
    assert widths == [60, 60]
    runs[1].find_element(By.TAG_NAME, "a").click()
    assert browser.find_element(By.TAG_NAME, "h1").text == "run old #1"
    assert browser.get_log("browser") == [] and failed_requests(browser) == []


def test_the_headline_leads_with_the_distance_to_the_truth(tmp_path):
    columns, names = make_columns(["ours"]), ["one", "two"]
    table = make_scores(names, ["ours"], spec="SD,EN,PSNR_GT")
    write_page(tmp_path, draw_scenes(tmp_path, names, columns), columns, table)
    said = json.loads((tmp_path / "run.json").read_text("utf-8"))
    assert said["headline"] == [["PSNR_GT", "↑", "ours", "inf"], ["EN", "↑", "ours", 0.5], ["SD", "↑", "ours", 9.5]]
    assert said["format"] == 1 and said["methods"] == ["ours"] and said["page"] == "index.html"
    assert (tmp_path / said["thumbnail"]).is_file()


def test_broken_and_foreign_files_are_passed_over_with_a_warning(tmp_path, browser, capsys):
    write_sample(tmp_path / "good" / "test_latest", ["one"])
    whole = json.loads((tmp_path / "good" / "test_latest" / "run.json").read_text("utf-8"))
    broken = {
        "torn": json.dumps(whole)[:50],
        "list": "[1, 2]",
        "other": json.dumps({"format": 7}),
        "numbers": json.dumps(whole | {"headline": [[1]]}),
        "when": json.dumps(whole | {"time": "yesterday"}),
        "away": json.dumps(whole | {"page": "../../good/test_latest/index.html"}),
        "script": json.dumps(whole | {"page": "javascript:alert(1)"}),
    }
    for name, text in broken.items():
        (tmp_path / name / "run").mkdir(parents=True)
        (tmp_path / name / "run" / "run.json").write_text(text, encoding="utf-8")
    browser.get(write_runs_page(tmp_path).as_uri())
    assert len(browser.find_elements(By.CSS_SELECTOR, ".run")) == 1
    warned = capsys.readouterr().err
    assert all(f"{name}/run/run.json is left out" in warned for name in broken)


def test_no_runs_and_a_phone(tmp_path, browser):
    browser.get(write_runs_page(tmp_path / "empty").as_uri())
    assert browser.find_element(By.CSS_SELECTOR, ".nothing").is_displayed()
    write_sample(tmp_path / ("n" * 100) / "test_latest", ["one"], title="n" * 200)
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                            {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True})
    try:
        browser.get(write_runs_page(tmp_path).as_uri())
        assert browser.execute_script("return document.documentElement.scrollWidth") == 390
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_runs_in_a_folder_for_each_data_set_are_listed(tmp_path):
    for name in ("TNO/ours/test_latest", "evaluation/TNO_test"):
        write_sample(tmp_path / name, ["one"], title=name)
    page = write_runs_page(tmp_path).read_text("utf-8")
    assert "TNO/ours/test_latest/index.html" in page and "evaluation/TNO_test/index.html" in page


def test_a_page_of_somebody_else_is_left_as_it_is(tmp_path, capsys):
    (tmp_path / "index.html").write_text("<h1>my homepage</h1>", encoding="utf-8")
    write_sample(tmp_path / "ours" / "test_latest", ["one"])
    assert write_runs_page(tmp_path).read_text("utf-8") == "<h1>my homepage</h1>"
    assert "is not FuseLab's" in capsys.readouterr().err
