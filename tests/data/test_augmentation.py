"""Resizing, cropping and augmentation: the same for A, B and GT, and a function of seed, epoch and index alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from data_options import make_options
from PIL import Image

from data.augment import JointTransform, reflect_up_to
from util.errors import UserError

RNG = np.random.default_rng(11)
PICTURE = RNG.integers(0, 256, (60, 90, 3), dtype=np.uint8)
EVERYTHING = dict(preprocess="resize_and_crop", load_size=70, crop_size=48, flip_vertical=True, rotate="quarter")


def transform(images, epoch=1, index=0, augment=True, **options):
    return JointTransform(make_options(**options), augment)(images, epoch, index)


def to_bytes(tensor) -> np.ndarray:
    return np.rint(tensor.permute(1, 2, 0).numpy() * 255).astype(np.uint8)


@pytest.mark.parametrize("index", range(12))
def test_equal_images_stay_equal(index):
    a, b, gt = transform([PICTURE, PICTURE.copy(), PICTURE.copy()], index=index, **EVERYTHING)
    assert a.shape == (3, 48, 48) and a.dtype == torch.float32 and 0 <= a.min() and a.max() <= 1
    assert torch.equal(a, b) and torch.equal(a, gt)


@pytest.mark.parametrize("index", range(6))
def test_images_of_different_depth_are_cut_alike(index):
    deep = PICTURE.astype(np.uint16) * 257  # the same fractions of full scale
    a, b = transform([PICTURE, deep], index=index, preprocess="crop", crop_size=32, rotate="quarter")
    assert torch.allclose(a, b, atol=1e-6)
    gray, colour = transform([PICTURE[..., 1], PICTURE], index=index, preprocess="crop", crop_size=32)
    assert torch.equal(gray[0], colour[1]) and torch.equal(gray[0], gray[2])


def test_all_eight_positions_of_a_square_occur_and_nothing_else():
    square = PICTURE[:40, :40]
    options = dict(preprocess="crop", crop_size=40, flip_vertical=True, rotate="quarter")
    expected = {np.rot90(image, k).tobytes() for image in (square, square[:, ::-1]) for k in range(4)}
    found = {to_bytes(transform([square], index=index, **options)[0]).tobytes() for index in range(200)}
    assert found == expected


@pytest.mark.parametrize(
    ("options", "count"), [({}, 2), ({"no_flip": True}, 1), ({"no_flip": True, "flip_vertical": True}, 2)]
)
def test_flags_turn_flips_on_and_off(options, count):
    found = [to_bytes(transform([PICTURE], index=index, **options)[0]) for index in range(40)]
    flipped = PICTURE[::-1] if "flip_vertical" in options else PICTURE[:, ::-1]
    assert len({image.tobytes() for image in found}) == count
    assert all(np.array_equal(image, PICTURE) or np.array_equal(image, flipped) for image in found)
    assert abs(sum(np.array_equal(image, flipped) for image in found) - 20 * (count - 1)) < 13


def test_oblong_images_keep_their_size_when_turned():
    shapes = {transform([PICTURE], index=index, rotate="quarter")[0].shape for index in range(20)}
    assert shapes == {(3, 60, 90)}


def test_crops_are_parts_of_the_image_and_reach_every_edge():
    ramp = np.dstack([np.tile(np.arange(90), (60, 1)), np.tile(np.arange(60)[:, None], (1, 90)), np.zeros((60, 90))])
    tops, lefts = set(), set()
    for index in range(400):
        options = dict(preprocess="crop", crop_size=50, no_flip=True)
        crop = to_bytes(transform([ramp.astype(np.uint8)], index=index, **options)[0])
        left, top = crop[0, 0, :2].tolist()
        assert np.array_equal(crop, ramp[top : top + 50, left : left + 50])
        tops.add(top)
        lefts.add(left)
    assert tops == set(range(11)) and {0, 40} <= lefts <= set(range(41)) and len(lefts) > 38


def test_augmentation_depends_on_seed_epoch_and_index_alone():
    reference = transform([PICTURE], 3, 5, seed=1, **EVERYTHING)
    torch.manual_seed(99)
    np.random.seed(99)
    state = torch.get_rng_state(), np.random.get_state()[1].tolist()
    assert torch.equal(reference, transform([PICTURE], 3, 5, seed=1, **EVERYTHING))
    assert torch.equal(state[0], torch.get_rng_state()) and state[1] == np.random.get_state()[1].tolist()
    for epoch, index, seed in ((4, 5, 1), (3, 6, 1), (3, 5, 2)):
        assert not torch.equal(reference, transform([PICTURE], epoch, index, seed=seed, **EVERYTHING))


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (20, 20), (47, 300), (200, 3), (13, 48)])
def test_images_smaller_than_the_crop_are_reflected_up(size):
    small = RNG.integers(0, 256, (*size, 3), dtype=np.uint8)
    a, b = transform([small, small], preprocess="crop", crop_size=48)
    assert a.shape == (3, 48, 48) and torch.equal(a, b)
    assert {*map(tuple, to_bytes(a).reshape(-1, 3))} <= {*map(tuple, small.reshape(-1, 3))}


def test_reflection_is_numpys_where_once_is_enough():
    image = torch.from_numpy(PICTURE).permute(2, 0, 1)
    expected = np.pad(PICTURE, ((5, 5), (10, 11), (0, 0)), mode="reflect")
    assert np.array_equal(reflect_up_to(image, 70, 111).permute(1, 2, 0).numpy(), expected)


@pytest.mark.parametrize("load_size", [31, 64, 256])
@pytest.mark.parametrize("options", [dict(preprocess="resize"), dict(preprocess="none")])
def test_resizing_at_test_is_pillows_bicubic(load_size, options):
    found = to_bytes(transform([PICTURE], augment=False, load_size=load_size, **options)[0])
    expected = Image.fromarray(PICTURE).resize((load_size, load_size), Image.Resampling.BICUBIC)
    difference = np.abs(found.astype(int) - np.asarray(expected))
    assert difference.max() <= 2 and difference.mean() < 0.2  # of noise, the hardest case; both round in integers


def test_deep_images_stay_in_range_when_resized():
    edge = np.zeros((30, 30), np.uint16)
    edge[:, 15:] = 65535
    found = transform([edge], augment=False, preprocess="resize", load_size=64)
    assert found.min() == 0 and found.max() == 1


# CycleGAN's sizes: https://github.com/junyanz/pytorch-CycleGAN-and-pix2pix, data/base_dataset.py, for 90x60 images
SIZES = [
    (dict(preprocess="none"), (90, 60)),
    (dict(preprocess="crop", crop_size=48), (48, 48)),
    (dict(preprocess="resize", load_size=70), (70, 70)),
    (dict(preprocess="resize_and_crop", load_size=70, crop_size=48), (48, 48)),
    (dict(preprocess="resize_and_crop", crop_size=48), (48, 48)),
    (dict(preprocess="scale_width", load_size=45, crop_size=20), (45, 30)),
    (dict(preprocess="scale_width", load_size=45, crop_size=40), (45, 40)),
    (dict(preprocess="scale_width", load_size=90, crop_size=60), (90, 60)),
    (dict(preprocess="scale_width", load_size=100, crop_size=10), (100, 66)),
    (dict(preprocess="scale_width_and_crop", load_size=100, crop_size=50), (50, 50)),
]


@pytest.mark.parametrize(("options", "size"), SIZES)
@pytest.mark.parametrize("augment", [True, False])
def test_sizes_are_as_announced(options, size, augment):
    joint = JointTransform(make_options(**options), augment)
    assert joint.output_size(90, 60) == size
    assert joint([PICTURE], 1, 0).shape == (1, 3, size[1], size[0])


def test_without_augmentation_the_centre_is_cut():
    found = to_bytes(transform([PICTURE], augment=False, preprocess="crop", crop_size=40, rotate="quarter")[0])
    assert np.array_equal(found, PICTURE[10:50, 25:65])


def test_training_at_full_size_ignores_load_size():
    assert transform([PICTURE], preprocess="none", load_size=32).shape == (1, 3, 60, 90)


@pytest.mark.parametrize(
    ("options", "flag"),
    [(dict(preprocess="resize"), "--load_size"), (dict(preprocess="crop", crop_size=0), "--crop_size")],
)
def test_sizes_that_are_off(options, flag):
    with pytest.raises(UserError, match=f"needs {flag} N"):
        JointTransform(make_options(**options), augment=True)
