"""The first steps of docs/adding_a_model.md, taken in a copy of the code: a new file is a new method."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from tests.tiny import make_strips

CODE = ("data", "metrics", "models", "options", "util", "train.py", "test.py")


@pytest.fixture
def copy_of_the_code(repository, tmp_path):
    folder = tmp_path / "code"
    folder.mkdir()
    for name in CODE:
        source = repository / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder)
    return folder


def run(folder, *command: str) -> str:
    done = subprocess.run([sys.executable, *command], cwd=folder, env={**os.environ, "OMP_NUM_THREADS": "1"},
                          capture_output=True, text=True, timeout=300)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_copy_of_the_template_is_a_method(copy_of_the_code, tmp_path):
    models = copy_of_the_code / "models"
    code = (models / "template_model.py").read_text("utf-8").replace("class TemplateModel", "class MyMethodModel")
    (models / "my_method_model.py").write_text(code.replace("a pattern for", "mine among"), "utf-8")
    listed = run(copy_of_the_code, "train.py", "--list", "models")
    assert ["my_method", "mine among new methods"] in [line.split(maxsplit=1) for line in listed.splitlines()]

    data = make_strips(tmp_path / "pairs" / "train", 4).parent
    make_strips(tmp_path / "pairs" / "test", 2)
    both = ("--dataroot", str(data), "--name", "try", "--gpu_ids", "-1", "--num_threads", "0")
    training = ("--crop_size", "32", "--max_steps", "2", "--template_features", "4", "--display_id", "0")
    run(copy_of_the_code, "train.py", "--model", "my_method", *both, *training)
    printed = run(copy_of_the_code, "test.py", *both)
    assert "2 pairs fused" in printed
    assert len(list((copy_of_the_code / "results" / "try" / "test_latest" / "images").glob("*_fused.png"))) == 2


def test_a_network_file_is_found_by_its_literal(copy_of_the_code):
    network = '''
NETWORKS = {"my_network": {"class": "MyNetwork", "role": "generator", "title": "a line for the list"}}

from torch import nn


class MyNetwork(nn.Module):
    def __init__(self, features=8):
        super().__init__()
        self.conv = nn.Conv2d(2, features, 3)
'''
    (copy_of_the_code / "models" / "networks" / "mine.py").write_text(network, "utf-8")
    assert "my_network       a line for the list" in run(copy_of_the_code, "train.py", "--list", "networks")
    code = "from models import networks; print(networks.build('My_Network', features=5).conv.out_channels)"
    assert run(copy_of_the_code, "-c", code).strip() == "5"
