"""Every folder of the shared sample data through ``--dataset_mode auto``, against the table of its README."""

from __future__ import annotations

import csv
from collections import Counter

import numpy as np
import pytest
from data_options import make_options
from PIL import Image

import data
from data.pairing import natural_key
from util.errors import UserError

# folder, phase: dataset, pairs by the README, task, words one of which is in the path of each A, and of each B
FOLDERS = {
    ("TNO", "test"): ("tno", 28, "infrared-visible", ["/ir/"], ["/vis/"]),
    ("TNO21", "test"): ("tno", 12, "infrared-visible", ["/ORG_IR/"], ["/ORG_VIS/"]),
    ("IGNet", "test"): ("pairs", 9, "infrared-visible", ["/ir/"], ["/vis/"]),
    ("RoadScene", "test"): ("roadscene", 150, "infrared-visible", ["/ir/"], ["/vis/"]),
    ("MSRS", "test"): ("msrs", 17, "infrared-visible", ["/ir/"], ["/vi/"]),
    ("IFCNN", "test"): ("pairs", 11, "any", ["_IR.png", "_1.tif"], ["_Vis.png", "_2.tif"]),
    ("IFCNN/IVDataset", "test"): ("pairs", 9, "infrared-visible", ["_IR.png"], ["_Vis.png"]),
    ("IFCNN/MDDataset", "test"): ("md", 2, "medical", ["_1.tif"], ["_2.tif"]),
    ("Lytro", "test"): ("lytro", 13, "multi-focus", ["-A.jpg"], ["-B.jpg"]),
    ("MFFW", "test"): ("mffw", 9, "multi-focus", ["_A.jpg"], ["_B.jpg"]),
    ("MFI-WHU", "test"): ("mfi_whu", 80, "multi-focus", ["/source_1/"], ["/source_2/"]),
    ("NYU-D-100", "train"): ("nyud", 50, "multi-focus", ["/source_1/"], ["/source_2/"]),
    ("NYU-D-100", "test"): ("nyud", 50, "multi-focus", ["/source_1/"], ["/source_2/"]),
    ("MFIFB", "test"): ("pairs", 18, "any", ["_A."], ["_B."]),
    ("MD", "test"): ("md", 60, "medical", ["/CT/", "/PET/", "/SPECT/"], ["/MRI/"]),
    ("MD", "train"): ("md", 299, "medical", ["/CT/", "/PET/", "/SPECT/"], ["/MRI/"]),
    ("MD/test/PET-MRI", "test"): ("md", 20, "medical", ["/PET/"], ["/MRI/"]),
    ("MEF", "test"): ("mef", 39, "multi-exposure", ["/under/"], ["/over/"]),
    ("ReFusion", "test"): (
        "pairs", 8, "any",
        ["/infrared/", "/CT_PET_SPECT/", "/near/", "/under/"], ["/visible/", "/MRI/", "/far/", "/over/"],
    ),
    ("ReFusion/test_cases/IVIF", "test"): ("pairs", 2, "infrared-visible", ["/infrared/"], ["/visible/"]),
    ("ReFusion/test_cases/MIF", "test"): ("pairs", 2, "medical", ["/CT_PET_SPECT/"], ["/MRI/"]),
    ("ReFusion/test_cases/MFIF", "test"): ("pairs", 2, "multi-focus", ["/near/"], ["/far/"]),
    ("ReFusion/test_cases/MEIF", "test"): ("pairs", 2, "multi-exposure", ["/under/"], ["/over/"]),
}  # fmt: skip


@pytest.mark.parametrize(("folder", "phase"), FOLDERS, ids=map(" ".join, FOLDERS))
def test_folder_loads_as_its_readme_says(shared, folder, phase):
    name, count, task, words_a, words_b = FOLDERS[folder, phase]
    opt = make_options(dataroot=str(shared / "data" / folder), phase=phase, check="quick")
    assert data.detect_dataset(opt.dataroot, phase, opt) == name
    dataset = data.create_dataset(opt, augment=False)
    assert (len(dataset), dataset.task, dataset.has_gt) == (count, task, folder == "NYU-D-100")
    for pair in dataset.pairs:
        assert any(word in str(pair.a) for word in words_a) and any(word in str(pair.b) for word in words_b)
        for path in pair.files():
            with Image.open(path) as image:
                assert image.size == pair.size
    by_folder: dict = {}
    for pair in dataset.pairs:
        by_folder.setdefault(pair.a.parent if folder != "MFIFB" else None, []).append(pair.a.name)
    assert all(names == sorted(names, key=natural_key) for names in by_folder.values())
    assert max(Counter(pair.name.lower() for pair in dataset.pairs).values()) == 1
    item = dataset[0]
    assert item["A"].shape == item["B"].shape == (3, *dataset.pairs[0].size[::-1])


def test_every_shared_image_is_read_as_pillow_reads_it(shared):
    """Size, grayness and pixels of one image in seven; JPEG decoders may differ by rounding."""
    from util.image_io import read_image

    with open(shared / "data" / "manifest.csv", newline="") as handle:
        rows = list(csv.DictReader(handle))
    for row in rows[::7]:
        image, gray = read_image(shared / "data" / row["path"])
        with Image.open(shared / "data" / row["path"]) as reference:
            expected = np.asarray(reference.convert("RGB"), np.int16)
        assert image.shape == (int(row["height"]), int(row["width"]), 3)
        assert np.abs(np.rint(image * 255) - expected).max() <= (3 if row["format"] == "JPEG" else 0), row["path"]
        assert gray == bool((expected == expected[..., :1]).all())


def test_series_of_three_is_refused(shared):
    with pytest.raises(UserError, match=r"series of three and more images \(A, B, C\), not pairs"):
        data.create_dataset(make_options(dataroot=str(shared / "data/Lytro/triple")), augment=False)


def test_series_of_five_is_named_and_left_out(shared, capsys):
    dataset = data.create_dataset(make_options(dataroot=str(shared / "data/IFCNN/MDDataset")), augment=False)
    assert [pair.name for pair in dataset.pairs] == ["c04", "c05"]
    assert len(dataset.skipped) == 1 and "a series of 5 images, not a pair" in dataset.skipped[0]
    assert dataset.skipped[0] in capsys.readouterr().err


def test_high_resolution_visible_images_are_refused(shared):
    opt = make_options(dataroot=str(shared / "data/RoadScene"), dir_A="test/ir", dir_B="crop_HR_visible")
    faults = r"no partner in .*crop_HR_visible.* and 137 more; two sizes in one pair: .*skip_bad"
    with pytest.raises(UserError, match=faults):
        data.create_dataset(opt, augment=False)
    opt.skip_bad = True
    with pytest.raises(UserError, match="no image pair is left"):
        data.create_dataset(opt, augment=False)


def test_folder_of_datasets_is_refused(shared):
    with pytest.raises(UserError, match="holds several datasets .*--dataroot"):
        data.create_dataset(make_options(dataroot=str(shared / "data")), augment=False)


def test_label_maps_are_sent_to_the_generator(shared):
    with pytest.raises(UserError, match="made into pairs by scripts/make_pmf.py"):
        data.create_dataset(make_options(dataroot=str(shared / "data/segmentation")), augment=False)


def test_training_never_falls_back_on_a_test_part(shared):
    with pytest.raises(UserError, match=r"has no folder 'train' \(found test\).*--phase"):
        data.create_dataset(make_options(dataroot=str(shared / "data/TNO"), phase="train"), augment=True)
