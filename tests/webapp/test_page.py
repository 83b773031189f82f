"""The page in a real Chromium, served by a real process."""

from __future__ import annotations

import base64
import csv
import json
import signal
import urllib.error
import urllib.request

import cv2
import numpy as np
import pytest
import tiny
from commands import call
from PIL import Image
from visitor import RUN, Visitor
from watching import wait_until

import models
from metrics.registry import FAST
from util.image_io import read_pixels

USUAL = [name for name in FAST if not name.endswith("_GT")]


@pytest.fixture
def visitor(browser, server) -> Visitor:
    return Visitor(browser, server.url)


def drop_pair(visitor: Visitor, pair) -> None:
    for side, file in zip("AB", pair, strict=True):
        visitor.drop(side, file)


# A pair in, a picture out --------------------------------------------------------------------------------------------


def test_gives_the_picture_of_test_py_and_the_numbers_of_evaluate_py(visitor, world, pair, monkeypatch, capsys):
    drop_pair(visitor, pair)
    assert visitor.fuse() == ""
    places = ["--dataroot", world / "pairs", "--results_dir", world / "results", "--jobs", "1"]
    run = ["--name", RUN, "--checkpoints_dir", world / "runs", "--gpu_ids", "-1", "--num_threads", "0"]
    assert call("test.py", *places, *run, monkeypatch=monkeypatch, capsys=capsys)[0] == 0
    folder = world / "results" / RUN / "test_latest"
    assert visitor.fused_file() == next((folder / "images").glob("*_fused.png")).read_bytes()
    assert call("evaluate.py", *places, "--fused", f"ours={folder}", monkeypatch=monkeypatch, capsys=capsys)[0] == 0
    with open(next((world / "results" / "evaluation").rglob("metrics.csv")), newline="") as file:
        row = next(csv.DictReader(file))
    assert visitor.scores() == {name: float(row[name]) for name in USUAL}
    assert "120 x 96" in visitor.one(".facts").text


def test_asks_for_nothing_outside_and_complains_of_nothing(visitor, pair, server, failed_requests):
    drop_pair(visitor, pair)
    assert visitor.fuse() == ""
    entries = [json.loads(entry["message"])["message"] for entry in visitor.browser.get_log("performance")]
    asked = [entry["params"]["request"]["url"] for entry in entries if entry["method"] == "Network.requestWillBeSent"]
    sockets = [entry["params"]["url"] for entry in entries if entry["method"] == "Network.webSocketCreated"]
    assert len(asked) > 5 and len(sockets) == 1
    allowed = (server.url, server.url.replace("http:", "ws:"), "data:", "blob:")
    assert [url for url in asked + sockets if not url.startswith(allowed)] == []
    assert visitor.browser.get_log("browser") == []


def test_download_is_a_png_named_after_the_pair(visitor, pair, tmp_path):
    drop_pair(visitor, pair)
    visitor.fuse()
    visitor.browser.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    visitor.one("a.download").click()
    file = tmp_path / f"{pair[0].stem}_{RUN}.png"
    wait_until(file.is_file, "the download is there")
    assert file.read_bytes() == visitor.fused_file() and decode(file.read_bytes()).shape == (96, 120, 3)


def test_slider_moves_the_border_and_either_side_can_be_any_picture(visitor, pair):
    drop_pair(visitor, pair)
    visitor.fuse()
    shown = {side: visitor.one(f".compare img.{side}").get_attribute("src") for side in ("above", "below")}
    assert np.array_equal(decode(visitor.read(shown["above"])), decode(pair[0].read_bytes()))
    assert visitor.read(shown["below"]) == visitor.fused_file()
    clip = "return getComputedStyle(document.querySelector('.compare .above')).clipPath"
    assert "50%" in visitor.browser.execute_script(clip)
    slide = "const s = document.querySelector('.compare input'); s.value = 20; s.dispatchEvent(new Event('input'))"
    visitor.browser.execute_script(slide)
    assert "80%" in visitor.browser.execute_script(clip)
    visitor.choose("label.compare-left", "source B")
    wait_until(lambda: visitor.one(".compare img.above").get_attribute("src") != shown["above"], "B is shown")
    assert np.array_equal(
        decode(visitor.read(visitor.one(".compare img.above").get_attribute("src"))), decode(pair[1].read_bytes())
    )
    assert "80%" in visitor.browser.execute_script(clip)


def decode(content: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)


@pytest.mark.skipif("focus" not in models.model_names(), reason="the model is not here")
def test_method_without_training_fuses_and_shows_how_it_decided(visitor, pair):
    drop_pair(visitor, pair)
    visitor.choose("label.method", "focus")
    assert visitor.fuse() == ""
    maps = visitor.find(".gallery figure")
    assert maps and all(visitor.read(map.find_element("tag name", "img").get_attribute("src")) for map in maps)


def test_options_come_from_the_parser_and_a_wrong_one_is_refused_in_a_sentence(visitor, pair):
    drop_pair(visitor, pair)
    visitor.one(".options .q-item").click()
    field = visitor.one(".option-n_blocks input")
    assert field.get_attribute("value") == "1"  # the run's, not the default
    field.send_keys("00")
    assert "--n_blocks: 100 is out of range" in visitor.fuse()
    field.send_keys("\b\b\b2")
    assert "--n_blocks 2 was given, it was trained with 1" in visitor.fuse()
    field.send_keys("\b1")
    visitor.choose(".option-color label", "luma")
    assert visitor.fuse() == ""


def test_field_takes_a_dropped_file_and_opens_the_dialog_on_a_click(visitor, pair):
    browser = visitor.browser
    browser.execute_script("HTMLInputElement.prototype.click = function () { window.asked = this.className }")
    visitor.one(".zone-A").click()
    wait_until(lambda: browser.execute_script("return window.asked"), "a file is asked for")
    assert "q-uploader" in browser.execute_script("return window.asked")
    drop = """
        const bytes = Uint8Array.from(atob(arguments[0]), letter => letter.charCodeAt(0));
        const transfer = new DataTransfer();
        transfer.items.add(new File([bytes], "dropped.png", {type: "image/png"}));
        const event = new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true});
        document.querySelector(".zone-A").dispatchEvent(event);
        return event.defaultPrevented;  // else the browser would leave the page for the picture
    """
    assert browser.execute_script(drop, base64.b64encode(pair[0].read_bytes()).decode())
    wait_until(lambda: visitor.find(".zone-A img"), "the picture is shown")
    assert "dropped.png" in visitor.one(".zone-A").text


# What is refused -----------------------------------------------------------------------------------------------------


def test_needs_two_images_of_one_size(visitor, pair, tmp_path):
    assert "two images are needed" in visitor.fuse().lower()
    visitor.drop("A", pair[0])
    assert "Image B is missing" in visitor.fuse()
    visitor.drop("B", tiny.write(tmp_path / "other.png", tiny.make_image(3, 40, 50)))
    assert "120x96 and 50x40" in visitor.fuse() and "tick 'Resize B" in visitor.message()
    visitor.one(".resize").click()
    assert visitor.fuse() == ""
    assert decode(visitor.fused_file()).shape == (96, 120, 3)


def make_bad_files(folder, good):
    torn = good.read_bytes()[:-300]
    huge = tiny.write(folder / "huge.png", np.zeros((300, 301), np.uint8))
    nan = np.full((24, 30), np.nan, np.float32)
    Image.fromarray(nan).save(folder / "nan.tif")
    return {
        "letters.png": (b"these are letters, not pixels", "no known image format"),
        "hollow.png": (b"", "is empty"),
        "torn.png": (torn, "truncated"),
        "huge.png": (huge.read_bytes(), "0.05 megapixels is the most"),
        "large.png": (good.read_bytes() + bytes(10**6), "1 MB, which is the most"),
        "nan.tif": ((folder / "nan.tif").read_bytes(), "not finite"),
    }


def test_bad_uploads_are_told_in_a_sentence(visitor, pair, tmp_path):
    visitor.drop("B", pair[1])
    for name, (content, said) in make_bad_files(tmp_path, pair[0]).items():
        (tmp_path / name).write_bytes(content)
        visitor.drop("A", tmp_path / name)
        assert said in visitor.message(), name
        assert "Traceback" not in visitor.browser.page_source
        assert not visitor.find(".zone-A img")
    visitor.drop("A", pair[0])  # and then a good one
    assert visitor.message() == "" and visitor.fuse() == ""


def test_formats_that_no_browser_shows_are_shown_and_fused(visitor, tmp_path):
    levels = np.linspace(0, 65535, 30 * 40).reshape(30, 40).astype(np.uint16)
    cv2.imwrite(str(tmp_path / "deep.tif"), levels)
    frames = [Image.fromarray(tiny.make_image(seed, 30, 40)) for seed in range(2)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    drop_pair(visitor, (tmp_path / "deep.tif", tmp_path / "moving.gif"))
    preview = decode(visitor.read(visitor.one(".zone-A img").get_attribute("src")))
    assert np.array_equal(preview[..., 0], np.floor(levels / 65535 * 255 + 0.5).astype(np.uint8))
    first = decode(visitor.read(visitor.one(".zone-B img").get_attribute("src")))
    assert np.array_equal(first[..., ::-1], read_pixels(tmp_path / "moving.gif"))
    assert visitor.fuse() == ""


def test_smallest_image_is_fused_and_scores_without_a_value_say_why(visitor, tmp_path):
    for side in "AB":
        visitor.drop(side, tiny.write(tmp_path / f"{side}.png", tiny.make_image(5, 3, 2)))
    assert visitor.fuse() == ""
    assert decode(visitor.fused_file()).shape == (3, 2, 3)
    none = {tile.text.split()[0]: tile.text for tile in visitor.find(".score") if "none" in tile.text}
    assert "11x11 is the least" in none["SSIM"] and "41x41 is the least" in none["VIF"]


def test_long_requests_are_refused_before_they_are_read(server):
    request = urllib.request.Request(server.url, method="POST", headers={"Content-Length": str(10**9)})
    with pytest.raises(urllib.error.HTTPError, match="413"):
        urllib.request.urlopen(request, timeout=30)


def test_pictures_of_others_cannot_be_guessed(server):
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{server.url}/pictures/somebody/fused.png", timeout=30)


# How it looks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1400])
def test_fits_its_window_in_light_and_dark(browser, server, pair, scheme, width):
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme",
                                                                         "value": scheme}]})  # fmt: skip
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": width, "height": 800,
                                                                   "deviceScaleFactor": 1, "mobile": False})
    try:
        visitor = Visitor(browser, server.url)
        drop_pair(visitor, pair)
        visitor.fuse()
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        color = "return getComputedStyle(document.{}).{}.match(/[0-9]+/g).slice(0, 3).map(Number)"
        paper = browser.execute_script(color.format("body", "backgroundColor"))
        ink = browser.execute_script(color.format("querySelector('h1')", "color"))
        assert (sum(ink) < sum(paper)) == (scheme == "light") and abs(sum(ink) - sum(paper)) > 450
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


# The end -------------------------------------------------------------------------------------------------------------


def test_ctrl_c_ends_it_in_a_sentence_and_nothing_is_left(browser, server):
    Visitor(browser, server.url)  # a page that is open
    status, output, errors = server.stop(signal.SIGINT)
    assert (status, output, errors) == (0, "the page has ended\n", "")
    # torch makes an empty folder of its own wherever it is imported.
    assert [path for path in server.temporary.rglob("*") if not path.name.startswith("torchinductor")] == []
