"""A real Chromium for the tests of pages, driven by selenium."""

from __future__ import annotations

import shutil

import pytest

WINDOW = (1400, 1000)  # CSS pixels: a laptop's screen
ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",  # a container's root may not make the sandbox's namespaces
    "--disable-gpu",
    "--disable-dev-shm-usage",  # /dev/shm is 64 MB in many containers: too small for a page of images
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--hide-scrollbars",
    f"--window-size={WINDOW[0]},{WINDOW[1]}",
)


def _find(*names: str) -> str:
    for name in names:
        path = shutil.which(name)
        if path:
            return path
    pytest.skip(f"no {' or '.join(names)} on PATH: pages are tested in a real one (apt install chromium-driver)")


@pytest.fixture(scope="session")
def _browser():
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: pages are not opened")
    from selenium.common.exceptions import WebDriverException
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = _find("chromium", "chromium-browser", "google-chrome")
    for argument in ARGUMENTS:
        options.add_argument(argument)
    # "performance" holds the network's events: which files a page asked for, and which of them failed.
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = Service(executable_path=_find("chromedriver"))
    try:
        driver = webdriver.Chrome(options=options, service=service)
    except WebDriverException as error:
        pytest.fail(f"Chromium is here and does not start: {error.msg}")
    driver.set_page_load_timeout(60)
    yield driver
    driver.quit()


@pytest.fixture
def browser(_browser):
    """A started Chromium (``selenium.webdriver.Chrome``), its page blank, its logs empty; one process serves all tests.

    ``browser.get_log("browser")`` lists the console's messages since then, ``browser.get_log("performance")`` the
    network's events, which ``failed_requests`` reads.
    """
    _browser.set_window_size(*WINDOW)
    _browser.get("about:blank")
    for kind in ("browser", "performance"):
        _browser.get_log(kind)
    return _browser


@pytest.fixture
def failed_requests():
    """A function of the browser that lists what its page asked for and did not get: ``"404 http://..."``.

    Calling it empties the browser's log. A favicon that nobody made is not counted.
    """
    import json

    def read(browser) -> list[str]:
        urls, failed = {}, []
        for entry in browser.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            details = message["params"]
            if message["method"] == "Network.requestWillBeSent":
                urls[details["requestId"]] = details["request"]["url"]
            elif message["method"] == "Network.responseReceived" and details["response"]["status"] >= 400:
                failed.append(f"{details['response']['status']} {details['response']['url']}")
            elif message["method"] == "Network.loadingFailed" and not details.get("canceled"):
                failed.append(f"{details['errorText']} {urls.get(details['requestId'], '?')}")
        return [line for line in failed if not line.endswith("/favicon.ico")]

    return read
