"""Mirrors against servers that are there, away, dumb, silent, late and started again; and what they draw."""

from __future__ import annotations

import base64
import functools
import http.server
import io
import re
import socket
import sys
import threading
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from watching import VisdomThread, make_image, make_options, make_record, make_scores, wait_until

import util.mirrors.base
import util.mirrors.visdom_mirror
import util.visualizer
from util.errors import UserError
from util.mirrors.base import IMAGE_SETS, Mirror
from util.mirrors.curve import MAX_POINTS, Curve
from util.mirrors.visdom_client import ServerGone, VisdomClient
from util.mirrors.visdom_windows import LABEL_HEIGHT, label_grid, plot_curves, plot_scores
from util.run_log import read_records
from util.visualizer import Visualizer

PATIENCE = 60  # seconds that a thread may take to its end


class SilentServer:
    """Accepts connections and never says a word."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.connections: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        try:
            while True:
                self.connections.append(self.listener.accept()[0])
        except OSError:  # closed
            return

    def close(self):
        if self.listener.fileno() >= 0:
            self.listener.shutdown(socket.SHUT_RDWR)  # or accept() would wait on
            self.listener.close()
        for connection in self.connections:
            connection.close()


@pytest.fixture
def silent_server():
    server = SilentServer()
    yield server
    server.close()


@pytest.fixture
def quick(monkeypatch):
    """Mirrors that draw and try again without delay."""
    monkeypatch.setattr(util.mirrors.base, "INTERVAL", 0.01)
    monkeypatch.setattr(util.mirrors.base, "RETRY", 0.02)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def start(folder: Path, port: int, **changes) -> Visualizer:
    options = {"display_id": 1, "display_server": "http://127.0.0.1", "display_port": port, **changes}
    return Visualizer(make_options(**options), folder, resume_step=None)


def end_threads(visualizer: Visualizer) -> None:
    for mirror in visualizer._mirrors:
        mirror.join(PATIENCE)
        assert not mirror.is_alive()


def test_a_silent_server_holds_nothing_up(tmp_path, silent_server, monkeypatch, capsys):
    # It would hold a request for ten minutes: were training to wait for a single one, this test would not end.
    monkeypatch.setattr(util.mirrors.visdom_mirror, "VisdomClient", functools.partial(VisdomClient, timeout=600))
    monkeypatch.setattr(util.visualizer, "CLOSING_TIME", 0.2)
    visualizer = start(tmp_path, silent_server.port)
    mirror = visualizer._mirrors[0]
    wait_until(lambda: silent_server.connections, "the mirror asks")
    for step in range(1, 1001):
        visualizer.log_losses(make_record(step))
        visualizer.log_scores(make_scores(step))
        visualizer.show_images({"A": make_image(0)}, epoch=1, total_iters=step, step=step, save=step == 1000)
    assert len(mirror._images) == IMAGE_SETS and [waiting.step for waiting in mirror._images] == [999, 1000]
    visualizer.close()
    assert mirror.is_alive() and mirror.daemon and len(silent_server.connections) == 1
    assert len(read_records(tmp_path / "loss_log.jsonl")) == len(read_records(tmp_path / "val_log.jsonl")) == 1000
    assert (tmp_path / "loss_log.txt").read_text().count("(epoch") == 1000
    assert (tmp_path / "web" / "images" / "epoch001_A.png").is_file()
    assert capsys.readouterr() == ("", "")
    silent_server.close()
    end_threads(visualizer)


def test_a_silent_server_is_told_of_once(tmp_path, silent_server, quick, monkeypatch, capsys):
    monkeypatch.setattr(util.mirrors.visdom_mirror, "VisdomClient", functools.partial(VisdomClient, timeout=0.05))
    visualizer = start(tmp_path, silent_server.port)
    visualizer.log_losses(make_record(1))
    wait_until(lambda: len(silent_server.connections) >= 4, "the mirror has tried four times")
    visualizer.close()
    end_threads(visualizer)
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and "no Visdom server answers" in err and "time-out" in err


def test_no_server_is_one_line_and_the_files_are_complete(tmp_path, quick, capfd):
    visualizer = start(tmp_path, free_port())
    for step in range(1, 101):
        visualizer.log_losses(make_record(step))
    time.sleep(0.2)  # some tries more
    visualizer.close()
    end_threads(visualizer)
    out, err = capfd.readouterr()
    assert out == "" and err.count("\n") == 1
    assert err.startswith("warning: no Visdom server answers at http://127.0.0.1:")
    assert "scripts/visdom_server.sh" in err
    assert len(read_records(tmp_path / "loss_log.jsonl")) == 100


@pytest.mark.parametrize(("status", "body"), [(404, b"not here"), (200, b"<html>a notebook</html>")])
def test_another_kind_of_server_is_named_as_such(tmp_path, status, body, capsys):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    visualizer = start(tmp_path, server.server_port)
    visualizer.log_losses(make_record(1))
    wait_until(lambda: not visualizer._mirrors[0]._reachable, "the mirror has asked")
    visualizer.close()
    end_threads(visualizer)
    server.shutdown()
    server.server_close()
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and f"127.0.0.1:{server.server_port} is no Visdom server" in err


def test_a_mirror_with_a_bug_is_one_line(tmp_path, quick, monkeypatch, capsys):
    class Broken(Mirror):
        title = "broken"

        def draw(self, *_):
            raise ZeroDivisionError("a bug")

    def start_broken(options, folder, resume_step):
        mirror = Broken(folder)
        mirror.start()
        return [mirror]

    monkeypatch.setattr(util.visualizer, "start_mirrors", start_broken)
    visualizer = start(tmp_path, 9)
    for step in range(1, 11):
        visualizer.log_losses(make_record(step))
    visualizer.close()
    assert len(read_records(tmp_path / "loss_log.jsonl")) == 10
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "ZeroDivisionError: a bug" in err and "training goes on" in err


def test_a_server_shows_the_run_and_windows_are_updated_in_place(tmp_path, quick, capsys):
    server = VisdomThread(tmp_path / "env")
    visualizer = start(tmp_path / "run", server.port)
    for step in range(1, 21):
        visualizer.log_losses(make_record(step))
    wait_until(lambda: "run_1_lr" in server.windows(), "the learning rate is shown")
    for step in range(21, 41):
        visualizer.log_losses(make_record(step))
    visualizer.log_scores(make_scores(40))
    visualizer.show_images({"A": make_image(1), "fused": make_image(2)}, epoch=4, total_iters=160, step=40, save=False)
    visualizer.close()
    end_threads(visualizer)
    windows = server.windows()
    server.stop()
    assert sorted(windows) == ["run_1_images", "run_1_losses", "run_1_lr", "run_1_scores"]
    traces = {trace["name"]: trace for trace in windows["run_1_losses"]["content"]["data"]}
    assert sorted(traces) == ["D", "G"]
    assert traces["G"]["x"] == [step * 4 for step in range(1, 41)]
    assert traces["G"]["y"] == [1 / step for step in range(1, 41)]
    assert windows["run_1_lr"]["content"]["data"][0]["y"] == [2e-4] * 40
    assert windows["run_1_scores"]["content"]["data"][0]["y"] == [1 - 1 / 40]
    kind, _, content = windows["run_1_images"]["content"]["src"].partition(",")
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))
    assert kind == "data:image/png;base64"
    assert np.array_equal(shown, label_grid({"A": make_image(1), "fused": make_image(2)}, 4, 256))
    assert capsys.readouterr().out == f"Visdom shows this run at http://127.0.0.1:{server.port}/env/main\n"
    assert (tmp_path / "env" / "main.json").stat().st_size > 1000  # kept beyond the server's end


def test_the_announced_page_exists_before_there_is_anything_to_show(tmp_path, quick):
    """A browser that opens an environment which does not exist yet shows another one."""
    server = VisdomThread(tmp_path / "env")
    visualizer = start(tmp_path / "run", server.port, display_env="my run/1")
    mirror = visualizer._mirrors[0]
    wait_until(lambda: mirror._announced, "the page is announced")
    with urllib.request.urlopen(mirror._client.page, timeout=30) as page:
        assert "ACTIVE_ENV = 'my run_1'" in page.read().decode()
    visualizer.close()
    server.stop()


def test_a_server_that_appears_late_shows_the_run_from_its_start(tmp_path, quick, capsys):
    port = free_port()
    visualizer = start(tmp_path / "run", port)
    for step in range(1, 31):
        visualizer.log_losses(make_record(step))
    visualizer.log_scores(make_scores(30))
    visualizer.show_images({"A": make_image(1)}, epoch=3, total_iters=120, step=30, save=False)
    wait_until(lambda: visualizer._mirrors[0]._warned, "nobody answers")
    server = VisdomThread(tmp_path / "env", port)
    wait_until(lambda: len(server.windows()) == 4, "the server shows all")  # with nothing more to report
    assert server.windows()["run_1_losses"]["content"]["data"][0]["x"] == [step * 4 for step in range(1, 31)]
    visualizer.close()
    end_threads(visualizer)
    server.stop()
    out, err = capsys.readouterr()
    assert err.count("\n") == 1 and out.count("\n") == 1 and f"http://127.0.0.1:{port}/env/main" in out


def test_a_server_that_was_started_again_has_everything(tmp_path, quick, capsys):
    port = free_port()
    server = VisdomThread(tmp_path / "env", port)
    visualizer = start(tmp_path / "run", port)
    for step in range(1, 11):
        visualizer.log_losses(make_record(step))
    visualizer.log_scores(make_scores(10))
    wait_until(lambda: "run_1_scores" in server.windows(), "the scores are shown")
    for round_number in (1, 2, 3):
        server.stop()
        server = VisdomThread(tmp_path / f"other_env_{round_number}", port)
        assert server.windows() == {}
        visualizer.log_losses(make_record(10 + round_number))
        wait_until(lambda: "run_1_scores" in server.windows(), "the new server has the scores too")  # noqa: B023
        wait_until(lambda: len(server.windows()["run_1_losses"]["content"]["data"][0]["x"])  # noqa: B023
                   == 10 + round_number, "the new server has the whole curve")  # noqa: B023
    visualizer.close()
    end_threads(visualizer)
    server.stop()
    out, err = capsys.readouterr()
    assert err.count("\n") <= 1 and out.count("\n") <= 2  # however often it comes and goes


def test_two_runs_share_a_page(tmp_path, quick):
    server = VisdomThread(tmp_path / "env")
    for name, number in (("first", 1), ("second run", 1), ("first", 10)):
        visualizer = start(tmp_path / f"{name}{number}", server.port, name=name, display_id=number, display_env="both")
        visualizer.log_losses(make_record(1))
        visualizer.close()
        end_threads(visualizer)
    assert sorted(server.windows("both")) == ["first_10_losses", "first_10_lr", "first_1_losses", "first_1_lr",
                                              "second_run_1_losses", "second_run_1_lr"]
    server.stop()


def test_a_window_per_image(tmp_path, quick):
    server = VisdomThread(tmp_path / "env")
    visualizer = start(tmp_path / "run", server.port, display_ncols=0)
    visualizer.show_images({"A": make_image(1), "B": make_image(2)}, epoch=1, total_iters=4, step=1, save=False)
    visualizer.close()
    end_threads(visualizer)
    assert sorted(server.windows()) == ["run_1_image_A", "run_1_image_B"]
    server.stop()


@pytest.mark.parametrize("server", ["ftp://x", "http://", "http://localhost:port", "http://[::1"])
def test_an_address_that_is_none_is_refused_before_training(tmp_path, server):
    with pytest.raises(UserError, match=rf"--display_server {re.escape(server)} is not an address"):
        Visualizer(make_options(display_id=1, display_server=server), tmp_path, resume_step=None)


@pytest.mark.parametrize(("server", "address"), [
    ("localhost", "http://localhost:8097"), ("http://localhost/", "http://localhost:8097"),
    ("https://gpu7.lab/visdom/", "https://gpu7.lab:8097/visdom"), ("http://[::1]", "http://[::1]:8097"),
    ("10.0.0.7:9000", "http://10.0.0.7:9000")])
def test_addresses_are_read_as_users_write_them(server, address):
    assert VisdomClient(server, 8097, "main").address == address


def test_a_name_that_does_not_resolve_is_a_server_that_is_gone():
    with pytest.raises(ServerGone, match="no Visdom server answers at http://nowhere.invalid:8097"):
        VisdomClient("nowhere.invalid", 8097, "main", timeout=5).greet()


def test_tensorboard_holds_the_run_once_after_a_resume(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator",
                                      reason="tensorboard is not installed")
    options = make_options(tensorboard=True)
    first = Visualizer(options, tmp_path, resume_step=None)
    for step in range(1, 31):
        first.log_losses(make_record(step))
    first.log_scores(make_scores(10))
    first.show_images({"fused": make_image(3)}, epoch=1, total_iters=8, step=2, save=False)
    first._mirrors[0].close(PATIENCE)
    second = Visualizer(options, tmp_path, resume_step=20)
    for step in range(21, 41):
        second.log_losses(make_record(step))
    second._mirrors[0].close(PATIENCE)
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"), size_guidance={"scalars": 0, "images": 0})
    events.Reload()
    assert [event.step for event in events.Scalars("loss/G")] == list(range(1, 41))
    assert np.allclose([event.value for event in events.Scalars("loss/G")], [1 / step for step in range(1, 41)])
    assert [(event.step, round(event.value, 6)) for event in events.Scalars("score/SSIM")] == [(10, 0.9)]
    assert len(events.Scalars("lr")) == 40
    assert [(event.step, event.width, event.height) for event in events.Images("fused")] == [(2, 32, 24)]


def test_a_missing_tensorboard_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)  # as import finds it: not there
    visualizer = Visualizer(make_options(tensorboard=True), tmp_path, resume_step=None)
    visualizer.log_losses(make_record(1))
    visualizer.close()
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "TensorBoard is left out and training goes on" in err
    assert len(read_records(tmp_path / "loss_log.jsonl")) == 1


def test_a_curve_stays_small_and_true():
    curve = Curve()
    count = 37 * MAX_POINTS + 5
    for x in range(count):
        curve.append(x, float(x % 7))
    x, y = curve.points()
    assert MAX_POINTS <= len(x) <= 2 * MAX_POINTS and x == sorted(x)
    assert x[0] < 64 and x[-1] > count - 64
    assert abs(np.mean(y) - 3) < 0.01
    short = Curve()
    for x, y in ((1, 0.5), (2, None), (3, -0.5)):
        short.append(x, y)
    assert short.points() == ([1, 2, 3], [0.5, None, -0.5])


def test_a_curve_leaves_gaps_out_of_its_means():
    curve = Curve()
    for x in range(2 * MAX_POINTS):
        curve.append(x, None if x % 2 or x < 10 else 4.0)
    x, y = curve.points()
    assert x[:2] == [0.5, 2.5] and y[:5] == [None] * 5 and set(y[5:]) == {4.0}


def test_plots_have_a_line_per_curve_and_an_axis_per_score():
    curves = {name: Curve() for name in ("EN", "SD", "SSIM")}
    for index, curve in enumerate(curves.values()):
        curve.append(1, index)
        curve.append(2, index + 0.5)
    losses = plot_curves("losses", curves)
    assert [trace["name"] for trace in losses["data"]] == ["EN", "SD", "SSIM"] and losses["layout"]["showlegend"]
    scores = plot_scores("scores", curves)
    assert [trace.get("yaxis") for trace in scores["data"]] == ["y", "y2", "y3"]
    domains = [scores["layout"][axis]["domain"] for axis in ("xaxis", "xaxis2", "xaxis3")]
    assert domains[0][0] == 0 and domains[2][1] == pytest.approx(1)
    assert all(left[1] < right[0] for left, right in zip(domains, domains[1:], strict=False))
    assert [note["text"] for note in scores["layout"]["annotations"]] == ["<b>EN</b>  0.5", "<b>SD</b>  1.5",
                                                                          "<b>SSIM</b>  2.5"]


def test_the_grid_shows_every_image_pixel_for_pixel():
    noise = np.random.default_rng(0).integers(0, 256, (5, 64, 48, 3), np.uint8)
    images = {f"image {index}": image for index, image in enumerate(noise)}
    grid = label_grid(images, columns=3, size=64)
    windows = np.lib.stride_tricks.sliding_window_view(grid, (64, 48, 3))[:, :, 0]
    found = []
    for image in images.values():
        places = np.argwhere((windows[:, :, 0, 0] == image[0, 0]).all(axis=-1))
        found += [tuple(place) for place in places if np.array_equal(windows[tuple(place)], image)]
    assert len(found) == 5 and len({row for row, _ in found}) == 2 and len({column for _, column in found}) == 3
    for row, column in found:  # something is written above each
        assert (grid[row - LABEL_HEIGHT : row, column : column + 48] < 128).any()


def test_large_images_shrink_and_small_ones_keep_whole_pixels():
    large = label_grid({"a": np.full((2000, 1000, 3), 7, np.uint8)}, columns=4, size=100)
    assert (large == 7).all(axis=-1).sum() == 100 * 50
    small = np.array([[[0, 0, 0], [200, 10, 10]]], np.uint8)
    grid = label_grid({"a": small}, columns=4, size=100)
    assert (grid == small[0, 1]).all(axis=-1).sum() == 50 * 50
