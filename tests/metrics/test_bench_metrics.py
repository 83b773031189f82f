"""The benchmark of scoring runs from any folder, on its own images and on files, for time and for memory."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

ROW = r"^{} +([\d.]+) ms$"


@pytest.fixture
def run(repository, tmp_path):
    def run_script(*arguments):
        command = [sys.executable, str(repository / "scripts/bench_metrics.py"), *map(str, arguments)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    return run_script


def test_a_row_for_each_metric_for_all_together_and_for_a_batch(run):
    done = run("--size", "48x40", "--metrics", "EN,SSIM_GT", "--repeat", "2", "--seconds", "0.2", "--jobs", "2")
    assert done.returncode == 0, done.stderr
    assert re.match(r"48x40, median of 2, torch \S+, \d+ cores, load [\d.]+\n", done.stdout)
    for name in ("EN", "SSIM_GT", "all, one by one", "all, together"):
        assert float(re.search(ROW.format(name), done.stdout, re.MULTILINE)[1]) > 0
    assert float(re.search(r"^batch of 2 processes: ([\d.]+) images/s", done.stdout, re.MULTILINE)[1]) > 0


def test_files_are_measured_without_a_ground_truth(run, tmp_path):
    files = [tmp_path / f"{number}.png" for number in range(3)]
    for number, file in enumerate(files):
        Image.fromarray(np.full((20, 30, 3), 40 * number, np.uint8)).save(file)
    done = run("--images", *files, "--metrics", "fast", "--repeat", "1", "--seconds", "0")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("30x20, ") and "batch" not in done.stdout
    assert re.search(ROW.format("SD"), done.stdout, re.MULTILINE) and "_GT" not in done.stdout
    assert not done.stderr, "what is nan here is no news"


def test_the_memory_of_a_large_picture(run):
    done = run("--megapixels", "0.5", "--metrics", "EN,SD")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("866x577, ")
    rows = re.findall(r"^(EN|SD|all, together) +(\d+) MiB above (\d+) +([\d.]+) s$", done.stdout, re.MULTILINE)
    assert [name for name, *_ in rows] == ["EN", "SD", "all, together"]
    assert all(0 <= int(more) < 500 and int(start) > 50 for _, more, start, _ in rows)


@pytest.mark.parametrize(("arguments", "sentence"), [
    (["--size", "48"], "'48' is not a size in pixels such as 640x480"),
    (["--metrics", "EM"], "no metric is called 'EM'"),
    (["--metrics", "none"], "--metrics none leaves nothing to measure"),
    (["--images", "a.png"], "not 1 files"),
    (["--images", "a.png", "b.png", "c.png"], "a.png"),
    (["--megapixels", "0"], "must be larger than 0"),
])
def test_wrong_wishes_are_told_in_a_sentence(run, arguments, sentence):
    done = run(*arguments)
    assert done.returncode == 2 and "Traceback" not in done.stderr and sentence in done.stderr
