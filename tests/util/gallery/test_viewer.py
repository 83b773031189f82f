"""Pictures at full size and the comparison slider, in a real browser."""

from __future__ import annotations

import io

import numpy as np
import pytest
from gallery_samples import draw_scenes, make_columns, make_scores, write_page, write_sample
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

COLOURS = {"A": (200, 0, 0), "B": (0, 200, 0), "ours": (0, 0, 200), "GT": (190, 10, 0)}
SIZE = (900, 700)


@pytest.fixture
def page(tmp_path, browser):
    """The page of two scenes with pictures of one colour each, 900x700."""
    columns, names = make_columns(["ours"]), ["one", "two"]
    scenes = draw_scenes(tmp_path, names, columns)
    for scene in scenes:
        for label, file in scene["files"].items():
            Image.new("RGB", SIZE, COLOURS[label]).save(tmp_path / file)
    browser.get(write_page(tmp_path, scenes, columns, make_scores(names, ["ours"])).as_uri())
    return browser


def find(browser, selector):
    return browser.find_element(By.CSS_SELECTOR, selector)


def open_viewer(browser, label="ours"):
    find(browser, f".scene a[data-label={label}]").click()
    wait_for_pictures(browser)
    return find(browser, "dialog.viewer")


def wait_for_pictures(browser):
    WebDriverWait(browser, 10).until(lambda _: browser.execute_script("""
        const images = [...document.querySelectorAll(".pane img")];
        return images.length && images.every((image) => image.complete && image.naturalWidth);"""))


def press(browser, *keys):
    browser.switch_to.active_element.send_keys(*keys)


def read_boxes(browser) -> list[tuple]:
    """Where each pane's picture lies in its pane: (left, top, width, height)."""
    return [tuple(box) for box in browser.execute_script("""
        return [...document.querySelectorAll(".pane > .area")].map((area) => {
            const box = area.querySelector(".layer").getBoundingClientRect(), frame = area.getBoundingClientRect();
            const values = [box.left - frame.left, box.top - frame.top, box.width, box.height];
            return values.map((value) => Math.round(value * 100) / 100);
        });""")]


def read_colour(browser, element, x=0.5, y=0.5):
    shot = Image.open(io.BytesIO(element.screenshot_as_png)).convert("RGB")
    return shot.getpixel((int(x * (shot.width - 1)), int(y * (shot.height - 1))))


def near(colour, other, tolerance=12) -> bool:
    return np.abs(np.subtract(colour, other)).max() <= tolerance


def test_a_click_opens_all_columns_at_one_to_one_where_one_clicked(page):
    link = find(page, "a[data-label=ours]")
    ActionChains(page).move_to_element_with_offset(link, link.size["width"] // 4, 0).click().perform()
    wait_for_pictures(page)
    titles = [title.text for title in page.find_elements(By.CSS_SELECTOR, ".pane .title:not(.blink)")]
    assert titles == ["source A", "source B", "ground truth", "ours"]
    boxes = read_boxes(page)
    assert len(set(boxes)) == 1, "all panes show the same place"
    assert boxes[0][2:] == SIZE and find(page, ".zoom").text == "100 %"
    area = find(page, ".area").size
    middle = area["width"] / 2 - boxes[0][0]
    assert abs(middle - 0.75 * SIZE[0]) < 6 or boxes[0][0] + SIZE[0] == pytest.approx(area["width"], abs=1)
    assert find(page, ".pane .score").text == "EN 0.0000"
    press(page, Keys.ESCAPE)
    assert not find(page, "dialog.viewer").is_displayed()
    assert page.switch_to.active_element.get_attribute("data-label") == "ours", "the focus is back"


def test_zoom_and_pan_move_all_panes_together(page):
    open_viewer(page)
    pane = page.find_elements(By.CSS_SELECTOR, ".pane .area")[1]
    before = read_boxes(page)[0]
    ActionChains(page).click_and_hold(pane).move_by_offset(-40, -30).release().perform()
    boxes = read_boxes(page)
    assert len(set(boxes)) == 1
    assert boxes[0] == (before[0] - 40, before[1] - 30, *SIZE)

    press(page, Keys.ARROW_LEFT)
    assert read_boxes(page)[0][0] == pytest.approx(min(0, boxes[0][0] + 80), abs=1)
    # The wheel zooms about the pointer: what was there stays there.
    frame = page.execute_script("const r = arguments[0].getBoundingClientRect(); return [r.left, r.top]", pane)
    x, y = 150, 100
    old = read_boxes(page)[0]
    page.execute_script("""
        arguments[0].dispatchEvent(new WheelEvent("wheel", {
            deltaY: -400, clientX: arguments[1], clientY: arguments[2], bubbles: true, cancelable: true }));""",
                        pane, frame[0] + x, frame[1] + y)
    new = read_boxes(page)[0]
    zoom = new[2] / SIZE[0]
    assert zoom == pytest.approx(np.exp(0.6), abs=0.01)
    assert (x - new[0]) / zoom == pytest.approx(x - old[0], abs=1)
    assert (y - new[1]) / zoom == pytest.approx(y - old[1], abs=1)
    rendering = "return getComputedStyle(document.querySelector('.layer img')).imageRendering"
    assert page.execute_script(rendering) == "pixelated"
    assert len(set(read_boxes(page))) == 1

    press(page, "f")
    area = find(page, ".area").size
    left, top, width, height = read_boxes(page)[0]
    assert left >= -1 and top >= -1 and width <= area["width"] + 1 and height <= area["height"] + 1
    press(page, "0", "-")
    assert read_boxes(page)[0][2] == pytest.approx(0.8 * SIZE[0], abs=1)
    press(page, "+")
    assert find(page, ".zoom").text == "100 %"


def test_two_fingers_zoom(page):
    open_viewer(page)
    area = page.execute_script("const r = document.querySelector('.area').getBoundingClientRect();"
                               "return [r.left + r.width / 2, r.top + r.height / 2]")

    def touch(kind, spread):
        points = [{"x": area[0] + sign * spread, "y": area[1], "id": sign + 1} for sign in (-1, 1)] if spread else []
        page.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    page.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 2})
    try:
        touch("touchStart", 40)
        for spread in (50, 60, 70, 80):
            touch("touchMove", spread)
        touch("touchEnd", 0)
        WebDriverWait(page, 5).until(lambda _: find(page, ".zoom").text in ("199 %", "200 %", "201 %"))
        assert len(set(read_boxes(page))) == 1
    finally:
        page.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})


def test_holding_b_blinks_to_the_other_picture(page):
    open_viewer(page)
    pane = find(page, ".pane[data-column=ours] .area")
    assert near(read_colour(page, pane), COLOURS["ours"])
    ActionChains(page).key_down("b").perform()
    assert near(read_colour(page, pane), COLOURS["A"])
    assert find(page, ".pane[data-column=ours] .title.blink").is_displayed()
    ActionChains(page).key_up("b").perform()
    assert near(read_colour(page, pane), COLOURS["ours"])
    Select(find(page, "[aria-label='other picture']")).select_by_visible_text("source B")
    wait_for_pictures(page)
    ActionChains(page).click_and_hold(find(page, ".tools [title^=hold]")).perform()
    assert near(read_colour(page, find(page, ".pane[data-column=ours] .area")), COLOURS["B"])
    ActionChains(page).release().perform()
    assert near(read_colour(page, find(page, ".pane[data-column=ours] .area")), COLOURS["ours"])


def test_one_picture_by_number_and_double_click(page):
    open_viewer(page)
    press(page, "2")
    assert [pane.get_attribute("data-column") for pane in page.find_elements(By.CSS_SELECTOR, ".pane")] == ["B"]
    wait_for_pictures(page)
    ActionChains(page).double_click(find(page, ".pane .area")).perform()
    assert len(page.find_elements(By.CSS_SELECTOR, ".pane")) == 4
    wait_for_pictures(page)
    ActionChains(page).double_click(page.find_elements(By.CSS_SELECTOR, ".pane .area")[3]).perform()
    assert find(page, ".pane").get_attribute("data-column") == "ours"


def test_difference_is_that_of_the_pixels_times_the_gain(page):
    open_viewer(page, "A")
    press(page, "d")
    Select(find(page, "[aria-label='other picture']")).select_by_visible_text("ground truth")
    wait_for_pictures(page)
    area = find(page, ".pane .area")
    assert near(read_colour(page, area), (40, 40, 0), 3), "|A - GT| = (10, 10, 0), times 4"
    gain = find(page, "[aria-label='brightness of the difference']")
    gain.send_keys(*[Keys.ARROW_RIGHT] * 4)
    assert near(read_colour(page, area), (80, 80, 0), 5)
    assert find(page, ".gain").text == "×8"
    Select(find(page, "[aria-label='other picture']")).select_by_visible_text("source A")
    assert find(page, "[aria-label='other picture']").get_attribute("value") != "A", "never with itself"


def test_slider_in_the_viewer_goes_by_keys_and_mouse_while_the_picture_pans(page):
    open_viewer(page, "A")
    press(page, "s", "f")
    wait_for_pictures(page)
    area, line = find(page, ".pane .area"), find(page, ".pane .line")
    assert near(read_colour(page, area, 0.3), COLOURS["A"]) and near(read_colour(page, area, 0.7), COLOURS["B"])
    line.send_keys(*[Keys.PAGE_UP] * 3)  # a tenth each
    assert near(read_colour(page, area, 0.7), COLOURS["A"])
    width = area.size["width"]
    start = float(line.get_attribute("value"))
    handle = ActionChains(page).move_to_element_with_offset(area, int((start - 0.5) * (width - 36)), 0)
    handle.click_and_hold().move_by_offset(-int(width * 0.5), 0).release().perform()
    assert near(read_colour(page, area, 0.5), COLOURS["B"])
    press(page, "x")
    wait_for_pictures(page)
    assert near(read_colour(page, find(page, ".pane .area"), 0.5), COLOURS["A"])


def test_slider_and_difference_in_the_rows(page):
    Select(page.find_element(By.ID, "compare")).select_by_value("slider")
    Select(find(page, "[aria-label='compare this']")).select_by_visible_text("source A")
    Select(find(page, "[aria-label='with this']")).select_by_visible_text("source B")
    WebDriverWait(page, 5).until(lambda _: page.execute_script(
        "return [...document.querySelectorAll('.comparison img')].every((image) => image.complete)"))
    element = find(page, ".comparison")
    assert near(read_colour(page, element, 0.3, 0.3), COLOURS["A"])
    assert near(read_colour(page, element, 0.7, 0.3), COLOURS["B"])
    line = find(page, ".comparison .line")
    ActionChains(page).move_to_element_with_offset(element, int(element.size["width"] * 0.35), 0).click().perform()
    assert near(read_colour(page, element, 0.7, 0.3), COLOURS["A"])
    line.send_keys(Keys.HOME)
    assert near(read_colour(page, element, 0.3, 0.3), COLOURS["B"])
    assert "source A" in line.get_attribute("aria-label") and line.get_attribute("aria-valuetext") == "0 % source A"
    Select(page.find_element(By.ID, "compare")).select_by_value("difference")
    WebDriverWait(page, 5).until(lambda _: page.execute_script(
        "return [...document.querySelectorAll('.comparison img')].every((image) => image.complete)"))
    assert near(read_colour(page, find(page, ".comparison"), 0.5, 0.3), (255, 255, 0))
    find(page, ".compared .open").click()
    assert find(page, "[data-view=difference]").get_attribute("aria-pressed") == "true"


def test_scenes_by_keys_and_the_address_tells_the_view(page):
    start = page.current_url
    open_viewer(page)
    assert page.current_url == f"{start}#scene=one&view=all"
    press(page, Keys.PAGE_DOWN)
    assert find(page, ".viewer h2").text == "two" and find(page, ".viewer .count").text == "2 / 2"
    press(page, Keys.PAGE_DOWN)
    assert find(page, ".viewer h2").text == "two", "the last one stays"
    press(page, "s")
    assert page.current_url == f"{start}#scene=two&view=slider&left=ours&right=A"
    address = page.current_url
    page.back()
    WebDriverWait(page, 5).until(lambda _: not find(page, "dialog.viewer").is_displayed())
    page.forward()
    WebDriverWait(page, 5).until(lambda _: find(page, "dialog.viewer").is_displayed())
    press(page, Keys.ESCAPE)
    WebDriverWait(page, 5).until(lambda _: page.current_url == f"{start}#scene=two")
    page.get("about:blank")
    page.get(address)
    assert find(page, "[data-view=slider]").get_attribute("aria-pressed") == "true"
    assert find(page, ".corner.left").text == "ours"
    assert page.get_log("browser") == []


def test_addresses_that_lead_nowhere_do_no_harm(page):
    start = page.current_url
    one = "scene=one&view="
    for words in ("scene=nobody&view=all", f"{one}nothing", f"{one}slider&left=x&right=y", "%E0%A4%A", "="):
        page.get("about:blank")
        page.get(f"{start}#{words}")
        assert len(page.find_elements(By.CSS_SELECTOR, ".scene")) == 2
    assert page.get_log("browser") == []


def test_pictures_that_are_missing_are_left_out_or_told(tmp_path, browser):
    page = write_sample(tmp_path, ["one"], ["ours"])
    (tmp_path / "images" / "one_B.png").unlink()
    browser.get(f"{page.as_uri()}#scene=one&view=all")
    WebDriverWait(browser, 5).until(lambda _: browser.find_elements(By.CSS_SELECTOR, ".pane.broken"))
    assert len(browser.find_elements(By.CSS_SELECTOR, ".pane")) == 4
    write_page(tmp_path, [{"name": "one", "files": {}}], make_columns(["ours"]), make_scores(["one"], ["ours"]))
    browser.get(f"{page.as_uri()}?2#scene=one&view=all")
    assert find(browser, ".panes .note").text == "This scene has no pictures."
