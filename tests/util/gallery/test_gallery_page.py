"""The gallery, opened from disk in a real browser: what it shows, and in which order."""

from __future__ import annotations

import base64
import json
import math

import pytest
from gallery_samples import HOSTILE, PROTOCOL, draw_scenes, make_columns, make_scores, write_page, write_sample
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from metrics import ScoreTable, select
from util.gallery.parts import link_to_scene

MANY = 300


def find(browser, selector):
    return browser.find_element(By.CSS_SELECTOR, selector)


def find_all(browser, selector):
    return browser.find_elements(By.CSS_SELECTOR, selector)


def names_shown(browser) -> list[str]:
    read = "return [...document.querySelectorAll('#scenes > .scene')].map((row) => row.dataset.scene)"
    return browser.execute_script(read)


def choose(browser, key, value) -> None:
    Select(browser.find_element(By.ID, key)).select_by_value(value)


def press_all(browser, key) -> None:
    find(browser, "body").send_keys(key)


def image_widths(browser) -> list[int]:
    """The widths in pixels of all images that are in the page, 0 where one did not load."""
    return browser.execute_async_script("""
        const done = arguments[0], images = [...document.images];
        images.forEach((image) => { image.loading = "eager"; });
        Promise.all(images.map((image) => image.decode().catch(() => null)))
            .then(() => done(images.map((image) => image.naturalWidth)));""")


def test_hostile_names_are_text_and_their_links_lead_to_the_pictures(tmp_path, browser, failed_requests):
    folder = tmp_path / "results [1] #x" / "test_latest"
    page = write_sample(folder, HOSTILE, title="<b>run</b> & 'co'", command="x '</script>' \"<img src=x>\"",
                        info={"<i>": "</script><script>document.title='broken'</script>"})
    browser.get(page.as_uri())
    browser.execute_script("dispatchEvent(new Event('beforeprint'))")  # all rows at once
    assert image_widths(browser) == [60] * (4 * len(HOSTILE))
    assert names_shown(browser) == HOSTILE
    read = "return [...document.querySelectorAll('.scene h2')].map((head) => head.firstChild.data)"
    heads = browser.execute_script(read)
    assert heads == HOSTILE
    assert find(browser, "h1").text == "<b>run</b> & 'co'"
    assert find(browser, "#command code").text == "x '</script>' \"<img src=x>\""
    assert "broken" not in browser.title
    # The full-size pictures that the links name are there.
    links = browser.execute_script("return [...document.querySelectorAll('a.picture')].map((link) => link.href)")
    assert len(links) == 4 * len(HOSTILE)
    widths = browser.execute_async_script("""
        const [links, done] = arguments;
        Promise.all(links.map((link) => new Promise((told) => {
            const image = new Image();
            image.onload = () => told(image.naturalWidth); image.onerror = () => told(0); image.src = link;
        }))).then(done);""", links)
    assert widths == [60] * len(links)
    # All that the page loads lies in its own folder.
    loaded = browser.execute_script("return [...document.querySelectorAll('script,link,img,a')]"
                                    ".map((node) => node.src || node.href).filter(Boolean)")
    assert all(url.startswith((folder.as_uri(), "data:,")) for url in loaded)
    assert browser.get_log("browser") == []
    assert failed_requests(browser) == []


@pytest.mark.parametrize("name", HOSTILE)
def test_a_link_leads_to_a_scene_of_any_name(tmp_path, browser, name):
    page = write_sample(tmp_path, HOSTILE)
    browser.get(f"{page.parent.as_uri()}/{link_to_scene(page.name, name)}")
    assert find(browser, ".scene.marked").get_attribute("data-scene") == name
    top = browser.execute_script("return document.querySelector('.marked').getBoundingClientRect().top")
    assert 0 <= top < 900, "it is in the window"
    anchor = find(browser, ".scene.marked .anchor").get_attribute("href")
    browser.get("about:blank")
    browser.get(anchor)
    assert find(browser, ".scene.marked").get_attribute("data-scene") == name


def test_header_summary_and_companions(tmp_path, browser):
    page = write_sample(tmp_path, ["one", "two", "three"], ["average", "ours", "worse"])
    browser.get(page.as_uri())
    facts = find(browser, ".facts").text
    assert "scenes\n3" in facts and "checkpoint\nlatest" in facts
    assert find(browser, "#command code").text == "python evaluate.py --dataroot 'my data'"
    assert PROTOCOL in find(browser, ".scores").text
    find(browser, ".options summary").click()
    assert "jobs\n2" in find(browser, ".options dl").text
    link = browser.find_element(By.LINK_TEXT, "metrics.csv")
    assert link.get_attribute("download") == "metrics.csv"
    heads = [head.text for head in find_all(browser, "#summary thead th")]
    assert heads == ["method", "n", "EN ↑", "SD ↑", "PSNR_GT ↑"]
    cells = {row.get_attribute("data-method"): row for row in find_all(browser, "#summary tbody tr")}
    read = "return [...arguments[0].cells].map((cell) => cell.textContent)"
    assert browser.execute_script(read, cells["ours"])[:3] == ["ours", "3", "2.000 second± 1.000"]
    assert browser.execute_script(read, cells["worse"])[2] == "3.000 best± 1.000"
    find(browser, ".definitions summary").click()
    assert select("EN", False)[0].formula in find(browser, ".definitions table").text


def test_sorting_by_metric_and_name_and_the_best_and_worst(tmp_path, browser):
    names = ["b-2", "b-10", "a-1", "c-3"]
    columns, table = make_columns(["ours"]), make_scores(names, ["ours"])
    table.rows[2][2]["EN"] = math.nan
    del table.rows[3][2]["PSNR_GT"]
    browser.get(write_page(tmp_path, draw_scenes(tmp_path, names, columns), columns, table).as_uri())
    status = browser.find_element(By.ID, "status")
    assert names_shown(browser) == names and status.text == "4 scenes"

    choose(browser, "sort", "EN")
    assert names_shown(browser) == ["c-3", "b-10", "b-2", "a-1"], "nan comes last"
    assert status.text == "4 scenes, EN ↑: best first"
    choose(browser, "order", "1")
    assert names_shown(browser) == ["b-2", "b-10", "c-3", "a-1"], "and last again"
    choose(browser, "sort", "PSNR_GT")
    assert names_shown(browser) == ["b-2", "a-1", "b-10", "c-3"], "infinite first, without a value last"
    choose(browser, "sort", "name")
    assert names_shown(browser) == ["a-1", "b-2", "b-10", "c-3"], "2 comes before 10"
    choose(browser, "sort", "")
    assert names_shown(browser) == names

    head = find(browser, "th[data-metric=EN]")
    sorts = []
    for _ in range(3):
        head.find_element(By.TAG_NAME, "button").click()
        sorts.append((head.get_attribute("aria-sort"), names_shown(browser)[0]))
    assert sorts == [("descending", "c-3"), ("ascending", "b-2"), (None, "b-2")]

    box = browser.find_element(By.ID, "filter")
    box.send_keys("B-")
    assert names_shown(browser) == ["b-2", "b-10"] and status.text == "2 of 4 scenes"
    box.send_keys("zzz")
    assert names_shown(browser) == []
    assert find(browser, ".nothing").text == "No name contains this."


def test_best_and_worst_of_a_method(tmp_path, browser):
    names = [f"{number:02d}" for number in range(12)]
    columns, table = make_columns(["one", "two"]), make_scores(names, ["one"])
    for number, name in enumerate(names):
        table.add("two", name, {"EN": -float(number), "SD": 1.0, "PSNR_GT": 30.0})
    browser.get(write_page(tmp_path, draw_scenes(tmp_path, names, columns), columns, table).as_uri())
    choose(browser, "sort", "EN")
    choose(browser, "count", "5")
    assert names_shown(browser) == ["11", "10", "09", "08", "07"]
    choose(browser, "order", "1")
    assert names_shown(browser) == ["00", "01", "02", "03", "04"]
    assert [option.text for option in Select(browser.find_element(By.ID, "count")).options][:2] == ["all", "worst 5"]
    Select(find(browser, "[aria-label='method to sort by']")).select_by_visible_text("of two")
    assert names_shown(browser) == ["11", "10", "09", "08", "07"]
    assert browser.find_element(By.ID, "status").text == "5 of 12 scenes, EN ↑ of two: worst first, the first 5"
    order = [row.get_attribute("data-method") for row in find_all(browser, "#summary tbody tr")]
    assert order == ["two", "one"], "the methods are sorted too"
    # A link to a scene that is not shown brings it back.
    browser.get(browser.current_url.split("#")[0] + "#scene=00")
    WebDriverWait(browser, 5).until(lambda _: find_all(browser, ".marked"))
    assert len(names_shown(browser)) == 12


def test_scores_under_the_pictures(tmp_path, browser):
    names = ["one", "two"]
    columns, table = make_columns(["ours", "theirs"]), make_scores(names, ["ours", "theirs"])
    scores = table.rows[1][2]
    scores.update(EN=7.447898975957546, SD=math.nan)
    del scores["PSNR_GT"]
    browser.get(write_page(tmp_path, draw_scenes(tmp_path, names, columns), columns, table).as_uri())

    def read_chips(scene):
        return browser.execute_script("""
            return [...document.querySelectorAll(`.scene[data-scene=${arguments[0]}] figure`)].map((figure) =>
                [...figure.querySelectorAll(".chips div")].map((chip) =>
                    [...chip.children].map((part) => part.textContent).join(" ")));""", scene)

    assert read_chips("one") == [[], [], [], ["EN 0.0000", "SD 10.00 best", "PSNR_GT ∞ best"],
                                 ["EN 1.000 best", "SD 10.00 best", "PSNR_GT ∞ best"]]
    assert read_chips("two")[3:] == [["EN 7.448 best", "SD n/a", "PSNR_GT n/a"],
                                     ["EN 2.000", "SD 9.000", "PSNR_GT 30.00"]]
    assert find_all(browser, ".chosen") == []
    choose(browser, "sort", "SD")
    assert [chip.text.split("\n")[0] for chip in find_all(browser, ".chosen")] == ["SD"] * 4


def test_many_metrics_show_the_leading_ones(tmp_path, browser):
    selected = select("fast", False)
    columns, table = make_columns(["ours"], gt=False), ScoreTable(selected)
    table.add("ours", "one", {metric.name: 0.5 for metric in selected})
    browser.get(write_page(tmp_path, draw_scenes(tmp_path, ["one"], columns), columns, table).as_uri())
    assert len(find_all(browser, ".chips div")) == 6
    choose(browser, "chips", "all")
    assert len(find_all(browser, ".chips div")) == len(selected)
    choose(browser, "chips", "none")
    assert find_all(browser, ".chips div") == []


def test_columns_can_be_hidden(tmp_path, browser):
    browser.get(write_sample(tmp_path, ["one"], ["ours", "theirs"]).as_uri())
    toggle = find(browser, "[data-toggle=theirs]")
    toggle.click()
    assert toggle.get_attribute("aria-pressed") == "false"
    titles = [caption.text for caption in find_all(browser, "figcaption")]
    assert titles == ["source A", "source B", "ground truth", "ours"]
    toggle.click()
    assert len(find_all(browser, "figcaption")) == 5


@pytest.mark.parametrize("width", [390, 1400])
def test_one_scene_no_scene_and_no_metrics(tmp_path, browser, width):
    browser.set_window_size(max(500, width), 900)
    columns = make_columns(["ours"], gt=False)
    scenes = draw_scenes(tmp_path / "bare", ["one"], columns)
    table = ScoreTable([])
    table.add("ours", "one", {})
    browser.get(write_page(tmp_path / "bare", scenes, columns, table, links={}, options={}, command="").as_uri())
    assert image_widths(browser) == [60] * 3
    assert not find_all(browser, "summary") and not find_all(browser, "table")
    browser.get(write_page(tmp_path / "empty", [], columns, ScoreTable(select("EN", False))).as_uri())
    assert find(browser, ".nothing").text == "There are no scenes."
    assert json.loads((tmp_path / "empty" / "run.json").read_text())["headline"] == []
    assert browser.get_log("browser") == []


def test_missing_pictures_are_named_and_the_page_is_written(tmp_path, browser):
    columns, table = make_columns(["ours"]), make_scores(["one", "two"], ["ours"])
    scenes = draw_scenes(tmp_path, ["one", "two"], columns)
    (tmp_path / scenes[0]["files"]["B"]).unlink()
    (tmp_path / scenes[1]["files"]["ours"]).write_bytes(b"not an image")
    del scenes[1]["files"]["GT"]
    browser.get(write_page(tmp_path, scenes, columns, table).as_uri())
    missing = [note.text.replace("\n", " ") for note in find_all(browser, ".missing")]
    assert missing == ["missing or unreadable: images/one_B.png", "none", "missing or unreadable: images/two_ours.png"]
    assert image_widths(browser) == [60] * 5
    choose(browser, "compare", "slider")
    assert len(find_all(browser, ".comparison")) == 1, "the scene without one of the two says so"


def test_only_rows_near_the_window_have_pictures(tmp_path, browser):
    names = [f"scene {number}" for number in range(MANY)]
    columns, table = make_columns(["ours"]), make_scores(names, ["ours"])
    scenes = draw_scenes(tmp_path, names[:3], columns)
    scenes = [{"name": name, "files": scenes[number % 3]["files"]} for number, name in enumerate(names)]
    browser.get(write_page(tmp_path, scenes, columns, table).as_uri())
    assert len(names_shown(browser)) == MANY
    counts = []
    for part in range(11):
        browser.execute_script("scrollTo(0, document.documentElement.scrollHeight * arguments[0])", 0.02 + part / 10)
        WebDriverWait(browser, 5).until(lambda _: browser.execute_script("""
            const row = document.elementFromPoint(400, innerHeight / 2)?.closest(".scene");
            return row && row.querySelector("img") !== null;"""))
        counts.append(len(find_all(browser, "#scenes img")))
    assert max(counts) < 120, counts
    assert find(browser, ".scene:last-of-type img").is_displayed()
    # The scroll bar does not jump: estimated and measured heights agree.
    heights = browser.execute_script("return [...document.querySelectorAll('.scene')].map((row) => row.offsetHeight)")
    assert max(heights) - min(heights) <= 2


def test_print_renders_all_rows_up_to_a_limit(tmp_path, browser):
    names = [f"scene {number}" for number in range(MANY)]
    columns, table = make_columns(["ours"]), make_scores(names, ["ours"])
    scenes = draw_scenes(tmp_path, names[:1], columns)
    scenes = [{"name": name, "files": scenes[0]["files"]} for name in names]
    browser.get(write_page(tmp_path, scenes, columns, table).as_uri())
    pages = count_pages(browser)
    assert pages > 20
    browser.find_element(By.ID, "filter").send_keys("scene 29")
    assert count_pages(browser) < pages / 5, "what the filter hides is not printed"
    browser.find_element(By.ID, "filter").clear()
    browser.execute_script("document.getElementById('filter').dispatchEvent(new Event('input'))")
    browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert len(find_all(browser, ".figures")) == 200
    assert find(browser, ".note:not([hidden])").text == "The first 200 of 300 scenes are printed."
    browser.execute_script("dispatchEvent(new Event('afterprint'))")
    WebDriverWait(browser, 5).until(lambda _: len(find_all(browser, ".figures")) < 40)
    assert find_all(browser, ".note:not([hidden])") == []


def count_pages(browser) -> int:
    return base64.b64decode(browser.print_page()).count(b"/Type /Page\n")


def test_a_phone_shows_all_of_it(tmp_path, browser):
    page = write_sample(tmp_path, [HOSTILE[-2], "two"], ["ours", "a method with a long name"],
                        command="python evaluate.py " + "x" * 200)
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                            {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True})
    try:
        browser.get(page.as_uri())
        choose(browser, "compare", "slider")
        assert browser.execute_script("return document.documentElement.scrollWidth") == 390, "nothing hangs over"
        tops = [figure.location["y"] for figure in find_all(browser, "figure")[:4]]
        assert tops[0] == tops[1] < tops[2] == tops[3], "two images beside each other"
        browser.get(f"{page.as_uri()}?#scene=two&view=all")
        assert browser.execute_script("return document.querySelector('.viewer').scrollWidth") == 390
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_both_schemes(tmp_path, browser, scheme):
    page = write_sample(tmp_path, ["one", "two"], ["ours", "theirs"])
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    try:
        browser.get(page.as_uri())
        choose(browser, "sort", "EN")
        ratios = browser.execute_script("""
            const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
            function light(colour) {
                canvas.fillStyle = colour;
                canvas.fillRect(0, 0, 1, 1);
                const linear = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3)
                    .map((value) => value / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
                return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
            }
            function ground(element) {
                for (let at = element; at; at = at.parentElement) {
                    const colour = getComputedStyle(at).backgroundColor;
                    if (!colour.endsWith(", 0)")) return colour;
                }
            }
            const texts = "dt, dd, figcaption, h1, h2, th, td, small, select, button, p, a, output";
            return [...document.querySelectorAll(texts)]
                .filter((element) => element.textContent.trim() && element.checkVisibility())
                .map((element) => {
                    const [one, other] = [light(getComputedStyle(element).color), light(ground(element))];
                    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
                    return [ratio, element.tagName, element.textContent];
                }).filter(([ratio]) => ratio < 4.5);""")
        assert ratios == []
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_every_control_has_a_name_and_the_keyboard_gets_everywhere(tmp_path, browser):
    browser.get(write_sample(tmp_path, ["one", "two"], ["ours", "theirs"]).as_uri())
    choose(browser, "compare", "slider")
    unnamed = browser.execute_script("""
        return [...document.querySelectorAll("button, select, input, a, img, dialog, article")].filter((element) =>
            !(element.getAttribute("aria-label") || element.title || element.alt || element.textContent.trim()
              || element.querySelector("img[alt]")
              || element.closest("label"))).map((element) => element.outerHTML);""")
    assert unnamed == []
    press_all(browser, "/")
    assert browser.switch_to.active_element.get_attribute("id") == "filter"
    browser.execute_script("document.activeElement.blur()")
    press_all(browser, "j")
    assert browser.switch_to.active_element.get_attribute("data-scene") == "two"
    press_all(browser, "?")
    assert find(browser, "dialog.help").is_displayed()


def test_without_scripts_the_pictures_are_there(tmp_path, browser):
    page = write_sample(tmp_path, ["one", "<b>two"])
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(page.as_uri())
        assert [head.text for head in find_all(browser, "noscript h2")] == ["one", "<b>two"]
        assert len(find_all(browser, "noscript img")) == 8
        assert find(browser, "#summary").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_the_page_grows_linearly(tmp_path):
    def measure(count):
        names = [f"scene {number:05d}" for number in range(count)]
        columns, table = make_columns(["ours"]), make_scores(names, ["ours"])
        scenes = [{"name": name, "files": {}} for name in names]
        return write_page(tmp_path / str(count), scenes, columns, table).stat().st_size

    few, more, most = measure(100), measure(200), measure(400)
    assert most - more == pytest.approx(2 * (more - few), rel=0.02)
