"""The blur-classifier pipeline as a method: learning, verdicts on flat and other blocks, maps, and its scripts."""

from __future__ import annotations

import csv
import json
import re

import numpy as np
import pytest
import tiny
import torch
from commands import REPOSITORY, call, losses, run, torchrun

import models
from models.blurcnn_model import split_blocks
from models.networks.eresnet import EResNet
from util.errors import UserError
from util.image_io import read_pixels
from util.inference import explain_images, fuse_images

RUN = ["--gpu_ids", "-1", "--num_threads", "0"]


class Oracle(torch.nn.Module):
    """Takes the window with the larger gradients for the sharp one."""

    def compare(self, first, second):
        def logits(a, b):
            difference = a[:, 1:].mean((1, 2, 3)) - b[:, 1:].mean((1, 2, 3))
            return torch.stack([difference, -difference], 1)

        return logits(first, second), logits(second, first)

    def compare_windows(self, first, second, stride=8):
        a, b = (image.unfold(2, 32, stride).unfold(3, 32, stride) for image in (first, second))
        difference = (a[:, 1:] - b[:, 1:]).mean((1, 4, 5))
        return torch.stack([torch.stack([difference, -difference], 1), torch.stack([-difference, difference], 1)], 1)


@pytest.fixture
def model(make_model):
    made = make_model("blurcnn", is_train=False)
    made.net_C = made.networks["C"] = Oracle()
    return made


def test_network_is_the_authors_size(make_model):
    network = make_model("blurcnn").net_C
    assert isinstance(network, EResNet) and sum(p.numel() for p in network.parameters()) == 4_782_850


def test_defaults_are_the_specifications(make_options):
    opt = make_options("blurcnn")
    assert (opt.lr, opt.beta1, opt.weight_decay, opt.n_epochs) == (2e-4, 0.9, 5e-4, 30)
    assert (opt.lr_policy, opt.lr_gamma, opt.dataset_mode) == ("exponential", 0.9, "blur_patches")
    assert opt.batch_size * opt.patches_per_photo * 2 == 64
    assert (opt.work_size, opt.blend, opt.classifier_infrared, opt.vote_stride) == ("456", "hard", "original", 8)
    assert not (opt.grey_everywhere or opt.no_enhance or opt.no_retinex) and opt.retinex_sigma == 300


def test_blocks_are_cut_in_order():
    rows = torch.rand(2, 3, 32, 96)
    blocks = split_blocks(rows)
    assert blocks.shape == (6, 3, 32, 32)
    torch.testing.assert_close(blocks[4, 0], (rows[1, 0, :, 32:64] - 0.45) / 0.1)
    torch.testing.assert_close(blocks[4, 2], (rows[1, 2, :, 32:64] - 0.06) / 0.09)


def test_loss_is_the_cross_entropy_of_both_orders(make_model, make_training_batch):
    model, batch = make_model("blurcnn"), make_training_batch("blurcnn")
    first, second = (split_blocks(batch[key]) for key in "AB")
    stacks = torch.cat([torch.cat([first, second], 2), torch.cat([second, first], 2)])
    with torch.no_grad():
        logits = EResNet.forward(model.net_C.train(), *stacks.split(1, 1))
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor([0] * 6 + [1] * 6))
    model.train_on(batch)
    torch.testing.assert_close(model.loss_C, expected, rtol=1e-4, atol=1e-5)


def test_accuracy_is_told_by_kernel_and_for_flat_blocks(model):
    generator = torch.Generator().manual_seed(0)
    sharp = torch.rand(2, 3, 32, 64, generator=generator)
    blurred = 0.5 * sharp
    sharp[0, 0, :, :32] = 0.5  # a flat block, and the other one of the photograph is told wrong
    sharp[0, :, :, 32:], blurred[0, :, :, 32:] = blurred[0, :, :, 32:].clone(), sharp[0, :, :, 32:].clone()
    batch = {"A": sharp, "B": blurred, "kernel": torch.tensor([9, 15]), "name": ["p", "q"]}
    scores = model.validate([batch, {key: value[1:] for key, value in batch.items()}])
    # Of (flat, wrong), (right, right) and again (right, right), in both orders.
    assert scores == {
        "accuracy": 4 / 5, "accuracy_all": 5 / 6, "accuracy_k9": 0.0, "accuracy_k15": 1.0, "accuracy_flat": 1.0
    }  # fmt: skip
    assert next(iter(scores)) == "accuracy"


def test_the_sharper_source_is_chosen(model):
    visible, infrared = (torch.from_numpy(tiny.make_image(seed, 64, 96) / 255.0).float() for seed in (1, 2))
    blur = torch.nn.AvgPool2d(9, 1, 4, count_include_pad=False)
    visible, infrared = (image.permute(2, 0, 1)[None] for image in (visible, infrared))
    visible[..., 48:] = blur(visible)[..., 48:]
    infrared[..., :48] = blur(infrared)[..., :48]
    batch = {"A": infrared, "B": visible}
    fuse_images(model, infrared, visible)
    maps = explain_images(model, batch)
    assert list(maps) == ["infrared", "visible", "votes", "decision", "before_retinex"]
    assert all(image.shape == (1, 1, 64, 96) and 0 <= image.min() and image.max() <= 1 for image in maps.values())
    assert maps["decision"][..., :30].mean() > 0.9 and maps["decision"][..., 66:].mean() < 0.2
    again = explain_images(model, batch)  # computed anew: fuse() has left nothing for a second time
    assert all(torch.equal(again[name], maps[name]) for name in maps)


def test_maps_are_not_those_of_the_pair_before(model, make_batch):
    first, second = make_batch(1), make_batch(2)
    second = {key: value[1:] for key, value in second.items()}
    fuse_images(model, first["A"], first["B"])
    maps = explain_images(model, second)
    fuse_images(model, second["A"], second["B"])
    assert torch.equal(maps["before_retinex"], explain_images(model, second)["before_retinex"])


@pytest.mark.parametrize(
    "flags",
    [["--no_enhance"], ["--classifier_infrared", "enhanced"], ["--grey_everywhere"], ["--vote_stride", "16"],
     ["--blend", "soft"], ["--no_retinex"], ["--retinex_sigma", "20"], ["--edt_without_zeros", "corner"]],
    ids=lambda flags: flags[0],
)  # fmt: skip
def test_every_open_choice_changes_the_result(flags, make_model, make_batch):
    batch = make_batch(1, 56, 72)
    a, b = batch["A"] * 0.7 + 0.1, batch["B"] * 0.8 + 0.15
    results = []
    for given in ([], flags):
        model = make_model("blurcnn", *given, is_train=False)
        model.net_C = model.networks["C"] = Oracle()
        results.append(fuse_images(model, a, b))
    assert results[0].shape == results[1].shape and not torch.equal(*results)


def test_work_size_of_the_authors_and_the_own_one(model, make_batch):
    batch = make_batch(1, 40, 60)
    sizes = {}

    def spy(first, second, stride=8):
        sizes[len(sizes)] = first.shape[-2:]
        return Oracle().compare_windows(first, second, stride)

    model.net_C.compare_windows = spy
    for side in (0, 456):
        model.settings = model.settings.__class__(work_size=side)
        assert fuse_images(model, batch["A"], batch["B"]).shape == (1, 3, 40, 60)
    assert sizes == {0: (40, 64), 1: (456, 456)}  # to whole strides of 8 beyond the first window


def test_plain_weights_load(make_model, tmp_path):
    trained = make_model("blurcnn")
    path = tmp_path / "eresnet.pth"
    torch.save({f"module.{key}": value for key, value in trained.net_C.state_dict().items()}, path)
    model = make_model("blurcnn", is_train=False)
    model.load_published(path)
    assert torch.equal(model.net_C.fc[0].weight, trained.net_C.fc[0].weight)


def test_the_wrong_kind_of_data_is_refused(make_options):
    blurcnn = models.find_model("blurcnn")

    class Data:
        title, holds_patches = "TNO", False

    with pytest.raises(UserError, match="single photographs, not from pairs.*blur_patches"):
        blurcnn.check_dataset(Data(), make_options("blurcnn"))
    Data.holds_patches = True
    with pytest.raises(UserError, match=r"scripts/score_blur_patches\.py"):
        blurcnn.check_dataset(Data(), make_options("blurcnn", is_train=False))


def test_a_run_from_photographs_to_scores(tmp_path, monkeypatch, capsys):
    """train.py with validation, the accuracy again, every stage by hand, and the controls: all in files."""

    def work(script, *words) -> str:
        status, output, errors = call(script, *words, monkeypatch=monkeypatch, capsys=capsys)
        assert status == 0, output + errors
        return output

    for seed in range(6):
        tiny.write(tmp_path / "photographs" / f"p{seed}.png", tiny.make_image(seed, 40, 66))
    photographs, place = ["--dataroot", tmp_path / "photographs"], ["--name", "run", "--checkpoints_dir", tmp_path]
    output = work(
        "train.py", "--model", "blurcnn", *photographs, "--val_dataroot", tmp_path / "photographs", *place, *RUN,
        "--display_id", "0", "--no_html", "--n_epochs", "1", "--patches_per_photo", "2", "--print_freq", "2",
    )  # fmt: skip
    assert "best accuracy" in output and (tmp_path / "run" / "best_net_C.pth").is_file()
    assert set(losses(tmp_path / "run")[0]["losses"]) == {"C", "accuracy"}
    validated = re.search(r"accuracy_k15 ([\d.]+)", output)[1]
    scores = dict(
        line.split()[:2] for line in work("scripts/score_blur_patches.py", *photographs, *place, *RUN).splitlines()
    )
    assert float(scores["accuracy_k15"]) == pytest.approx(100 * float(validated), abs=0.02)

    pairs = tmp_path / "pairs" / "test"
    for seed, side in ((2, "A"), (3, "B"), (4, "A"), (5, "B")):
        tiny.write(pairs / side / f"pair-{seed // 2 - 1:02d}-{side}.png", tiny.make_image(seed, 40, 48)[..., 1])
    stages, stage = tmp_path / "stages", "scripts/blur_stage.py"
    work(stage, "enhance", "--visible", pairs / "B", "--infrared", pairs / "A", "--out", stages)
    work(stage, "classify", "--visible", stages / "visible", "--infrared", pairs / "A", "--out", stages, *place)
    sources = ["--visible", stages / "visible", "--infrared", stages / "infrared", "--votes", stages / "votes"]
    work(stage, "blend", *sources, "--out", stages)
    work(stage, "retinex", "--images", stages / "blended", "--out", stages)

    results = ["--results_dir", tmp_path / "results"]
    test = ["--dataroot", tmp_path / "pairs", *place, *RUN, *results, "--work_size", "native", "--jobs", "1"]
    work("test.py", *test)
    gallery = tmp_path / "results" / "run" / "test_latest"
    by_hand = sorted((stages / "fused").iterdir())
    for number, path in enumerate(by_hand):
        whole = read_pixels(gallery / "images" / f"pair-{number:02d}_fused.png")
        np.testing.assert_array_equal(read_pixels(path), whole)
    work("scripts/blurcnn_controls.py", *test, "--metrics", "EN,SD")
    with open(tmp_path / "results" / "run_controls" / "pairs_test" / "metrics.csv", newline="") as table:
        methods = {row["method"] for row in csv.DictReader(table)}
    assert methods == {"before_retinex", "after_retinex", "average", "average_retinex"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["blendd", "--out", "x"], ["STAGE", "'blend'"]),
        (["blend", "--visible", "{root}", "--out", "x"], ["--infrared and --votes"]),
        (["enhance", "--visible", "{root}/nowhere", "--out", "x"], ["nowhere", "no such file"]),
        (["enhance", "--visible", "{root}/a", "--infrared", "{root}/b", "--out", "x"], ["1.png", "no partner"]),
        (["enhance", "--visible", "{root}/a", "--infrared", "{root}/b/2.png", "--out", "x"], ["not one of each"]),
        (["enhance", "--visible", "{root}/a/1.png", "--infrared", "{root}/b/2.png", "--out", "x"], ["30x20", "31x20"]),
        (["classify", "--visible", "{root}/a", "--infrared", "{root}/a", "--out", "x", "--checkpoints_dir", "{root}"],
         ["latest_net_C.pth"]),
    ],
)  # fmt: skip
def test_bad_input_of_a_stage_ends_in_a_sentence(words, said, tmp_path, monkeypatch, capsys):
    tiny.write(tmp_path / "a" / "1.png", tiny.make_image(1, 20, 30))
    tiny.write(tmp_path / "b" / "2.png", tiny.make_image(2, 20, 31))
    words = [word.format(root=tmp_path) for word in words]
    monkeypatch.chdir(tmp_path)
    status, _, errors = call("scripts/blur_stage.py", *words, monkeypatch=monkeypatch, capsys=capsys)
    assert status == 2 and len(errors.splitlines()) == 1, errors
    assert all(word in errors for word in said), errors
    assert not (tmp_path / "x").exists()


def test_two_processes_share_photographs_and_scores(tmp_path):
    for seed in range(4):
        tiny.write(tmp_path / "photographs" / f"p{seed}.png", tiny.make_image(seed, 40, 66))
    photographs = tmp_path / "photographs"
    torchrun(
        2, str(REPOSITORY / "train.py"), "--model", "blurcnn", "--dataroot", photographs, "--val_dataroot", photographs,
        "--name", "two", "--checkpoints_dir", tmp_path, *RUN, "--display_id", "0", "--no_html", "--n_epochs", "1",
        "--patches_per_photo", "2", "--print_freq", "2", "--batch_size", "1",
    )  # fmt: skip
    records = losses(tmp_path / "two")
    assert [record["step"] for record in records] == [1, 2] and records[-1]["total_iters"] == 4
    line = json.loads((tmp_path / "two" / "val_log.jsonl").read_text().splitlines()[0])
    place = ["--name", "two", "--checkpoints_dir", tmp_path]
    output = run(str(REPOSITORY / "scripts/score_blur_patches.py"), "--dataroot", photographs, *place, *RUN).stdout
    scores = dict(words[:2] for words in map(str.split, output.splitlines()))  # of one process, on all blocks
    assert {name: f"{100 * value:.2f}" for name, value in line["scores"].items()} == scores
