#!/usr/bin/env python3
"""Measure a gallery in a real Chromium: its first row, scrolling, memory, and the size of its files.

    python scripts/bench_gallery.py                     # 100 and 1000 generated scenes of 8 images
    python scripts/bench_gallery.py --scenes 300 --columns 12 --metrics all --keep /tmp/gallery

A line for each number of scenes. "first row" is the time from opening the page until its first pictures are drawn;
"frame" the time between two frames while the page scrolls by 3000 pixels a second: its median, and the one that 1 in
100 exceeds (16.7 ms are 60 frames per second; a browser without a GPU draws more slowly). "heap" is JavaScript's memory
after a garbage collection, at the page's top and when all of it was scrolled through; "process" is what the page's
process holds, decoded pictures and all; "images" is the largest number in the page at once. Needs Chromium, its driver
and selenium.
"""

from __future__ import annotations

import argparse
import math
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import metrics  # noqa: E402
from util.errors import RunError, UserError  # noqa: E402
from util.gallery.gallery_page import Column, write_gallery  # noqa: E402
from util.gallery.thumbnails import make_thumbnail  # noqa: E402
from util.launch import run_script  # noqa: E402
from util.logger import log  # noqa: E402

SIZE = (600, 440)  # pixels
DIFFERENT = 40  # pictures; the others are copies of their files
WINDOW = (1400, 1000)  # CSS pixels
STEP, FRAMES = 50, 400  # pixels a frame, and frames: 3000 pixels a second, a wheel that is turned fast
ARGUMENTS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
    "--no-first-run", "--enable-precise-memory-info", "--js-flags=--expose-gc",
    f"--window-size={WINDOW[0]},{WINDOW[1]}",
)  # fmt: skip

# Notes when the first row's pictures are drawn; runs before the page's own scripts.
WATCH = """
    requestAnimationFrame(function look() {
        const images = [...document.querySelectorAll("#scenes > article:first-of-type img")];
        if (images.length && images.every((image) => image.complete && image.naturalWidth)) {
            requestAnimationFrame(() => { window.firstRow = performance.now(); });
        } else {
            requestAnimationFrame(look);
        }
    });"""
# Scrolls on by some pixels a frame, to the page's end or for some frames.
SCROLL = """
    const [step, frames, done] = arguments;
    const times = [];
    let images = 0, last = performance.now();
    requestAnimationFrame(function next(now) {
        times.push(now - last);
        last = now;
        images = Math.max(images, document.images.length);
        const top = scrollY;
        scrollBy(0, step);
        if (scrollY > top && times.length < frames) requestAnimationFrame(next);
        else done({ times: times.slice(1), images });
    });"""


def main() -> None:
    options = parse()
    folder = Path(options.keep or tempfile.mkdtemp())
    try:
        browser = start_browser()
        try:
            log(
                "scenes  page     largest      first row   frame ms        heap MB         process MB      images\n"
                "        MB       thumbnail    s           median   99 %   top     end     top     end"
            )
            for scenes in options.scenes:
                page = write_sample(folder / str(scenes), scenes, options.columns, options.metrics)
                log(measure(browser, page, scenes))
        finally:
            browser.quit()
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, nargs="+", default=[100, 1000], help="rows (default: 100 1000)")
    parser.add_argument("--columns", type=int, default=8, help="images of a scene (default: %(default)s)")
    parser.add_argument("--metrics", default="fast", help="as test.py's --metrics (default: %(default)s)")
    parser.add_argument("--keep", metavar="FOLDER", help="write the galleries there and leave them")
    return parser.parse_args()


def start_browser():
    try:
        from selenium import webdriver
        from selenium.common.exceptions import WebDriverException
    except ImportError as error:
        raise UserError("selenium is not installed: pip install -r requirements-test.txt") from error
    binaries = {"chromium": ("chromium", "chromium-browser", "google-chrome"), "chromedriver": ("chromedriver",)}
    found = {}
    for program, names in binaries.items():
        found[program] = next(filter(None, map(shutil.which, names)), None)
        if found[program] is None:
            raise UserError(f"no {program} on PATH: pages are measured in a real one (apt install chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = found["chromium"]
    for argument in ARGUMENTS:
        options.add_argument(argument)
    try:
        browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(found["chromedriver"]))
    except WebDriverException as error:
        raise RunError(f"Chromium is here and does not start: {error.msg}") from error
    browser.set_script_timeout(600)
    browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
    return browser


def write_sample(folder: Path, scenes: int, columns: int, spec: str) -> Path:
    """Write a gallery whose pictures compress about as photographs do, with two sources and methods for the rest."""
    noise = np.random.default_rng(0)
    (folder / "images" / "thumbs").mkdir(parents=True, exist_ok=True)
    described = [Column("A", "source A", "source"), Column("B", "source B", "source")]
    described += [Column(f"m{k}", f"method {k}", "fused", f"method {k}") for k in range(1, columns - 1)]
    rows, originals = [], []
    for number in range(scenes):
        name = f"scene {number:05d}"
        files = {column.label: f"images/{name}_{column.label}.png" for column in described}
        rows.append({"name": name, "files": files})
        for file in files.values():
            if len(originals) < DIFFERENT:
                draw_picture(folder / file, noise)
                originals.append((file, make_thumbnail(folder, file)[0]))
                continue
            original, thumbnail = originals[noise.integers(DIFFERENT)]
            shutil.copyfile(folder / original, folder / file)
            shutil.copyfile(folder / thumbnail, folder / "images" / "thumbs" / f"{Path(file).stem}.jpg")
    selected = metrics.select(spec, has_gt=False)
    table = metrics.ScoreTable(selected)
    for method in (column.method for column in described if column.method):
        for row in rows:
            table.add(method, row["name"], {metric.name: float(noise.normal(5, 1)) for metric in selected})
    return write_gallery(
        folder, title=f"{scenes} scenes", kind="evaluation", info={}, protocol="numbers drawn at random", command="",
        options={}, columns=described, scenes=rows, table=table,
    )  # fmt: skip


def draw_picture(path: Path, noise: np.random.Generator) -> None:
    width, height = SIZE
    coarse = cv2.resize(noise.random((20, 24, 3), dtype=np.float32), SIZE, interpolation=cv2.INTER_CUBIC)
    picture = 225 * coarse + noise.normal(0, 6, (height, width, 3)).astype(np.float32)
    cv2.imwrite(str(path), np.clip(picture, 0, 255).astype(np.uint8))


def measure(browser, page: Path, scenes: int) -> str:
    """Return the row of one page."""
    browser.get("about:blank")
    browser.get(page.as_uri())
    deadline = time.monotonic() + 60
    while (first := browser.execute_script("return window.firstRow")) is None:
        if time.monotonic() > deadline:
            raise RunError(f"{page} showed no row within a minute")
        time.sleep(0.05)
    top = read_heap(browser)
    start_process = read_process(browser)
    scrolled = browser.execute_async_script(SCROLL, STEP, FRAMES)
    rushed = browser.execute_async_script(SCROLL, WINDOW[1], math.ceil(1e6))
    end, process = read_heap(browser), read_process(browser)
    times = sorted(scrolled["times"])
    size = page.stat().st_size / 1e6
    largest = max(file.stat().st_size for file in (page.parent / "images" / "thumbs").iterdir()) / 1e3
    return (
        f"{scenes:6d}  {size:5.2f}    {largest:5.1f} KB     {first / 1000:6.2f}      "
        f"{statistics.median(times):6.1f} {times[int(0.99 * len(times))]:6.1f}   {top:5.1f}   {end:5.1f}   "
        f"{start_process:6.0f}  {process:6.0f}   {max(scrolled['images'], rushed['images']):5d}"
    )


def read_heap(browser) -> float:
    """JavaScript's memory in megabytes, rubbish taken out."""
    browser.execute_script("gc(); gc();")
    return browser.execute_script("return performance.memory.usedJSHeapSize") / 1e6


def read_process(browser) -> float:
    """Megabytes that the page's process holds: JavaScript, nodes, and decoded pictures; nan where there is no /proc."""
    parents, sizes = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            pid, parent = int(folder.name), int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if b"--type=renderer" in (folder / "cmdline").read_bytes():
                sizes[pid] = int((folder / "statm").read_text().split()[1]) * 4096 / 1e6
        except OSError:  # it has ended meanwhile
            continue
        parents[pid] = parent
    return max((sizes[pid] for pid in sizes if descends(pid, browser.service.process.pid, parents)), default=math.nan)


def descends(pid: int, ancestor: int, parents: dict[int, int]) -> bool:
    while pid not in (ancestor, 0, None):
        pid = parents.get(pid)
    return pid == ancestor


if __name__ == "__main__":
    run_script(main)
