"""Bad input ends in one sentence that names it and its mend, before anything starts; --skip_bad goes on without it."""

from __future__ import annotations

import pytest
from data_options import make_options
from layout_samples import paint, same, save, two_folders

import data
from util.errors import UserError


def folders(root):
    two_folders("test/A", "test/B", same("1", "2", "3"), gt="test/GT")(root)


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


# what is done to the folder, what the sentence says, how many pairs are left with --skip_bad
FAULTS = {
    "partner of A missing": (lambda r: (r / "test/B/2.png").unlink(), r"no partner in .*test/B: .*test/A/2.png", 2),
    "partner of B missing": (lambda r: (r / "test/A/2.png").unlink(), r"no partner in .*test/A: .*test/B/2.png", 2),
    "ground truth missing": (lambda r: (r / "test/GT/3.png").unlink(), r"no ground truth in .*GT: .*test/A/3.png", 2),
    "ground truth too many": (lambda r: save(paint(0, "GT"), r / "test/GT/9.png"), r"no partner in .*: .*GT/9.png", 3),
    "two sizes": (
        lambda r: save(paint(0, "B", (20, 16)), r / "test/B/1.png"),
        r"two sizes in one pair: .*A/1.png \(24x16\) and .*B/1.png \(20x16\)",
        2,
    ),
    "ground truth of another size": (
        lambda r: save(paint(0, "GT", (24, 17)), r / "test/GT/1.png"), r"two sizes in one pair: .*GT/1.png \(24x17\)", 2
    ),
    "empty file": (lambda r: (r / "test/A/1.png").write_bytes(b""), r"no whole images: .*A/1.png is empty", 2),
    "text as image": (lambda r: (r / "test/A/1.png").write_text("x"), r"no whole images: .*A/1.png could not be", 2),
    "truncated": (lambda r: truncate(r / "test/GT/2.png"), r"no whole images: .*GT/2.png could not be", 2),
    "two of one name": (lambda r: save(paint(0, "A"), r / "test/A/1.bmp"), r"no partner in .*A/1.bmp", 3),
}  # fmt: skip


@pytest.mark.parametrize("check", ["full", "quick", "auto"])
@pytest.mark.parametrize(("damage", "says", "left"), FAULTS.values(), ids=FAULTS)
def test_fault_is_told_and_skipped(tmp_path, damage, says, left, check):
    folders(tmp_path)
    damage(tmp_path)
    opt = make_options(dataroot=str(tmp_path), check=check)
    with pytest.raises(UserError, match=says + ".*--skip_bad") as caught:
        data.create_dataset(opt, augment=False)
    assert "\n" not in str(caught.value)
    opt.skip_bad = True
    dataset = data.create_dataset(opt, augment=False)
    assert len(dataset) == left and dataset.has_gt
    assert dataset.skipped and all(sentence.startswith("left out: ") for sentence in dataset.skipped)
    assert [dataset[index]["name"] for index in range(len(dataset))] == [pair.name for pair in dataset.pairs]


def test_all_faults_are_told_at_once(tmp_path):
    folders(tmp_path)
    (tmp_path / "test/A/1.png").write_bytes(b"")
    (tmp_path / "test/B/2.png").unlink()
    with pytest.raises(UserError, match=r"2.png.*; .*1.png is empty"):
        data.create_dataset(make_options(dataroot=str(tmp_path)), augment=False)


def test_many_faults_stay_a_sentence(tmp_path):
    two_folders("A", "B", same(*map(str, range(40))))(tmp_path)
    for place in range(30):
        (tmp_path / f"B/{place}.png").unlink()
    with pytest.raises(UserError, match="4.png and 25 more") as caught:
        data.create_dataset(make_options(dataroot=str(tmp_path)), augment=False)
    assert len(str(caught.value)) < 1200


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (dict(dataroot="missing"), "there is no folder .*missing; --dataroot"),
        (dict(dataroot="empty"), "it holds nothing"),
        (dict(dataroot="half"), "half/ir holds no images"),
        (dict(dataroot="texts"), "it holds nothing"),
        (dict(dataroot="good", dir_A="A"), "--dir_A and --dir_B go together"),
        (dict(dataroot="good", dir_A="A", dir_B="Z"), "there is no folder Z"),
        (dict(dataroot="good", dir_A="A", dir_B="A"), "name one folder"),
        (dict(dataroot="good", dir_A="A", dir_B="B", dataset_mode="lytro"), "belong to --dataset_mode pairs"),
        (dict(dataroot="good", dataset_mode="lytros"), "the nearest is 'lytro'"),
        (dict(dataroot="good", dataset_mode="md"), "no image pairs were recognised"),
        (dict(dataroot="good", preprocess="scale_width"), "needs --load_size"),
        (dict(dataroot="good", preprocess="crop", crop_size=0), "needs --crop_size"),
        (dict(dataroot="strip", panels=3), r"cannot be divided into 3 panels \(--panels\): .*x.png \(32x16\)"),
    ],
)
@pytest.mark.parametrize("skip_bad", [False, True])
def test_what_skipping_cannot_mend(tmp_path, change, says, skip_bad):
    two_folders("A", "B", same("1"))(tmp_path / "good")
    two_folders("ir", "vis", same("1"))(tmp_path / "half")
    (tmp_path / "half/ir/1.png").unlink()
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts/Thumbs.db").write_bytes(b"x")
    save(paint(0, "A", (32, 16)), tmp_path / "strip/x.png")
    change = change | {"dataroot": str(tmp_path / change["dataroot"]), "skip_bad": skip_bad}
    with pytest.raises(UserError, match=says) as caught:
        data.create_dataset(make_options(**change), augment=False)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("workers", [0, 1])
def test_file_that_turns_bad_later_is_named(tmp_path, workers):
    folders(tmp_path)
    opt = make_options(dataroot=str(tmp_path), num_threads=workers)
    dataset = data.create_dataset(opt, augment=False)
    truncate(tmp_path / "test/B/2.png")
    with pytest.raises(UserError, match="^[^\n]*test/B/2.png could not be[^\n]*$"):
        list(data.create_loader(dataset, opt, train=False))
    save(paint(1, "B", (30, 16)), tmp_path / "test/B/2.png")
    with pytest.raises(UserError, match="B/2.png has 30x16 pixels where 24x16 were found at the start"):
        dataset[1]
