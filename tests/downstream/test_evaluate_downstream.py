"""scripts/evaluate_downstream.py as users call it: networks that learn here, tables, and mistakes in a sentence."""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import shapes
import tiny
import torch
from commands import REPOSITORY, call, environment, run, torchrun

from data.fused_folders import FusedFolder
from downstream.labels import Labels
from downstream.loops import rate_factor, score_network
from downstream.networks import build_network, save_weights
from downstream.tasks import Segmentation
from util.errors import UserError

SCRIPT = "scripts/evaluate_downstream.py"
HERE = ["--num_threads", "0", "--gpu_ids", "-1"]


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """Make the generated set, to learn from and to test on."""
    root = tmp_path_factory.mktemp("downstream")
    shapes.make_set(root / "train", range(48))
    shapes.make_set(root / "test", range(100, 124))
    return root


def fused(folder: Path, *methods: str) -> list[str]:
    return ["--fused", *(f"{method}={folder / method}" for method in methods)]


def read_table(out: Path) -> dict[str, dict[str, float]]:
    with open(out / "metrics.csv", encoding="utf-8", newline="") as handle:
        return {row.pop("method"): {key: float(value) for key, value in row.items()} for row in csv.DictReader(handle)}


@pytest.fixture(scope="module")
def detector(world) -> Path:
    """Train a detector on good pictures; return the file of its weights."""
    done = run(
        str(REPOSITORY / SCRIPT), "detection", "--train", *fused(world / "train", "maximum"),
        "--labels", world / "train" / "boxes.json", "--model", "retinanet_small", "--min_size", "96", "--epochs", "12",
        "--out", world / "detection", *HERE,
    )  # fmt: skip
    assert "epoch 12/12" in done.stdout
    return world / "detection" / "weights" / "maximum.pth"


@pytest.fixture(scope="module")
def segmenters(world) -> Path:
    """Train a segmentation network on the pictures of two methods; return the folder of results."""
    run(
        str(REPOSITORY / SCRIPT), "segmentation", "--train", *fused(world / "train", "maximum", "noise"),
        "--labels", world / "train" / "maps", "--model", "fcn_small", "--classes", "ground,square,disk",
        "--epochs", "12", "--lr", "0.1", "--out", world / "segmentation", *HERE,
    )  # fmt: skip
    return world / "segmentation"


def test_detection_tells_good_pictures_from_noise(world, detector):
    out = world / "detected"
    done = run(
        str(REPOSITORY / SCRIPT), "detection", *fused(world / "test", "noise", "maximum", "visible"),
        "--labels", world / "test" / "voc", "--weights", detector, "--out", out, *HERE,
    )  # fmt: skip
    table = read_table(out)
    assert list(table) == ["noise", "maximum", "visible"] and list(table["noise"]) == ["mAP@.5", "disk", "square"]
    assert table["maximum"]["mAP@.5"] > 0.6
    assert table["maximum"]["mAP@.5"] > 0.5 + max(table["noise"]["mAP@.5"], table["visible"]["mAP@.5"])
    for row in table.values():
        assert row["mAP@.5"] == pytest.approx((row["disk"] + row["square"]) / 2)
    printed = done.stdout.split("method ")[1].splitlines()
    assert printed[1].split()[:2] == ["maximum", f"{table['maximum']['mAP@.5']:.3f}"]  # the best comes first

    document = json.loads((out / "metrics.json").read_text("utf-8"))
    assert document["measure"] == "mAP@.5" and "PASCAL VOC 2010" in document["definition"]
    assert len(document["scenes"]) == 24 and document["networks"]["noise"]["model"] == "retinanet_small"
    best = next(method for method in document["methods"] if method["name"] == "maximum")
    objects = [kind for seed in range(100, 124) for kind, _ in shapes.make_scene(seed)[3]]
    assert best["classes"]["square"]["objects"] == objects.count(1)
    assert best["classes"]["disk"]["value"] == table["maximum"]["disk"]


@pytest.fixture
def script(monkeypatch, capsys):
    """Return a function that calls the script in this process and gives what it wrote."""

    def start(*words, status: int = 0) -> tuple[str, str]:
        found, output, errors = call(SCRIPT, *words, *HERE, monkeypatch=monkeypatch, capsys=capsys)
        assert found == status, output + errors
        return output, errors

    return start


def test_segmentation_networks_of_each_method(world, segmenters, script):
    words = ["segmentation", *fused(world / "test", "maximum", "noise"), "--labels", world / "test" / "maps"]
    script(*words, "--out", segmenters)
    table = read_table(segmenters)
    assert list(table["noise"]) == ["mIoU", "ground", "square", "disk"]
    assert table["maximum"]["mIoU"] > 0.6 and table["maximum"]["mIoU"] > 0.2 + table["noise"]["mIoU"]
    confusion = np.array(json.loads((segmenters / "metrics.json").read_text())["methods"][0]["confusion"])
    assert confusion.sum() == 24 * shapes.SIDE**2

    # Two processes take a method each, and find the same to the last digit.
    again = world / "two_processes"
    torchrun(2, str(REPOSITORY / SCRIPT), *words, "--weights", segmenters / "weights", "--out", again, *HERE)
    assert (again / "metrics.csv").read_bytes() == (segmenters / "metrics.csv").read_bytes()


def test_what_has_been_trained_is_kept_and_other_settings_are_refused(world, segmenters, script):
    before = (segmenters / "weights" / "maximum.pth").read_bytes()
    words = [
        "segmentation", "--train", *fused(world / "train", "maximum", "noise"), "--labels", world / "train" / "maps",
        "--model", "fcn_small", "--classes", "ground,square,disk", "--epochs", "12", "--out", segmenters,
    ]  # fmt: skip
    output, _ = script(*words, "--lr", "0.1")
    assert output.count("is kept") == 2
    _, errors = script(*words, "--lr", "0.2", status=2)
    assert "lr 0.1, now 0.2" in errors and "--overwrite" in errors
    assert (segmenters / "weights" / "maximum.pth").read_bytes() == before


def test_equal_seeds_give_equal_networks(world, script, tmp_path):
    words = ["segmentation", "--train", *fused(world / "test", "maximum"), "--labels", world / "test" / "maps"]
    words += ["--model", "fcn_small", "--classes", "3", "--epochs", "1"]
    for out, seed in (("a", "5"), ("b", "5"), ("c", "6")):
        script(*words, "--out", tmp_path / out, "--seed", seed)
    first, again, other = (
        torch.load(tmp_path / out / "weights" / "maximum.pth", weights_only=True)["state_dict"]["classifier.4.bias"]
        for out in "abc"
    )
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_lists_and_missing_pictures(world, segmenters, script, tmp_path):
    shutil.copytree(world / "test" / "maximum", tmp_path / "some")
    for seed in (100, 101):
        (tmp_path / "some" / "images" / f"{seed}_fused.png").unlink()
    tiny.write(tmp_path / "some" / "images" / "102_fused.png", np.zeros((48, 48), np.uint8))
    weights = segmenters / "weights" / "maximum.pth"
    words = ["segmentation", "--fused", f"some={tmp_path / 'some'}", f"all={world / 'test' / 'maximum'}"]
    words += ["--labels", world / "test" / "maps", "--weights", weights, "--out", tmp_path / "out"]

    _, errors = script(*words, status=2)
    assert "some: 2 of 24 labelled scenes have no picture" in errors and "100, 101" in errors
    assert "102 (48x48, labelled at 96x96)" in errors and "--list" in errors and "--skip_bad" in errors
    assert not (tmp_path / "out").exists()

    script(*words, "--skip_bad")
    document = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert document["scenes"] == [str(seed) for seed in range(103, 124)]
    assert document["methods"][0]["classes"] == document["methods"][1]["classes"]

    (tmp_path / "list.txt").write_text("103.png\n110.png\n")
    _, errors = script(*words, "--list", tmp_path / "list.txt")
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["scenes"] == ["103", "110"]
    assert "have no labels" not in errors  # what the list leaves out is no stranger


@pytest.mark.parametrize("workers", [0, 1])
def test_a_file_that_turns_bad_on_the_way_is_told_without_a_traceback(world, tmp_path, workers):
    scenes = Segmentation().read_labels(world / "test" / "maps").scenes[:2]
    tiny.write(tmp_path / "100.png", np.zeros((96, 96), np.uint8))
    (tmp_path / "101.png").write_bytes(b"letters")
    pictures = FusedFolder("m", tmp_path, {name: tmp_path / f"{name}.png" for name in ("100", "101")})
    opt = argparse.Namespace(device="cpu", num_threads=workers, batch_size=1, seed=0)
    labels = Labels(tmp_path, scenes, tuple("abc"))
    with pytest.raises(UserError, match=r"^\S*101\.png could not be decoded"):
        score_network(build_network("fcn_small", 3), pictures, labels, tuple("abc"), Segmentation(), opt)


def test_rate_rises_then_falls():
    rates = [rate_factor(done, 100) for done in range(100)]
    assert rates[0] == pytest.approx(0.1) and max(rates) == pytest.approx(0.91**0.9) == rates[9]
    assert all(later < before for before, later in zip(rates[9:], rates[10:], strict=False)) and rates[-1] < 0.02
    assert rate_factor(999, 100_000) == pytest.approx(1, abs=0.01) and rate_factor(0, 100_000) == 0.001


# Mistakes ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def broken(world) -> Path:
    """Make weights and folders that do not fit."""
    root = world / "broken"
    small = build_network("retinanet_small", 4, 96)
    save_weights(root / "lamp.pth", small, {"model": "retinanet_small", "classes": ["background", "a", "b", "c"]})
    torch.save(small.state_dict(), root / "four.pth")
    save_weights(root / "map.pth", build_network("fcn_small", 3), {"model": "fcn_small"})
    torch.save(torch.nn.Linear(2, 2), root / "code.pth")
    (root / "empty.pth").write_bytes(b"")
    (root / "torn.pth").write_bytes((root / "four.pth").read_bytes()[:5000])
    (root / "nothing").mkdir()
    (root / "list.txt").write_text("100\nsea\n")
    shutil.copy(root / "lamp.pth", root / "nothing" / "maximum.pth")
    torch.save(build_network("retinanet_small", 3, 96).state_dict(), root / "nothing" / "noise.pth")
    return root


DETECT = ["detection", "--fused", "m={root}/test/maximum", "--labels", "{root}/test/boxes.json", "--out", "{root}/no"]
MAPS = ["segmentation", "--fused", "m={root}/test/maximum", "--labels", "{root}/test/maps", "--out", "{root}/no"]
SMALL = ["--model", "retinanet_small"]
BAD = {  # id: (arguments, what the sentence must say)
    "no task": (["--labels", "{root}/test/maps"], ["detection|segmentation"]),
    "unknown task": (["detektion", *DETECT[1:]], ["'detection'"]),
    "unknown flag": ([*DETECT, "--epoch", "3"], ["--epoch", "--epochs"]),
    "no labels": (DETECT[:3], ["--labels"]),
    "no pictures": (["detection", *DETECT[3:]], ["--fused NAME=FOLDER"]),
    "method named twice": ([*DETECT, "--fused", "M={root}/test/noise"], ["m, M", "twice"]),
    "no weights": (DETECT, ["no/weights/m.pth is not there", "downloaded", "--train", "--weights"]),
    "weights are not there": ([*DETECT, "--weights", "{root}/x.pth"], ["x.pth is not there", "--weights"]),
    "weights to begin with are not there": ([*DETECT, "--train", "--weights", "{root}/x.pth"], ["x.pth is not there"]),
    "no weights for one method": (
        ["detection", "--fused", "maximum={root}/test/maximum", "visible={root}/test/visible", *DETECT[3:],
         "--weights", "{root}/broken/nothing"],
        ["nothing/visible.pth is not there"],
    ),
    "empty weights": ([*DETECT, "--weights", "{root}/broken/empty.pth"], ["empty.pth is an empty file"]),
    "torn weights": ([*DETECT, "--weights", "{root}/broken/torn.pth"], ["torn.pth"]),
    "weights with code": ([*DETECT, "--weights", "{root}/broken/code.pth"], ["code.pth", "pickled code"]),
    "weights of other classes": ([*DETECT, "--weights", "{root}/broken/lamp.pth"], ["square, disk", "knows a, b, c"]),
    "weights of more classes": (
        [*DETECT, *SMALL, "--weights", "{root}/broken/four.pth"],
        ["another number of classes", "48 rows", "3 classes", "need 36", "--classes"],
    ),
    "weights of another model": ([*DETECT, "--weights", "{root}/broken/four.pth"], ["not of --model fasterrcnn"]),
    "weights of the other task": ([*DETECT, "--weights", "{root}/broken/map.pth"], ["fcn_small", "not for detection"]),
    "two sets of classes": (
        ["detection", "--fused", "maximum={root}/test/maximum", "noise={root}/test/noise", *DETECT[3:], *SMALL,
         "--weights", "{root}/broken/nothing"],
        ["a, b, c", "(not named)", "same classes"],
    ),
    "model of the other task": ([*DETECT, "--model", "fcn_resnet50"], ["fcn_resnet50 is not for detection"]),
    "unknown model": ([*DETECT, "--model", "yolov5"], ["yolov5", "fasterrcnn_resnet50_fpn"]),
    "size of a model that has its own": ([*DETECT, "--model", "ssd300_vgg16", "--min_size", "96"], ["--min_size 96"]),
    "training flag without training": ([*DETECT, "--epochs", "3"], ["--epochs is for training", "--train"]),
    "epochs of none": ([*DETECT, "--train", "--epochs", "0"], ["--epochs", "at least 1"]),
    "number of classes for a detector": ([*DETECT, "--train", "--classes", "3"], ["--classes 3", "named"]),
    "class names twice": ([*DETECT, "--train", "--classes", "a,b,A"], ["--classes", "each once"]),
    "labels name an unknown class": ([*DETECT, "--train", "--classes", "square"], ["disk", "--classes"]),
    "labels are not there": ([*DETECT[:4], "{root}/x", "--train"], ["--labels", "no such file or folder"]),
    "labels of nothing": ([*DETECT[:4], "{root}/broken/nothing", "--train"], ["no xml file"]),
    "label maps for detection": ([*DETECT[:4], "{root}/test/maps", "--train"], ["no xml file"]),
    "boxes for segmentation": ([*MAPS[:4], "{root}/test/voc", "--train"], ["no label map"]),
    "number of classes is not told": ([*MAPS, "--train"], ["--classes"]),
    "fewer classes than indices": ([*MAPS, "--train", "--classes", "2"], ["the index 2", "2 classes", "--classes"]),
    "batch of one": ([*MAPS, "--train", "--classes", "3", "--batch_size", "1"], ["--batch_size 2"]),
    "pictures are not there": (["detection", "--fused", "m={root}/x", *DETECT[3:], "--train"], ["--fused m=", "no"]),
    "pictures of other scenes": (
        ["detection", "--fused", "m={root}/train/maximum", *DETECT[3:], "--train"],
        ["000_fused.png", "100"],
    ),
    "list of strangers": ([*DETECT, "--train", "--list", "{root}/broken/list.txt"], ["list.txt", "sea"]),
    "list is not there": ([*DETECT, "--train", "--list", "{root}/x"], ["--list", "could not be read"]),
    "out is a file": ([*DETECT[:-1], "{root}/test/boxes.json", "--train"], ["boxes.json is a file", "--out"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.replace(" ", "_"))
def test_bad_input_ends_in_one_sentence(case, world, broken, script):
    arguments, said = BAD[case]
    before = sorted(world.rglob("*"))
    _, errors = script(*(word.format(root=world) for word in arguments), status=2)
    sentences = [line for line in errors.splitlines() if line.startswith("evaluate_downstream.py: error: ")]
    assert len(sentences) == 1 and errors.splitlines()[-1] == sentences[0], errors
    for words in said:
        assert words in sentences[0], sentences[0]
    assert sorted(world.rglob("*")) == before


@pytest.mark.parametrize("words", [["--help"], ["detection", "--fused", "m=/no", "--labels", "/no", "--train"]])
def test_help_and_refusals_do_not_load_torch(words):
    probe = (
        f"import sys, runpy; sys.argv = ['{SCRIPT}', *{words!r}]\n"
        f"try: runpy.run_path('{SCRIPT}', run_name='__main__')\n"
        "except SystemExit: print('torch' in sys.modules or 'torchvision' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, cwd=REPOSITORY, env=environment()
    )
    assert done.stdout.splitlines()[-1] == "False", done.stderr
