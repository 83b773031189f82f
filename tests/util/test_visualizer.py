"""The loop's window to the outside: what is on disk, in which order, on which rank, after a resume."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from watching import make_image, make_options, make_record, make_scores

import util.visualizer
from util.errors import RunError
from util.run_log import read_records
from util.visualizer import Visualizer


def run_steps(visualizer: Visualizer, steps) -> None:
    for step in steps:
        visualizer.log_losses(make_record(step))
        if step % 10 == 0:
            visualizer.log_scores(make_scores(step))
    visualizer.close()


def test_logs_hold_what_was_reported(tmp_path):
    run_steps(Visualizer(make_options(), tmp_path / "run", resume_step=None), range(1, 21))
    assert read_records(tmp_path / "run" / "loss_log.jsonl") == [make_record(step) for step in range(1, 21)]
    assert read_records(tmp_path / "run" / "val_log.jsonl") == [make_scores(10), make_scores(20)]
    lines = (tmp_path / "run" / "loss_log.txt").read_text().splitlines()[1:]
    pattern = re.compile(r"\(epoch: (\d+), iters: (\d+), time: 0\.100, data: 0\.010\) G: (\d\.\d{3}) D: 0\.500")
    assert [pattern.fullmatch(line).groups() for line in lines[8:12]] == [
        ("1", "36", "0.111"), ("1", "40", "0.100"), ("2", "4", "0.091"), ("2", "8", "0.083")]


def test_disk_comes_first(tmp_path, monkeypatch):
    """Whoever is told of a record finds it on disk: page and mirrors are drawn from what is there."""
    seen = []

    class Probe:
        def __init__(self, name):
            self.name = name

        def look(self, *_):
            seen.append((self.name, len(read_records(tmp_path / "loss_log.jsonl")),
                         (tmp_path / "loss_log.txt").read_text().count("(epoch")))

        notify = add_losses = look

    monkeypatch.setattr(util.visualizer, "start_mirrors", lambda *_: [Probe("mirror")])
    monkeypatch.setattr(util.visualizer, "_open_page", lambda *_: Probe("page"))
    visualizer = Visualizer(make_options(no_html=False), tmp_path, resume_step=None)
    visualizer.log_losses(make_record(1))
    visualizer.log_losses(make_record(2))
    assert seen == [("page", 1, 1), ("mirror", 1, 1), ("page", 2, 2), ("mirror", 2, 2)]


def test_images_are_saved_exactly_and_the_page_names_them(tmp_path):
    visualizer = Visualizer(make_options(no_html=False), tmp_path, resume_step=None)
    images = {"A": make_image(1), "fused": make_image(2)}
    visualizer.show_images(images, epoch=1, total_iters=4, step=1, save=False)
    assert not (tmp_path / "web" / "images").exists()
    visualizer.show_images(images, epoch=7, total_iters=280, step=70, save=True)
    visualizer.close()
    for label, image in images.items():
        assert np.array_equal(np.asarray(Image.open(tmp_path / "web" / "images" / f"epoch007_{label}.png")), image)
        assert f"images/epoch007_{label}.png" in (tmp_path / "web" / "index.html").read_text()


def test_a_resumed_run_goes_on_where_its_checkpoint_was(tmp_path):
    options = make_options(no_html=False)
    first = Visualizer(options, tmp_path, resume_step=None)
    first.show_images({"A": make_image(1)}, epoch=2, total_iters=60, step=15, save=True)
    first.show_images({"A": make_image(2)}, epoch=3, total_iters=100, step=25, save=True)
    run_steps(first, range(1, 31))
    run_steps(Visualizer(options, tmp_path, resume_step=17), range(18, 41))
    assert read_records(tmp_path / "loss_log.jsonl") == [make_record(step) for step in range(1, 41)]
    assert read_records(tmp_path / "val_log.jsonl") == [make_scores(step) for step in (10, 20, 30, 40)]
    text = (tmp_path / "loss_log.txt").read_text()
    assert text.count("(epoch") == 40 and text.count("Training Loss") == 2
    page = (tmp_path / "web" / "index.html").read_text()
    assert "epoch002_A.png" in page and "epoch003_A.png" not in page


def test_a_fresh_run_neither_mixes_with_an_earlier_one_nor_destroys_it(tmp_path):
    run_steps(Visualizer(make_options(), tmp_path, resume_step=None), range(1, 31))
    run_steps(Visualizer(make_options(), tmp_path, resume_step=None), range(1, 4))
    assert len(read_records(tmp_path / "loss_log.jsonl")) == 3 and read_records(tmp_path / "val_log.jsonl") == []
    assert [len(read_records(path)) for path in tmp_path.glob("loss_log_until_*.jsonl")] == [30]
    assert [len(read_records(path)) for path in tmp_path.glob("val_log_until_*.jsonl")] == [3]
    assert [path.read_text().count("(epoch") for path in tmp_path.glob("loss_log_until_*.txt")] == [30]


def test_other_ranks_make_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    options = make_options(display_id=1, tensorboard=True, no_html=False)
    visualizer = Visualizer(options, tmp_path / "run", resume_step=5)
    visualizer.show_images({"A": make_image(1)}, epoch=1, total_iters=4, step=1, save=True)
    run_steps(visualizer, range(1, 11))
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_ends_the_run_with_a_sentence(tmp_path):
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full: a full disk cannot be had here")
    visualizer = Visualizer(make_options(), tmp_path, resume_step=None)
    visualizer.close()
    (tmp_path / "loss_log.jsonl").unlink()
    (tmp_path / "loss_log.jsonl").symlink_to("/dev/full")
    with pytest.raises(RunError, match="the disk is full"):
        Visualizer(make_options(), tmp_path, resume_step=None).log_losses(make_record(1))


def test_watching_loads_neither_torch_nor_visdom(tmp_path, repository):
    """The parser's way stays quick, and a machine without visdom can mirror to a server elsewhere."""
    script = f"""
import argparse, json, sys
from util.visualizer import Visualizer
options = argparse.Namespace(**json.loads(sys.argv[1]))
visualizer = Visualizer(options, {str(tmp_path)!r}, resume_step=None)
visualizer.log_losses({make_record(1)!r})
visualizer.close()
print([name for name in ("torch", "visdom", "tensorboard", "dominate") if name in sys.modules])
"""
    options = json.dumps(vars(make_options(display_id=1, display_port=9)))
    done = subprocess.run([sys.executable, "-c", script, options], cwd=repository, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
