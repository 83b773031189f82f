"""Every registered dataset on a generated folder of its own layout: a dataset without one fails here."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from data_options import make_options
from layout_samples import GREEN, SAMPLES, same, two_folders

import data
from data.base_dataset import BaseDataset
from data.template_dataset import TemplateDataset
from util.errors import UserError

PAIRED = [name for name in data.dataset_names() if not data.find_dataset(name).holds_patches]


@pytest.fixture
def sample(request, tmp_path):
    name = request.param
    assert name in SAMPLES, f"tests/data/layout_samples.py lacks a folder for data/{name}_dataset.py"
    make, phase, folder, names, has_gt = SAMPLES[name]
    make(tmp_path / folder)
    directories = {"dir_A": "Mine_A", "dir_B": "Mine_B"} if name == "pairs" else {}
    return name, make_options(dataroot=str(tmp_path / folder), phase=phase, **directories), names, has_gt


@pytest.mark.parametrize("mode", ["named", "auto"])
@pytest.mark.parametrize("sample", PAIRED, indirect=True)
def test_dataset_loads_its_own_layout(sample, mode):
    name, opt, names, has_gt = sample
    opt.dataset_mode = name if mode == "named" else "auto"
    assert data.detect_dataset(opt.dataroot, opt.phase, opt) == name
    dataset = data.create_dataset(opt, augment=False)
    assert type(dataset) is data.find_dataset(name)
    assert [pair.name for pair in dataset.pairs] == names
    assert dataset.has_gt is has_gt and dataset.skipped == []
    places = len({tuple(name.rpartition("MRI_")[2]) for name in names})  # the places begin anew in each part of MD
    for index in range(len(dataset)):
        item = dataset[index]
        assert set(item) == {"A", "B", "A_gray", "B_gray", "name", "A_path", "B_path"} | (
            {"GT", "GT_path"} if has_gt else set()
        )
        for side in ("A", "B") + (("GT",) if has_gt else ()):
            pixels = np.rint(item[side].numpy() * 255)
            assert pixels.dtype == np.float32 and pixels.shape[0] == 3
            tolerance = 3 if item[f"{side}_path"].endswith(".jpg") else 0
            assert np.abs(pixels[0] - index % places).max() <= tolerance, "another pair's image"
            assert np.abs(pixels[1] - GREEN[side]).max() <= tolerance, "another side's image"
        assert item["A_gray"] is item["B_gray"] is False


@pytest.mark.parametrize("name", data.dataset_names())
def test_dataset_says_what_it_is(name):
    found = data.find_dataset(name)
    assert issubclass(found, BaseDataset)
    assert 10 < len(found.title) < 100 and "\n" not in found.title
    assert found.task in ("multi-focus", "infrared-visible", "medical", "multi-exposure", "any")


def test_registry_leaves_out_bases_and_template():
    assert {"pmf", "tno", "md", "lytro", "mfi_whu", "pairs"} <= set(data.dataset_names())
    assert not {"base", "paired", "template"} & set(data.dataset_names())


def test_unknown_dataset_is_told_the_nearest():
    with pytest.raises(UserError, match="no dataset is called 'lytor'; the nearest is 'lytro'"):
        data.find_dataset("lytor")


def test_template_is_a_working_page(tmp_path):
    two_folders("test/left", "test/right", same("1", "2"), gt="test/truth")(tmp_path)
    dataset = TemplateDataset(make_options(), tmp_path, "test", augment=False)
    assert [pair.name for pair in dataset.pairs] == ["1", "2"] and dataset.has_gt


def test_importing_the_registry_does_not_load_torch(repository):
    code = "import sys, data; [data.find_dataset(n) for n in data.dataset_names()]; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
