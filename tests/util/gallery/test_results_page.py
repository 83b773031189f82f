"""The page of a test, opened from disk in a real browser."""

from __future__ import annotations

import math
import os
import shutil

import numpy as np
import pytest
from PIL import Image
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from metrics import RULE, ScoreTable, select
from util.gallery.results_page import write_results_page
from util.gallery.thumbnails import LARGEST_FILE, LONGEST_SIDE

HOSTILE = [
    "plain-01",
    "a b (2) [final]",
    "100% #3 & ? ; =",
    "quote ' and \" two",
    "<img src=x onerror=alert(1)>",
    "</script><script>document.title='broken'</script>",
    "..hidden..",
    "ünï 图像 Ω",
    "n" * 180,
    "{{ name }} ${name}",
]


METHOD = "a run"


def write_test(folder, names, *, spec="EN,SD,PSNR_GT", gt=True, size=(60, 40)):
    """A results folder of flat pictures, whose scores are chosen: row k has EN = k."""
    selected = select(spec, has_gt=gt)
    table = ScoreTable(selected)
    labels = ["A", "B", "fused"] + (["GT"] if gt else [])
    rows = []
    for number, name in enumerate(names):
        files = {}
        for label in labels:
            files[label] = f"images/{name.replace('/', '∕')}_{label}.png"
            (folder / "images").mkdir(parents=True, exist_ok=True)
            Image.new("RGB", size, (20 * number % 256, 90, 140)).save(folder / files[label])
        scores = {"EN": float(number), "SD": 10.0 - number, "PSNR_GT": math.inf if number == 0 else 30.0 + number}
        rows.append({"name": name, "files": files, "scores": {metric.name: scores[metric.name] for metric in selected}})
        table.add(METHOD, name, rows[-1]["scores"])
    table.write_csv(folder / "metrics.csv")
    return rows, selected, table


def write_page(folder, rows, selected, table, title="a run"):
    info = {"model": "r2gan", "dataset": "lytro", "epoch": "latest", "protocol": RULE}
    return write_results_page(folder, title=title, info=info, rows=rows, metrics=selected, means=table.means(METHOD))


def names_shown(browser) -> list[str]:
    return [scene.get_attribute("data-scene") for scene in browser.find_elements(By.CSS_SELECTOR, "[data-scene]")
            if scene.is_displayed()]


def load_all_images(browser) -> list[int]:
    """Scroll every image into view and return their widths in pixels, 0 where one did not load."""
    return browser.execute_async_script("""
        const done = arguments[0], images = [...document.images].filter((image) => image.getAttribute("src"));
        images.forEach((image) => { image.loading = "eager"; });
        Promise.all(images.map((image) => image.decode().catch(() => null)))
            .then(() => done(images.map((image) => image.naturalWidth)));""")


def test_page_opens_from_disk_with_hostile_names_and_nothing_missing(tmp_path, browser, failed_requests):
    folder = tmp_path / "results [1] #x" / "test_latest"
    page = write_page(folder, *write_test(folder, HOSTILE), title="<b>run</b> & 'co'")
    browser.get(page.as_uri())
    assert load_all_images(browser) == [60] * (4 * len(HOSTILE))
    assert names_shown(browser) == HOSTILE
    assert [title.text for title in browser.find_elements(By.TAG_NAME, "h2")] == HOSTILE
    assert browser.find_element(By.TAG_NAME, "h1").text == "<b>run</b> & 'co'"
    assert "broken" not in browser.title
    assert RULE in browser.find_element(By.CSS_SELECTOR, ".facts").text
    assert browser.get_log("browser") == []
    assert failed_requests(browser) == []
    # All that the page loads lies in its own folder.
    loaded = browser.execute_script("return [...document.querySelectorAll('script,link,img,a')]"
                                    ".map((node) => node.src || node.href).filter(Boolean)")
    assert all(url.startswith(folder.as_uri()) or url == "data:," for url in loaded)
    # The full-size pictures that the links name are there.
    for link in browser.find_elements(By.CSS_SELECTOR, "a[data-label]"):
        width = browser.execute_async_script(
            "const done = arguments[1], image = new Image();"
            "image.onload = () => done(image.naturalWidth); image.onerror = () => done(0); image.src = arguments[0];",
            link.get_attribute("href"))
        assert width == 60


def test_lightbox_opens_at_a_click_and_goes_by_the_keys(tmp_path, browser):
    page = write_page(tmp_path, *write_test(tmp_path, ["one", "two", "three"]))
    browser.get(page.as_uri())
    dialog = browser.find_element(By.CSS_SELECTOR, "dialog.lightbox")
    assert not dialog.is_displayed()
    browser.find_elements(By.CSS_SELECTOR, "a[data-label]")[2].click()
    assert dialog.is_displayed()

    def press(*keys) -> str:
        browser.switch_to.active_element.send_keys(*keys)
        return dialog.find_element(By.TAG_NAME, "p").text

    assert press() == "one · fused"
    assert dialog.find_element(By.TAG_NAME, "img").get_attribute("src").endswith("images/one_fused.png")
    assert press(Keys.ARROW_RIGHT) == "one · ground truth"
    assert press(Keys.ARROW_RIGHT) == "two · source A"
    assert press(Keys.ARROW_LEFT) == "one · ground truth"
    assert press(Keys.ARROW_DOWN) == "two · ground truth"
    assert press(Keys.ARROW_DOWN, Keys.ARROW_DOWN) == "three · ground truth", "the last one stays"
    assert press(Keys.ARROW_UP) == "two · ground truth"
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not dialog.is_displayed()
    assert browser.current_url == page.as_uri()


def test_sorting_and_filter(tmp_path, browser):
    names = ["b-2", "b-10", "a-1", "c-3"]
    rows, selected, table = write_test(tmp_path, names)
    rows[2]["scores"]["EN"] = math.nan
    del rows[3]["scores"]["PSNR_GT"]
    page = write_page(tmp_path, rows, selected, table)
    browser.get(page.as_uri())
    heads = {head.text.split("\n")[0]: head for head in browser.find_elements(By.CSS_SELECTOR, "[data-sort]")}
    status = browser.find_element(By.ID, "status")
    assert list(heads) == ["sort by name", "mean EN ↑", "mean SD ↑", "mean PSNR_GT ↑"]
    assert status.text == "4 pairs"

    heads["mean EN ↑"].click()
    assert names_shown(browser) == ["c-3", "b-10", "b-2", "a-1"], "nan comes last"
    assert status.text == "4 pairs, EN ↑: best first"
    heads["mean EN ↑"].click()
    assert names_shown(browser) == ["b-2", "b-10", "c-3", "a-1"], "and last again"
    heads["mean EN ↑"].click()
    assert names_shown(browser) == names
    heads["mean PSNR_GT ↑"].click()
    assert names_shown(browser) == ["b-2", "a-1", "b-10", "c-3"], "infinite first, without a value last"
    heads["sort by name"].click()
    assert names_shown(browser) == ["a-1", "b-2", "b-10", "c-3"], "2 comes before 10"

    box = browser.find_element(By.ID, "filter")
    box.send_keys("B-")
    assert names_shown(browser) == ["b-2", "b-10"]
    assert status.text == "2 of 4 pairs, name: A to Z"
    box.send_keys("zzz")
    assert names_shown(browser) == []
    assert browser.find_element(By.CSS_SELECTOR, ".nothing").text == "No name contains this."


def test_numbers_are_those_of_the_table(tmp_path, browser):
    rows, selected, table = write_test(tmp_path, ["one", "two"])
    rows[1]["scores"] = {"EN": 7.447898975957546, "SD": math.nan}
    table.rows[1] = (METHOD, "two", rows[1]["scores"])
    page = write_page(tmp_path, rows, selected, table)
    browser.get(page.as_uri())
    cells = [cell.text for cell in browser.find_elements(By.CSS_SELECTOR, ".pair dd")]
    assert cells == ["0.0000", "10.000", "∞", "7.4479", "n/a", "–"]
    heads = [head.text.split("\n")[1:] for head in browser.find_elements(By.CSS_SELECTOR, ".heads button")]
    assert heads == [["3.7239"], ["10.000", "1 of 2"], ["∞", "1 of 2"]]
    browser.find_element(By.TAG_NAME, "summary").click()
    assert selected[0].formula in browser.find_element(By.CSS_SELECTOR, ".definitions table").text


@pytest.mark.parametrize("width", [390, 1400])
def test_page_without_metrics_ground_truth_or_pairs_is_whole(tmp_path, browser, width):
    browser.set_window_size(max(500, width), 900)
    page = write_page(tmp_path / "bare", *write_test(tmp_path / "bare", ["one"], spec="none", gt=False))
    browser.get(page.as_uri())
    assert load_all_images(browser) == [60] * 3
    assert not browser.find_elements(By.LINK_TEXT, "metrics.csv") and not browser.find_elements(By.TAG_NAME, "summary")
    page = write_page(tmp_path / "empty", [], select("EN", False), ScoreTable(select("EN", False)))
    browser.get(page.as_uri())
    assert browser.find_element(By.CSS_SELECTOR, ".nothing").text == "No pair was tested."
    assert browser.get_log("browser") == []


def test_a_phone_shows_all_of_it(tmp_path, browser):
    page = write_page(tmp_path, *write_test(tmp_path, [HOSTILE[-2], "two"]))
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                            {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True})
    try:
        browser.get(page.as_uri())
        assert browser.execute_script("return document.documentElement.scrollWidth") == 390, "nothing hangs over"
        tops = [figure.location["y"] for figure in browser.find_elements(By.TAG_NAME, "figure")[:4]]
        assert tops[0] == tops[1] < tops[2] == tops[3], "two images beside each other"
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_missing_pictures_are_named_and_the_page_is_written(tmp_path, browser):
    rows, selected, table = write_test(tmp_path, ["one", "two"])
    (tmp_path / rows[0]["files"]["B"]).unlink()
    (tmp_path / rows[1]["files"]["fused"]).write_bytes(b"not an image")
    del rows[1]["files"]["GT"]
    browser.get(write_page(tmp_path, rows, selected, table).as_uri())
    missing = [note.text.replace("\n", " ") for note in browser.find_elements(By.CSS_SELECTOR, ".missing")]
    assert missing == ["missing or unreadable: images/one_B.png", "missing or unreadable: images/two_fused.png", "none"]
    assert load_all_images(browser) == [60] * 5


def test_thumbnails_are_small_files_and_made_once(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (768, 1024, 3), dtype=np.uint8)
    rows, selected, table = write_test(tmp_path, ["noise", "tiny"])
    Image.fromarray(noise).save(tmp_path / "images" / "noise_A.png")
    Image.new("L", (5, 3), 7).save(tmp_path / "images" / "tiny_A.png")
    write_page(tmp_path, rows, selected, table)
    thumbnails = {path.name: path for path in (tmp_path / "images" / "thumbs").iterdir()}
    assert len(thumbnails) == 8
    assert Image.open(thumbnails["noise_A.jpg"]).size == (LONGEST_SIDE, LONGEST_SIDE * 3 // 4)
    assert Image.open(thumbnails["tiny_A.jpg"]).size == (5, 3), "a small image is not blown up"
    assert all(path.stat().st_size <= LARGEST_FILE for name, path in thumbnails.items() if name != "noise_A.jpg")

    made = {name: path.stat().st_mtime_ns for name, path in thumbnails.items()}
    newer = tmp_path / "images" / "tiny_B.png"
    os.utime(newer, ns=(2**62, 2**62))
    write_page(tmp_path, rows, selected, table)
    changed = [name for name, path in thumbnails.items() if path.stat().st_mtime_ns != made[name]]
    assert changed == ["tiny_B.jpg"]


def test_a_real_photograph_fits_the_limit(shared, tmp_path):
    rows, selected, table = write_test(tmp_path, ["lytro"])
    sources = sorted((shared / "data" / "Lytro" / "test" / "A").glob("*.jpg"))
    shutil.copy(sources[0], tmp_path / "images" / "lytro_A.png")  # content and not the extension decides
    write_page(tmp_path, rows, selected, table)
    thumbnail = tmp_path / "images" / "thumbs" / "lytro_A.jpg"
    assert thumbnail.stat().st_size <= LARGEST_FILE and max(Image.open(thumbnail).size) == LONGEST_SIDE
