"""Patches of photographs: blur and gradients by their formulas, fixed and random blocks, hold-out, prepared files."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from commands import call
from data_options import make_options
from scipy import ndimage

from data.blur_patches_dataset import RECORD, BlurPatchesDataset, hold_out
from data.synthesis.blur_patches import (
    KERNELS,
    cut_blocks,
    draw_places,
    find_planes,
    lay_out,
    list_places,
    make_planes,
    read_gray,
)
from models.sharpness import decide
from tests.tiny import make_image, write
from util.errors import UserError

SCRIPT = "scripts/make_blur_patches.py"


@pytest.fixture
def photographs(tmp_path):
    """Four photographs of 80x70 pixels, colour and gray."""
    folder = tmp_path / "photographs"
    for seed in range(4):
        image = make_image(seed, 70, 80)
        write(folder / f"photo{seed}.png", image if seed % 2 else image[..., 0])
    return folder


def open_dataset(folder, *, augment, phase="train", **changes) -> BlurPatchesDataset:
    own = {"patches_per_photo": 5, "min_std": 0.0, "hold_out": 0.0}
    opt = make_options()
    vars(opt).update({**own, **changes})
    return BlurPatchesDataset(opt, folder, phase, augment)


@pytest.mark.parametrize("kernel", KERNELS)
def test_blur_is_the_truncated_gaussian(kernel):
    gray = make_image(3, 41, 50)[..., 0]
    places = np.arange(kernel) - kernel // 2
    weights = np.exp(-(places**2) / (2 * 9.0**2))
    weights /= weights.sum()
    expected = ndimage.correlate(gray.astype(np.float64), np.outer(weights, weights), mode="nearest")
    sharp, blurred = make_planes(gray, kernel)
    np.testing.assert_array_equal(sharp[0], gray)
    assert np.abs(blurred[0] - expected).max() <= 0.5 + 1e-3


def test_gradients_are_cast_as_the_classifier_casts_them():
    gray = make_image(5, 40, 33)[..., 1]
    horizontal = ndimage.correlate(gray.astype(int), [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], mode="nearest")
    planes = find_planes(gray)
    np.testing.assert_array_equal(planes[1], np.clip(horizontal, 0, 255))
    assert horizontal.min() < 0 and horizontal.max() > 255
    at_test = decide.find_planes(torch.from_numpy(gray).float()[None, None])
    np.testing.assert_array_equal(at_test[0].numpy(), planes)


def test_blocks_are_cut_and_laid_out_in_order():
    planes = np.arange(3 * 70 * 80).reshape(3, 70, 80)
    rows, columns = list_places(70, 80)
    assert list(zip(rows, columns, strict=True)) == [(0, 0), (0, 32), (32, 0), (32, 32)]
    row = lay_out(cut_blocks(planes, rows, columns))
    assert row.shape == (3, 32, 128)
    np.testing.assert_array_equal(row[:, :, 32:64], planes[:, 0:32, 32:64])


def test_flat_blocks_are_left_out_while_there_are_others():
    gray = np.full((64, 200), 90, np.uint8)
    gray[:, 100:] = np.random.default_rng(0).integers(0, 256, (64, 100))
    for min_std, all_textured in ((0.0, False), (2.0, True)):
        rows, columns = draw_places(gray, 40, np.random.default_rng(1), min_std)
        deviations = cut_blocks(gray[None], rows, columns).std((1, 2, 3))
        assert bool((deviations >= 2).all()) is all_textured
    assert len(draw_places(np.zeros((40, 40), np.uint8), 7, np.random.default_rng(1), 2.0)[0]) == 7


def test_training_samples_are_random_and_reproducible(photographs):
    dataset = open_dataset(photographs, augment=True)
    first, again, next_epoch = dataset[(1, 2)], dataset[(1, 2)], dataset[(2, 2)]
    assert first["A"].shape == first["B"].shape == (3, 32, 160) and first["A"].dtype == torch.float32
    assert dataset.output_size(2) == (160, 32)
    assert first["kernel"] in KERNELS and 0 <= first["A"].min() and first["A"].max() <= 1
    assert torch.equal(first["A"], again["A"]) and torch.equal(first["B"], again["B"])
    assert not torch.equal(first["A"], next_epoch["A"])
    sharp, blurred = (sample[0].unflatten(1, (5, 32)).std((0, 2)) for sample in (first["A"], first["B"]))
    assert (blurred < sharp).all()
    assert {dataset[(epoch, 0)]["kernel"] for epoch in range(40)} == set(KERNELS)


def test_validation_is_every_block_with_every_kernel(photographs):
    dataset = open_dataset(photographs, augment=False)
    assert len(dataset) == 16 and len({pair.name for pair in dataset.pairs}) == 16
    assert [dataset[index]["kernel"] for index in range(4)] == list(KERNELS)
    sample = dataset[1]
    assert sample["A"].shape == (3, 32, 4 * 32) and dataset.output_size(1) == (128, 32)
    gray = read_gray(photographs / "photo0.png")
    np.testing.assert_array_equal((255 * sample["A"][0, :, :32]).round().numpy(), gray[:32, :32])


def test_photographs_are_trained_on_or_held_out(photographs):
    files = sorted(photographs.iterdir())
    share = next(share / 10 for share in range(1, 9) if 0 < len(hold_out(files, share / 10, wanted=True)) < 4)
    trained = {pair.path for pair in open_dataset(photographs, augment=True, hold_out=share).pairs}
    held = {pair.path for pair in open_dataset(photographs, augment=False, hold_out=share).pairs}
    assert trained | held == set(files) and not trained & held
    assert hold_out(files[1:], share, wanted=True) == [path for path in files[1:] if path in held]


def test_prepared_patches_are_those_made_on_the_spot(photographs, tmp_path, monkeypatch, capsys):
    out = tmp_path / "patches"
    words = ["--images", photographs, "--out", out, "--jobs", "1"]
    status, output, errors = call(SCRIPT, *words, monkeypatch=monkeypatch, capsys=capsys)
    assert status == 0 and "16 new files" in output, errors
    assert json.loads((out / "val" / RECORD).read_text())["kernels"] == list(KERNELS)
    prepared = open_dataset(out, augment=False, phase="val")
    direct = open_dataset(photographs, augment=False)
    assert [pair.name for pair in prepared.pairs] == [pair.name for pair in direct.pairs]
    for index in range(16):
        ours, theirs = prepared[index], direct[index]
        assert torch.equal(ours["A"], theirs["A"]) and torch.equal(ours["B"], theirs["B"])
        assert ours["kernel"] == theirs["kernel"]
    training = open_dataset(out, augment=True, phase="val")[(1, 0)]
    assert training["A"].shape == (3, 32, 160)
    status, output, _ = call(SCRIPT, *words, monkeypatch=monkeypatch, capsys=capsys)
    assert status == 0 and "0 new files and 16 that were there" in output


def test_a_set_is_chosen_by_flags(photographs, tmp_path, monkeypatch, capsys):
    out = tmp_path / "patches"
    words = ["--images", photographs, "--out", out, "--jobs", "1", "--one_kernel", "--per_photo", "2", "--limit", "3"]
    status, output, errors = call(SCRIPT, *words, monkeypatch=monkeypatch, capsys=capsys)
    assert status == 0 and "3 new files" in output, errors
    dataset = open_dataset(out, augment=False, phase="val")
    assert len(dataset) == 3 and dataset[0]["A"].shape == (3, 32, 64)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--images", "nowhere"], ["--images nowhere", "no such folder"]),
        (["--kernels", "9", "10"], ["--kernels 10", "odd"]),
        (["--phase", "tset"], ["--phase", "'tset'"]),
        (["--hold_out", "2"], ["--hold_out", "0 to 0.9"]),
        (["--min_std", "5"], ["other settings", "--overwrite"]),
    ],
)
def test_bad_input_of_the_script_ends_in_a_sentence(words, said, photographs, tmp_path, monkeypatch, capsys):
    out = tmp_path / "patches"
    (out / "val").mkdir(parents=True)
    (out / "val" / RECORD).write_text("{}")
    words = ["--images", photographs, "--out", out, "--jobs", "1", *words]
    status, _, errors = call(SCRIPT, *words, monkeypatch=monkeypatch, capsys=capsys)
    assert status == 2 and len(errors.splitlines()) == 1
    assert all(word in errors for word in said), errors


def test_bad_photographs_are_refused_or_left_out(photographs):
    write(photographs / "small.png", make_image(9, 20, 80))
    (photographs / "text.png").write_text("no image")
    with pytest.raises(UserError, match=r"small\.png \(80x20\).*--skip_bad"):
        open_dataset(photographs, augment=True)
    dataset = open_dataset(photographs, augment=True, skip_bad=True)
    assert len(dataset) == 4 and len(dataset.skipped) == 2
    with pytest.raises(UserError, match="no image is in"):
        open_dataset(photographs.parent / "nothing", augment=True)
    with pytest.raises(UserError, match="--model blurcnn, no pairs for r2gan"):
        open_dataset(photographs, augment=True, model="r2gan", skip_bad=True)
