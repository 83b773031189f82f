"""The loader benchmark runs from any folder, on its own images and on a dataset."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from layout_samples import same, two_folders


@pytest.mark.parametrize("own_images", [True, False])
def test_benchmark_prints_a_rate_for_each_worker_count(repository, tmp_path, own_images):
    arguments = ["--workers", "0", "1", "--seconds", "0.2", "--batch_size", "2", "--crop_size", "32"]
    if not own_images:
        two_folders("train/A", "train/B", same("1", "2", "3"))(tmp_path)
        arguments += ["--dataroot", str(tmp_path)]
    command = [sys.executable, str(repository / "scripts/bench_data.py"), *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rates = re.findall(r"^ +([01]) +([\d.]+) +([\d.]+)$", done.stdout, re.MULTILINE)
    assert [workers for workers, *_ in rates] == ["0", "1"]
    for _, samples, images in rates:
        assert 0 < float(samples) < float(images) == pytest.approx(float(samples) * (3 if own_images else 2), abs=1)


def test_benchmark_refuses_a_missing_folder_in_a_sentence(repository, tmp_path):
    command = [sys.executable, str(repository / "scripts/bench_data.py"), "--dataroot", str(tmp_path / "missing")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and "Traceback" not in done.stderr and "there is no folder" in done.stderr
