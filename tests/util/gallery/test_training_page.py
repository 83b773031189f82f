"""The page of a training run: what a save costs, what a kill leaves, and what a real browser makes of it."""

from __future__ import annotations

import json
import math

import pytest
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from util.errors import RunError
from util.gallery.training_page import DATA_BLOCK, TrainingPage

INFO = {"model": "r2gan", "dataset": "datasets/PMF"}
LABELS = ("A", "B", "fused")


def losses(epoch: int, *, step: int | None = None, **values: float) -> dict:
    step = step or epoch * 10
    return {"epoch": epoch, "iter": 80, "total_iters": step * 8, "step": step, "lr": 2e-4, "time": 0.1,
            "losses": values or {"G_GAN": 0.7 + 1 / epoch, "G_L1": 20 / epoch}}


def scores(epoch: int, **values: float) -> dict:
    values = values or {"SSIM_GT": 1 - 1 / epoch}
    return {"epoch": epoch, "total_iters": epoch * 80, "step": epoch * 10, "scores": values}


def add_epoch(page: TrainingPage, epoch: int) -> None:
    page.add_losses(losses(epoch))
    page.add_images(epoch, epoch * 80, epoch * 10, name_files(epoch))
    page.add_scores(scores(epoch))


def name_files(epoch: int) -> dict[str, str]:
    return {label: f"images/epoch{epoch:03d}_{label}.png" for label in LABELS}


def draw_images(folder, epochs: int) -> None:
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for epoch in range(1, epochs + 1):
        for label in LABELS:
            Image.new("RGB", (32, 24), (epoch, 80, 120)).save(folder / "images" / f"epoch{epoch:03d}_{label}.png")


def read_lines(page: TrainingPage) -> list[str]:
    return page.path.read_text(encoding="utf-8").partition(DATA_BLOCK)[2].split("\n")[:-1]


def epochs_shown(browser) -> list[str]:
    heads = "return [...document.querySelectorAll('#scenes h2')].map((head) => head.textContent)"
    return [head.split()[1] for head in browser.execute_script(heads)]


def test_a_save_costs_the_same_after_a_thousand_epochs(tmp_path):
    page = TrainingPage(tmp_path / "web", "run", INFO)
    inode, costs = page.path.stat().st_ino, []
    before = sum(path.stat().st_size for path in (tmp_path / "web").rglob("*") if path.is_file())
    for epoch in range(1, 1001):
        page.add_losses(losses(epoch, G_GAN=0.5, G_L1=2.25))
        page.add_images(epoch, epoch * 80, epoch * 10, name_files(epoch))
        size = sum(path.stat().st_size for path in (tmp_path / "web").rglob("*") if path.is_file())
        costs.append(size - before)
        before = size
    assert page.path.stat().st_ino == inode, "the page is appended to, never written anew"
    assert len(list((tmp_path / "web").iterdir())) == 2, "no files pile up"
    # Only the numbers get longer: three digits more for each of epoch, images and updates, in names and numbers.
    assert 0 < costs[-1] - costs[0] <= 30 and max(costs) < 500


def test_the_page_shows_newest_first_and_draws_curves(tmp_path, browser, failed_requests):
    folder = tmp_path / "a run #1" / "web"
    draw_images(folder, 45)
    page = TrainingPage(folder, "PMF <R2GAN> & co", INFO)
    for epoch in range(1, 46):
        add_epoch(page, epoch)
    page.add_images(45, 3601, 451, {"fused": "images/epoch001_fused.png"})  # a later save of an epoch replaces it
    browser.get(page.path.as_uri())

    assert browser.find_element(By.TAG_NAME, "h1").text == "PMF <R2GAN> & co"
    assert browser.find_element(By.ID, "status").text == "epoch 45, 3,601 images, 451 updates"
    assert epochs_shown(browser) == [str(epoch) for epoch in range(45, 0, -1)], "the newest first"
    rows = browser.find_elements(By.CSS_SELECTOR, ".scene")
    assert len(rows[0].find_elements(By.TAG_NAME, "img")) == 1
    assert not rows[-1].find_elements(By.TAG_NAME, "img"), "pictures come as one gets there"
    browser.execute_script("arguments[0].scrollIntoView()", rows[-1])
    WebDriverWait(browser, 10).until(lambda _: widths_of(browser, rows[-1]) == [32, 32, 32])

    titles = [chart.text.split("\n")[0] for chart in browser.find_elements(By.CSS_SELECTOR, ".chart")]
    assert titles[:3] == ["Losses", "Learning rate", "Validation SSIM_GT"]
    assert browser.get_log("browser") == []
    # A curve is there when its colour is on the canvas; a hidden one leaves it.
    assert count_coloured(browser) > 100
    browser.execute_script("scrollTo(0, 0)")
    names = browser.find_elements(By.CSS_SELECTOR, ".chart:first-child .u-legend th")
    assert [name.text for name in names] == ["images seen", "G_GAN", "G_L1"]
    for name in names[1:]:
        name.click()
    WebDriverWait(browser, 10).until(lambda _: count_coloured(browser) == 0)
    assert failed_requests(browser) == []


def widths_of(browser, row) -> list[int]:
    return browser.execute_script("return [...arguments[0].querySelectorAll('img')].map((i) => i.naturalWidth)", row)


def count_coloured(browser) -> int:
    """The number of pixels of the first chart that are far from gray."""
    return browser.execute_script("""
        const canvas = document.querySelector(".chart canvas");
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        let count = 0;
        for (let at = 0; at < data.length; at += 4) {
            const colour = data.slice(at, at + 3);
            if (data[at + 3] > 128 && Math.max(...colour) - Math.min(...colour) > 60) count += 1;
        }
        return count;""")


def test_the_viewer_goes_through_the_epochs_at_one_place(tmp_path, browser):
    draw_images(tmp_path, 2)
    page = TrainingPage(tmp_path, "run", INFO)
    add_epoch(page, 1)
    add_epoch(page, 2)
    browser.get(page.path.as_uri())
    browser.find_elements(By.CSS_SELECTOR, "a[data-label]")[1].click()
    title = browser.find_element(By.CSS_SELECTOR, ".viewer h2")
    assert title.text == "Epoch 2"
    browser.switch_to.active_element.send_keys("+", "+", Keys.PAGE_DOWN)
    assert title.text == "Epoch 1"
    assert browser.find_element(By.CSS_SELECTOR, ".viewer .zoom").text == "156 %"
    pictures = browser.find_elements(By.CSS_SELECTOR, ".pane > .area > .layer:first-child img")
    assert [picture.get_attribute("alt") for picture in pictures] == [f"{label} of Epoch 1" for label in LABELS]


def test_a_link_leads_to_an_epoch(tmp_path, browser):
    draw_images(tmp_path, 30)
    page = TrainingPage(tmp_path, "run", INFO)
    for epoch in range(1, 31):
        add_epoch(page, epoch)
    browser.get(page.path.as_uri() + "#scene=Epoch%203")
    assert browser.find_element(By.CSS_SELECTOR, ".scene.marked h2").text.startswith("Epoch 3 ")


def test_a_curve_zooms_by_dragging_and_back_by_a_double_click(tmp_path, browser):
    page = TrainingPage(tmp_path, "run", INFO)
    for epoch in range(1, 41):
        page.add_losses(losses(epoch))
    browser.get(page.path.as_uri())
    over = browser.find_element(By.CSS_SELECTOR, ".chart .u-over")
    before = over.screenshot_as_png
    drag = ActionChains(browser).move_to_element_with_offset(over, -100, 0).click_and_hold()
    drag.move_by_offset(150, 0).release().perform()
    ActionChains(browser).move_to_element(browser.find_element(By.TAG_NAME, "h1")).perform()
    zoomed = over.screenshot_as_png
    assert zoomed != before
    ActionChains(browser).double_click(over).perform()
    ActionChains(browser).move_to_element(browser.find_element(By.TAG_NAME, "h1")).perform()
    assert over.screenshot_as_png == before


def test_a_torn_last_line_costs_one_record_and_is_cut_off_at_the_next_start(tmp_path, browser):
    draw_images(tmp_path, 3)
    page = TrainingPage(tmp_path, "run", INFO)
    add_epoch(page, 1)
    add_epoch(page, 2)
    whole = page.path.read_bytes()
    line = read_lines(page)[-2]  # the images of epoch 2
    assert json.loads(line)["kind"] == "images"
    for end in (1, len(line) // 2, len(line) - 1, len(line)):
        page.path.write_bytes(whole + line.replace('"epoch":2', '"epoch":3').encode()[:end])
        browser.get(page.path.as_uri())
        assert epochs_shown(browser)[-2:] == ["2", "1"]
        assert browser.get_log("browser") == []
        again = TrainingPage(tmp_path, "run", INFO)
        assert again.path.read_bytes() == whole
    add_epoch(again, 3)
    browser.get(page.path.as_uri())
    assert epochs_shown(browser) == ["3", "2", "1"]


def test_rollback_drops_what_a_resumed_run_does_again(tmp_path, browser):
    page = TrainingPage(tmp_path, "run", INFO)
    for epoch in range(1, 6):
        add_epoch(page, epoch)
    page = TrainingPage(tmp_path, "run", INFO)
    page.rollback(30)
    assert {json.loads(line)["step"] for line in read_lines(page)} == {10, 20, 30}
    content = page.path.read_bytes()
    page.rollback(30)
    assert page.path.read_bytes() == content
    add_epoch(page, 4)
    browser.get(page.path.as_uri())
    assert epochs_shown(browser) == ["4", "3", "2", "1"]
    page.rollback(0)
    assert read_lines(page) == []


def test_continuing_keeps_the_records_and_renews_the_header(tmp_path, browser):
    page = TrainingPage(tmp_path, "run", INFO)
    add_epoch(page, 1)
    before = read_lines(page)
    continued = TrainingPage(tmp_path, "run", {**INFO, "batch size": "4"})
    assert read_lines(continued) == before
    browser.get(continued.path.as_uri())
    assert "batch size\n4" in browser.find_element(By.CSS_SELECTOR, ".facts").text


def test_names_and_numbers_that_could_break_the_page(tmp_path, browser):
    page = TrainingPage(tmp_path, "run", INFO)
    label = "</script><script>document.title='broken'</script>"
    file = "images/a b#?%'\"<é>.png"
    (tmp_path / "images").mkdir()
    Image.new("RGB", (32, 24)).save(tmp_path / file)
    page.add_losses(losses(1, G=math.nan, D=1.0))
    page.add_losses(losses(2, G=math.inf, D=0.5, **{label: 2.0}))
    page.add_scores(scores(2, PSNR_GT=math.inf))
    page.add_images(2, 160, 20, {label: file})
    browser.get(page.path.as_uri())
    assert "broken" not in browser.title
    assert browser.find_element(By.TAG_NAME, "figcaption").text == label
    image = browser.find_element(By.CSS_SELECTOR, "#scenes img")
    browser.execute_script("arguments[0].scrollIntoView()", image)
    WebDriverWait(browser, 10).until(lambda _: browser.execute_script("return arguments[0].naturalWidth", image) == 32)
    assert browser.get_log("browser") == []


def test_an_empty_page_says_so(tmp_path, browser):
    page = TrainingPage(tmp_path, "run", INFO)
    browser.get(page.path.as_uri())
    assert browser.find_element(By.ID, "nothing").is_displayed()
    assert browser.get_log("browser") == []


def test_refreshing_survives_a_reload(tmp_path, browser):
    page = TrainingPage(tmp_path, "run", INFO)
    add_epoch(page, 1)
    browser.get(page.path.as_uri())
    browser.find_element(By.ID, "refresh").click()
    assert browser.current_url.endswith("#refresh=on")
    browser.refresh()
    assert browser.find_element(By.ID, "refresh").is_selected()
    browser.find_element(By.ID, "refresh").click()
    assert browser.current_url == page.path.as_uri()


def test_a_page_that_cannot_be_written_is_told_in_a_sentence(tmp_path):
    page = TrainingPage(tmp_path / "web", "run", INFO)
    page.path.unlink()
    page.path.mkdir()
    with pytest.raises(RunError, match="index.html could not be written"):
        page.add_losses(losses(1))
