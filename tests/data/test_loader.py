"""Loaders: resumable to the sample, the same for every worker count, and each test image exactly once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from data_options import make_options
from layout_samples import paint, same, save, two_folders
from PIL import Image

import data
from data.sampler import TestBatches, TrainSampler
from util.errors import UserError

TRAINING = dict(phase="train", preprocess="crop", crop_size=16, flip_vertical=True, rotate="quarter", batch_size=3)


@pytest.fixture
def textured(tmp_path):
    """Eleven pairs of noise, so that every crop and flip differs."""
    noise = np.random.default_rng(2)
    for place in range(11):
        for side in ("A", "B", "GT"):
            pixels = noise.integers(0, 256, (24, 30, 3), dtype=np.uint8)
            save(Image.fromarray(pixels), tmp_path / "train" / side / f"{place}.png")
    return tmp_path


def train_loader(root, **changes):
    opt = make_options(dataroot=str(root), **{**TRAINING, **changes})
    return data.create_loader(data.create_dataset(opt, augment=True), opt, train=True)


def run(loader, epoch, consumed=0):
    loader.sampler.set_position(epoch, consumed)
    return list(loader)


def equal(first, second) -> bool:
    return len(first) == len(second) and all(
        one["name"] == other["name"] and all(torch.equal(one[side], other[side]) for side in ("A", "B", "GT"))
        for one, other in zip(first, second, strict=True)
    )


def test_batches_keep_the_contract(textured):
    batches = run(train_loader(textured), 1)
    assert [len(batch["name"]) for batch in batches] == [3, 3, 3, 2]
    first = batches[0]
    assert first["A"].shape == first["B"].shape == first["GT"].shape == (3, 3, 16, 16)
    assert first["A"].dtype == torch.float32 and first["A_gray"].dtype == torch.bool
    assert all(isinstance(text, str) for key in ("name", "A_path", "B_path", "GT_path") for text in first[key])
    assert sorted(name for batch in batches for name in batch["name"]) == sorted(map(str, range(11)))


def test_worker_count_and_resume_change_nothing(textured):
    reference = train_loader(textured, num_threads=0)
    epochs = [run(reference, 1), run(reference, 2)]
    assert not equal(*epochs), "epochs are shuffled and augmented anew"
    with_workers = train_loader(textured, num_threads=2)
    assert equal(run(with_workers, 1), epochs[0]) and equal(run(with_workers, 2), epochs[1])
    assert equal(run(with_workers, 2, consumed=6), epochs[1][2:])
    assert equal(run(train_loader(textured), 2, consumed=6), epochs[1][2:])
    assert not equal(run(train_loader(textured, seed=1), 1), epochs[0])


def test_an_interrupted_epoch_leaves_the_next_one_whole(textured):
    loader = train_loader(textured, num_threads=2)
    loader.sampler.set_position(1)
    next(iter(loader))
    assert equal(run(loader, 2), run(train_loader(textured), 2))


def test_serial_batches_keep_the_order(textured):
    names = [name for batch in run(train_loader(textured, serial_batches=True), 4) for name in batch["name"]]
    assert names == [str(place) for place in range(11)]


@pytest.mark.parametrize("workers", [0, 1])
def test_iterating_leaves_the_global_random_state_alone(textured, workers):
    loader = train_loader(textured, num_threads=workers)
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()
    run(loader, 1)
    assert torch.equal(before[0], torch.get_rng_state()) and before[1] == np.random.get_state()[1].tolist()


@pytest.mark.parametrize(("length", "ranks"), [(11, 2), (12, 4), (1, 3), (7, 1)])
def test_ranks_share_one_permutation_in_equal_parts(length, ranks):
    samplers = [TrainSampler(length, seed=3, rank=rank, world_size=ranks) for rank in range(ranks)]
    drawn = [list(sampler) for sampler in samplers]
    assert {len(part) for part in drawn} == {len(sampler) for sampler in samplers} == {-(-length // ranks)}
    indices = [index for part in drawn for _, index in part]
    assert set(indices) == set(range(length)) and len(indices) - length < ranks
    assert {epoch for part in drawn for epoch, _ in part} == {1}
    samplers[0].set_position(1, consumed=1)
    assert list(samplers[0]) == drawn[0][1:] and len(samplers[0]) == len(drawn[0]) - 1


@pytest.mark.parametrize(("repeats", "prelude", "ranks"), [(3, 0, 1), (1, 6, 1), (2, 5, 2), (1, 30, 2)])
def test_a_prelude_comes_before_the_pass_and_repeats_are_new_samples(repeats, prelude, ranks):
    length = 11
    samplers = [TrainSampler(length, 3, rank=rank, world_size=ranks, repeats=repeats) for rank in range(ranks)]
    for sampler in samplers:
        sampler.prelude = prelude
    drawn = [list(sampler) for sampler in samplers]
    assert {len(part) for part in drawn} == {len(sampler) for sampler in samplers}
    first = [key for part in drawn for key in part[:prelude]]
    rest = [key for part in drawn for key in part[prelude:]]
    assert len(set(rest)) == length * repeats and not set(first) & set(rest)  # each with an augmentation of its own
    assert sorted(index for _, index in set(rest)) == sorted([*range(length)] * repeats)
    assert len(set(first)) == min(prelude * ranks, length * repeats)
    samplers[0].set_position(1, consumed=prelude + 2)
    assert list(samplers[0]) == drawn[0][prelude + 2 :]
    samplers[0].set_position(2)
    assert [index for _, index in samplers[0]] != [index for _, index in drawn[0]]


def test_every_sample_of_a_pair_is_cut_anew(textured):
    batches = run(train_loader(textured, samples_per_pair=2, batch_size=1), 1)
    by_name: dict[str, list[torch.Tensor]] = {}
    for batch in batches:
        by_name.setdefault(batch["name"][0], []).append(batch["A"])
    assert len(by_name) == 11 and all(len(crops) == 2 for crops in by_name.values())
    assert sum(torch.equal(*crops) for crops in by_name.values()) <= 1


def test_data_sets_are_joined(textured, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    two_folders("A", "B", same("x", "y", "z"))(other / "train")
    opt = make_options(dataroot=str(textured), **TRAINING)
    parts = [data.create_dataset(opt, dataroot=root, augment=True) for root in (textured, other)]
    joined = data.JoinedDataset(parts)
    assert len(joined) == 14 and not joined.has_gt  # the second has none
    for index in (0, 10, 11, 13):
        part, place = (parts[0], index) if index < 11 else (parts[1], index - 11)
        sample = joined[(2, index)]
        assert sample["name"] == part.pairs[place].name == joined.pairs[index].name
        assert torch.equal(sample["B"], part[(2, place)]["B"]) and "GT" not in sample
        assert joined.output_size(index) == (16, 16)
    assert len(list(data.create_loader(joined, opt, train=True))) == 5


@pytest.mark.parametrize("ranks", [1, 2, 3, 40])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_each_test_image_once_over_all_ranks(tmp_path, ranks, batch_size):
    sizes = [(24, 16)] * 5 + [(16, 24)] + [(24, 16)] * 2 + [(8, 8)] * 6
    for place, size in enumerate(sizes):
        for side in ("A", "B"):
            save(paint(place, side, size), tmp_path / side / f"{place}.png")
    opt = make_options(dataroot=str(tmp_path), batch_size=batch_size)
    dataset = data.create_dataset(opt, augment=False)
    shares = [list(TestBatches(dataset, batch_size, rank, ranks)) for rank in range(ranks)]
    assert [index for share in shares for batch in share for index in batch] == list(range(len(sizes)))
    for batch in (batch for share in shares for batch in share):
        assert len(batch) <= batch_size and len({sizes[index] for index in batch}) == 1
    if ranks == 1:
        assert [len(batch) for batch in shares[0]] == ([1] * 14 if batch_size == 1 else [4, 1, 1, 2, 4, 2])
        loaded = list(data.create_loader(dataset, opt, train=False))
        assert [name for batch in loaded for name in batch["name"]] == [str(place) for place in range(len(sizes))]


def test_shares_have_about_as_many_pixels_and_leave_out_what_is_done(tmp_path):
    sizes = [(32, 16)] * 4 + [(16, 16)] * 8
    for place, size in enumerate(sizes):
        for side in ("A", "B"):
            save(paint(place, side, size), tmp_path / side / f"{place:02d}.png")
    dataset = data.create_dataset(make_options(dataroot=str(tmp_path)), augment=False)

    def share(batch_size: int, done: set[int]) -> list[list[list[int]]]:
        return [list(TestBatches(dataset, batch_size, rank, 2, done)) for rank in range(2)]

    assert share(1, set()) == [[[0], [1], [2], [3]], [[number] for number in range(4, 12)]]
    assert share(1, {0, 1, 2, 3}) == [[[4], [5], [6], [7]], [[8], [9], [10], [11]]]
    # What shares a batch with unfinished ones comes again: a batch is the same whenever it is fused.
    assert share(4, {1, 2, 4, 5, 6, 7}) == [[[0, 1, 2, 3]], [[8, 9, 10, 11]]]
    assert share(4, set(range(12))) == [[], []]


def test_resizing_at_test_makes_full_batches(tmp_path):
    for place, size in enumerate([(24, 16), (16, 24), (9, 9)]):
        for side in ("A", "B"):
            save(paint(place, side, size), tmp_path / side / f"{place}.png")
    opt = make_options(dataroot=str(tmp_path), batch_size=3, load_size=32)
    (batch,) = data.create_loader(data.create_dataset(opt, augment=False), opt, train=False)
    assert batch["A"].shape == (3, 3, 32, 32)


def test_gray_is_judged_by_pixels(tmp_path):
    gray = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16), dtype=np.uint8))
    save(gray, tmp_path / "ir/1.png")
    save(gray.convert("RGB"), tmp_path / "vis/1.png")
    save(gray.convert("RGB"), tmp_path / "ir/2.png")
    save(paint(1, "B", (16, 16)), tmp_path / "vis/2.png")
    opt = make_options(dataroot=str(tmp_path), batch_size=2)
    (batch,) = data.create_loader(data.create_dataset(opt, augment=False), opt, train=False)
    assert batch["A_gray"].tolist() == [True, True] and batch["B_gray"].tolist() == [True, False]
    assert torch.equal(batch["A"][0], batch["B"][0]) and batch["A"].shape == (2, 3, 16, 16)


def test_training_batches_of_mixed_sizes_are_refused_at_once(tmp_path):
    two_folders("A", "B", same("1", "2"))(tmp_path)
    for side in ("A", "B"):
        save(paint(2, side, (30, 30)), tmp_path / side / "3.png")
    opt = make_options(dataroot=str(tmp_path), batch_size=2)
    dataset = data.create_dataset(opt, augment=True)
    with pytest.raises(UserError, match=r"2 sizes \(1 24x16, 3 30x30\).*--preprocess crop --crop_size N"):
        data.create_loader(dataset, opt, train=True)
    opt.batch_size = 1
    assert len(list(data.create_loader(dataset, opt, train=True))) == 3
