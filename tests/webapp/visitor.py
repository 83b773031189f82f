"""A visitor of the page: what a person does there with a mouse, by a real Chromium."""

from __future__ import annotations

import urllib.request
from pathlib import Path

from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from watching import wait_until

RUN = "small"  # the trained run that the page offers


class Visitor:
    """Opens the page in ``browser`` and works on it."""

    def __init__(self, browser, url: str):
        self.browser = browser
        browser.get(url)
        wait_until(lambda: self.find(".fuse"), "the page is there")

    def find(self, selector: str) -> list:
        """Return the elements of a selector that can be seen, or file inputs."""
        found = self.browser.find_elements(By.CSS_SELECTOR, selector)
        return [element for element in found if "input[type=file]" in selector or element.is_displayed()]

    def one(self, selector: str):
        wait_until(lambda: self.find(selector), f"{selector} is seen")
        return self.find(selector)[0]

    def drop(self, side: str, file: Path) -> None:
        """Hand over a file, and wait for its picture or for a sentence."""
        before = self._answer(side)
        self.browser.find_element(By.CSS_SELECTOR, f".upload-{side} input[type=file]").send_keys(str(file))
        wait_until(lambda: self._answer(side) != before, f"{file.name} is answered")

    def _answer(self, side: str) -> tuple:
        image = self.browser.find_element(By.CSS_SELECTOR, f".zone-{side} img")
        return (image.is_displayed(), image.get_attribute("src"), self.message())

    def choose(self, field: str, words: str) -> None:
        """Choose the first entry of a list that holds ``words``."""
        self.one(field).click()

        def click_entry() -> bool:
            try:
                entries = [entry for entry in self.find(".q-menu .q-item") if words in entry.text]
                return bool(entries) and entries[0].click() is None
            except WebDriverException:  # the list is still unfolding
                return False

        wait_until(click_entry, f"{words} is chosen")
        wait_until(lambda: not self.browser.find_elements(By.CSS_SELECTOR, ".q-menu"), "the list is closed")

    def fuse(self) -> str:
        """Press the button; return the sentence that came, or "" where a result came."""
        before = self.find("a.download")[0].get_attribute("href") if self.find("a.download") else None
        self.one(".fuse").click()

        def has_answer() -> bool:
            try:
                link = self.find("a.download")
                return bool(self.message()) or bool(link and link[0].get_attribute("href") != before)
            except WebDriverException:
                return False

        wait_until(has_answer, "the pair is fused or refused")
        return self.message()

    def message(self) -> str:
        found = self.find(".message")
        return found[0].text if found else ""

    def scores(self) -> dict[str, float]:
        """Return the scores in full precision, as the tiles carry them."""
        tiles = self.find(".score")
        return {tile.get_attribute("data-metric"): float(tile.get_attribute("data-value")) for tile in tiles}

    def fused_file(self) -> bytes:
        """Return the bytes that the download gives."""
        return self.read(self.one("a.download").get_attribute("href"))

    @staticmethod
    def read(url: str) -> bytes:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.read()
