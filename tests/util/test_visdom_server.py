"""scripts/visdom_server.sh: its assets, where it listens, its page in a real Chromium; and the replay of a run."""

from __future__ import annotations

import dataclasses
import functools
import http.server
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from watching import make_image, make_options, make_record, make_scores, read_windows, wait_until

from util import visdom_assets
from util.errors import UserError
from util.mirrors.visdom_windows import label_grid
from util.visdom_assets import ASSETS, AssetsUnavailable, fetch_from_cdn, fetch_from_npm
from util.visualizer import Visualizer

START_TIME = 90  # seconds for a server's start


@pytest.fixture(scope="module")
def visdom_folder() -> Path:
    visdom = pytest.importorskip("visdom", reason="visdom is not installed")
    return Path(visdom.__file__).parent


@pytest.fixture(scope="session")
def assets(tmp_path_factory) -> Path:
    """A folder with all assets of the page, from npm or the CDNs, whichever answers."""
    folder = tmp_path_factory.mktemp("assets")
    reasons = []
    for fetch in (fetch_from_npm, fetch_from_cdn):
        try:
            contents = fetch(ASSETS)
        except AssetsUnavailable as reason:
            reasons.append(str(reason))
            continue
        for path, content in contents.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        return folder
    pytest.skip(f"the scripts of Visdom's page cannot be had here: {'; '.join(reasons)}")


class ServerProcess:
    """A started ``scripts/visdom_server.sh``."""

    def __init__(self, repository: Path, folder: Path, assets: Path, *arguments: str):
        # The script's own search for a Python is part of what is tested.
        environment = {**os.environ, "FUSELAB_VENV": sys.prefix, "XDG_CACHE_HOME": str(folder / "cache")}
        self.env_path = folder / "env"
        command = ["bash", str(repository / "scripts" / "visdom_server.sh"), "--port", "0", "--assets", str(assets),
                   "--env_path", str(self.env_path), *arguments]
        self.process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True)
        self.lines: list[str] = []
        give_up = threading.Timer(START_TIME, self.process.kill)
        give_up.start()
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if "ssh -N -L" in line:
                break
        give_up.cancel()
        text = "\n".join(self.lines)
        found = re.search(r"Visdom is at (http://\S+:(\d+))", text)
        assert found, text
        self.address, self.port = found[1], int(found[2])

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        self.lines += self.process.stdout.read().splitlines()
        return self.process.wait(START_TIME)


@pytest.fixture(scope="module")
def server(repository, assets, visdom_folder, tmp_path_factory):
    process = ServerProcess(repository, tmp_path_factory.mktemp("server"), assets)
    yield process
    if process.process.poll() is None:
        process.stop()


def is_reachable(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=5):
            return True
    except OSError:
        return False


def run_server_script(repository: Path, *arguments: str, cache: Path) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, str(repository / "scripts" / "visdom_server.py"), *arguments], text=True,
                          capture_output=True, env={**os.environ, "XDG_CACHE_HOME": str(cache)}, timeout=START_TIME)


# The list of assets, against the installed visdom


def test_assets_are_those_that_visdom_downloads(visdom_folder):
    source = (visdom_folder / "server" / "build.py").read_text()
    ours = {asset.path for asset in ASSETS}
    names = {Path(path).name for path in ours}
    listed = re.findall(r':\s*"([\w.-]+(?:\.js|\.css|\.map|\.eot|\.woff2?|\.ttf))"', source)
    assert len(listed) > 15 and set(listed) <= names, set(listed) - names
    mathjax = re.findall(r'"([\w/-]+\.js)\?', source)
    assert len(mathjax) == 8 and {f"js/mathjax/2.7.5/{path}" for path in mathjax} <= ours
    packages = {asset.package for asset in ASSETS}
    versions = set(re.findall(r"%s([a-z-]+@[\d.]+)/", source)) | {"bootstrap@3.3.7"}
    assert len(versions) >= 10 and versions <= packages, versions - packages


def test_what_the_page_loads_is_required_or_shipped(visdom_folder):
    page = (visdom_folder / "static" / "index.html").read_text()
    loaded = re.findall(r"""static_url\(['"]([^'"]+)['"]\)""", page)
    required = {asset.path for asset in ASSETS if asset.required}
    assert len(loaded) > 15
    for path in loaded:
        assert path in required or (visdom_folder / "static" / path).is_file() or path == "../user/style.css", path


# Sources of assets


def test_every_asset_is_what_its_name_says(assets):
    for asset in ASSETS:
        content = (assets / asset.path).read_bytes()
        assert len(content) > 100, asset.path
        if asset.path.endswith((".js", ".css")):
            assert not content.lstrip().startswith(b"<"), asset.path
    assert b"plotly.js v2.11.1" in (assets / "js" / "plotly-plotly.min.js").read_bytes()[:500]
    assert b"jQuery v3.1.1" in (assets / "js" / "jquery.min.js").read_bytes()[:500]


def test_a_filled_cache_is_asked_for_nothing(assets, monkeypatch):
    for source in ("fetch_from_cdn", "fetch_from_npm"):
        monkeypatch.setattr(visdom_assets, source, lambda wanted: pytest.fail("fetched what is there"))
    assert visdom_assets.provide("auto", assets) == []


def test_a_folder_fills_a_cache_and_is_made_from_one(assets, tmp_path):
    visdom_assets.save(assets, tmp_path / "carried")
    assert visdom_assets.provide(str(tmp_path / "carried"), tmp_path / "cache") == []
    for asset in ASSETS:
        assert (tmp_path / "cache" / asset.path).read_bytes() == (assets / asset.path).read_bytes()


def test_icons_may_be_missing_and_scripts_may_not(assets, tmp_path):
    folder = tmp_path / "carried"
    visdom_assets.save(assets, folder)
    for path in folder.glob("fonts/*"):
        path.unlink()
    lacking = visdom_assets.provide(str(folder), tmp_path / "cache")
    assert lacking and all(asset.path.startswith("fonts/") for asset in lacking)
    (folder / "js" / "jquery.min.js").write_bytes(b"")
    with pytest.raises(UserError, match=r"lacks js/jquery\.min\.js .*--save_assets FOLDER.*--assets FOLDER"):
        visdom_assets.provide(str(folder), tmp_path / "other_cache")


def test_sources_that_cannot_give_are_named_with_their_reasons(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))  # no npm
    dead = tuple(dataclasses.replace(asset, url="http://127.0.0.1:9/" + asset.path) for asset in ASSETS)
    monkeypatch.setattr(visdom_assets, "ASSETS", dead)
    with pytest.raises(UserError, match=r"http://127\.0\.0\.1:9/\S+ did not answer.*npm is not on PATH"):
        visdom_assets.provide("auto", tmp_path / "cache")
    with pytest.raises(UserError, match="neither a folder nor one of auto, cdn, npm"):
        visdom_assets.provide("nmp", tmp_path / "cache")


def test_a_failing_npm_is_told_with_its_own_words(tmp_path, monkeypatch):
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'npm error code E404' >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(AssetsUnavailable, match="npm pack .* failed: npm error code E404"):
        fetch_from_npm(ASSETS)


def test_cdn_files_are_fetched_and_a_login_page_is_not_taken_for_a_script(tmp_path):
    (tmp_path / "good.js").write_text("var a = 1;")
    (tmp_path / "login.js").write_text("<!DOCTYPE html><title>hotel network</title>")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    cdn = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(tmp_path)))
    threading.Thread(target=cdn.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{cdn.server_port}/"
    good = dataclasses.replace(ASSETS[0], url=url + "good.js")
    icon = dataclasses.replace(ASSETS[0], path="absent", url=url + "absent", required=False)
    assert fetch_from_cdn([good, icon]) == {good.path: b"var a = 1;"}
    with pytest.raises(AssetsUnavailable, match=r"login\.js answered with a page"):
        fetch_from_cdn([dataclasses.replace(good, url=url + "login.js")])
    with pytest.raises(AssetsUnavailable, match=r"absent\.js did not answer: File not found"):
        fetch_from_cdn([dataclasses.replace(good, url=url + "absent.js")])
    cdn.shutdown()
    cdn.server_close()


# The server


def test_start_tells_where_the_page_is_and_how_to_reach_it(server):
    assert server.address == f"http://localhost:{server.port}"
    tunnel = server.lines[-1]
    assert re.search(rf"ssh -N -L {server.port}:localhost:{server.port} \S+@\S+", tunnel)


def test_it_listens_on_this_machine_alone(server):
    # 127.0.0.2 is this machine too, and a server on all interfaces answers there.
    assert is_reachable("127.0.0.1", server.port) and not is_reachable("127.0.0.2", server.port)


def test_bind_opens_it_where_it_is_told_to_and_ctrl_c_ends_it(repository, assets, visdom_folder, tmp_path):
    process = ServerProcess(repository, tmp_path, assets, "--bind", "0.0.0.0")
    assert is_reachable("127.0.0.2", process.port)
    folder = tmp_path / "run"
    visualizer = Visualizer(make_options(display_id=1, display_port=process.port, display_env="kept"), folder,
                            resume_step=None)
    visualizer.log_losses(make_record(1))
    visualizer._mirrors[0].close(30)
    assert process.stop() == 0
    assert "Visdom has ended" in process.lines[-1]
    kept = json.loads((process.env_path / "kept.json").read_text())
    assert sorted(kept["jsons"]) == ["run_1_losses", "run_1_lr"]


def test_a_taken_port_is_one_sentence(repository, server, assets, tmp_path):
    done = run_server_script(repository, "--port", str(server.port), "--assets", str(assets), "--env_path",
                             str(tmp_path / "env"), cache=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and f"cannot listen on 127.0.0.1 port {server.port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_check_ends_with_a_verdict(repository, assets, visdom_folder, tmp_path):
    arguments = ("--port", "0", "--env_path", str(tmp_path / "env"), "--assets", str(assets), "--check")
    done = run_server_script(repository, *arguments, cache=tmp_path)
    assert done.returncode == 0 and "answers with all that its page loads" in done.stdout, done.stderr
    assert done.stderr == ""
    # What the installed visdom wants and our list lacks is found by the check, too.
    script = ("import sys\nfrom util import visdom_assets\n"
              "visdom_assets.ASSETS = tuple(a for a in visdom_assets.ASSETS if 'jquery' not in a.path)\n"
              "from scripts.visdom_server import main\nfrom util.launch import run_script\nrun_script(main)\n")
    (tmp_path / "fuselab" / "visdom" / "static" / "js" / "jquery.min.js").unlink()
    done = subprocess.run([sys.executable, "-c", script, *arguments], cwd=repository, text=True, capture_output=True,
                          env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)}, timeout=START_TIME)
    assert done.returncode == 2 and "404 for /static/js/jquery.min.js" in done.stderr, done.stderr


# The page

LOOK = """
const all = (selector, read) => Array.from(document.querySelectorAll(selector)).map(read);
const picture = document.querySelector(".window img");
const losses = all(".js-plotly-plot", plot => plot).find(plot => plot.querySelector(".legendtext"));
return {
  titles: all(".window .bar div.pull-right", bar => bar.textContent).sort(),
  legend: all(".legendtext", entry => entry.textContent),
  scores: all(".annotation-text", note => note.textContent),
  picture: picture && picture.complete ? picture.naturalWidth : 0,
  points: losses ? losses.data.map(trace => [trace.name, trace.x.length]) : [],
};
"""


def test_the_page_shows_a_run_in_chromium(server, browser, failed_requests, tmp_path):
    from selenium.common.exceptions import TimeoutException
    from selenium.webdriver.support.ui import WebDriverWait

    options = make_options(name="PMF_R2GAN", display_id=1, display_port=server.port, display_env="watched")
    visualizer = Visualizer(options, tmp_path, resume_step=None)
    for step in range(1, 21):
        visualizer.log_losses(make_record(step))
    visualizer.log_scores(make_scores(20))
    wait_until(lambda: "PMF_R2GAN_1_losses" in read_windows(server.port, "watched"), "the server has the losses")
    images = {"A": make_image(1), "fused": make_image(2)}
    visualizer.show_images(images, epoch=2, total_iters=80, step=20, save=False)
    browser.get(f"{server.address}/env/watched")

    def wait_for(expected: dict) -> None:
        """Look until the page shows what is expected: it draws in steps and replaces elements."""
        seen = []

        def is_shown(_):
            seen.append(browser.execute_script(LOOK))
            return {key: seen[-1][key] for key in expected} == expected

        try:
            WebDriverWait(browser, 90).until(is_shown)
        except TimeoutException:
            assert {key: seen[-1][key] for key in expected} == expected

    wait_for({"titles": ["PMF_R2GAN: images (epoch 2, 80 images)", "PMF_R2GAN: learning rate",
                         "PMF_R2GAN: losses (epoch 2, 80 images)", "PMF_R2GAN: validation"],
              "legend": ["G", "D"], "scores": ["SSIM  0.95"], "points": [["G", 20], ["D", 20]],
              "picture": label_grid(images, 4, 256).shape[1]})
    visualizer.log_losses(make_record(21))  # updated in place, without the page being loaded again
    wait_for({"titles": ["PMF_R2GAN: images (epoch 2, 80 images)", "PMF_R2GAN: learning rate",
                         "PMF_R2GAN: losses (epoch 3, 84 images)", "PMF_R2GAN: validation"],
              "points": [["G", 21], ["D", 21]]})
    visualizer.close()

    # Nothing is asked of any other machine: what an air-gapped network would not answer is not needed.
    asked = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert len(asked) > 15
    assert [url for url in asked if not url.startswith((server.address, "data:", "blob:"))] == []
    assert failed_requests(browser) == []
    errors = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert [error for error in errors if "favicon" not in error] == []


# The replay


@pytest.fixture
def run(tmp_path) -> Path:
    """A finished run that nobody watched."""
    visualizer = Visualizer(make_options(), tmp_path / "checkpoints" / "old", resume_step=None)
    for step in range(1, 26):
        visualizer.log_losses(make_record(step))
    visualizer.log_scores(make_scores(20))
    for epoch in (1, 2):
        images = {"B": make_image(epoch), "A": make_image(9)}
        visualizer.show_images(images, epoch=epoch, total_iters=40, step=10, save=True)
    visualizer.close()
    return tmp_path / "checkpoints" / "old"


def replay(repository: Path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, str(repository / "scripts" / "replay_visdom.py"), *arguments], text=True,
                          capture_output=True, timeout=START_TIME, cwd="/")


def test_replay_draws_what_the_training_would_have_drawn(repository, server, run, tmp_path):
    environment = "replayed"
    done = replay(repository, "old", "--checkpoints_dir", str(run.parent), "--display_port", str(server.port),
                  "--display_env", environment)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert "25 records of losses, 1 of scores, 2 images" in done.stdout
    replayed = json.loads((server.env_path / f"{environment}.json").read_text())["jsons"]
    options = make_options(name="old", display_id=1, display_port=server.port, display_env="live")
    live = Visualizer(options, tmp_path / "live", resume_step=None)
    for step in range(1, 26):
        live.log_losses(make_record(step))
    live.log_scores(make_scores(20))
    live.show_images({"B": make_image(2), "A": make_image(9)}, epoch=2, total_iters=40, step=10, save=False)
    live._mirrors[0].close(30)
    drawn = json.loads((server.env_path / "live.json").read_text())["jsons"]
    assert sorted(replayed) == sorted(drawn) == ["old_1_images", "old_1_losses", "old_1_lr", "old_1_scores"]
    for window in replayed:
        assert replayed[window]["content"] == drawn[window]["content"]


@pytest.mark.parametrize(("arguments", "sentence"), [
    (["ould"], "no run 'ould' with a loss_log.jsonl is in .*the nearest is 'old'"),
    (["old", "--display_port", "9"], r"no Visdom server answers at http://localhost:9 .*visdom_server\.sh"),
    (["old", "--display_id", "0"], "it must be at least 1"),
    (["old", "--display_server", "ftp://x"], "not an address of a Visdom server"),
])
def test_replay_refuses_in_a_sentence(repository, run, arguments, sentence):
    done = replay(repository, *arguments, "--checkpoints_dir", str(run.parent))
    assert done.returncode == 2 and re.search(sentence, done.stderr) and "Traceback" not in done.stderr


def test_replay_names_a_broken_image(repository, run):
    (run / "web" / "images" / "epoch002_A.png").write_bytes(b"not an image")
    done = replay(repository, "old", "--checkpoints_dir", str(run.parent), "--display_port", "9")
    assert done.returncode == 2 and "epoch002_A.png is not an image" in done.stderr
