"""test.py as users call it: what it takes from the run, what a flag changes, and what it leaves on disk."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import tiny
from commands import REPOSITORY, SMALL, call, run
from PIL import Image

from metrics.registry import FAST
from models.r2gan_model import R2GANModel


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory) -> Path:
    """Return the checkpoints of a short run called ``run`` with options that only its own files know."""
    root = tmp_path_factory.mktemp("trained")
    tiny.make_strips(root / "PMF" / "train", 4)
    run(
        str(REPOSITORY / "train.py"),
        "--dataroot",
        root / "PMF",
        "--name",
        "run",
        "--checkpoints_dir",
        root / "checkpoints",
        *SMALL,
        "--ngf",
        "6",
        "--norm",
        "instance",
        "--n_epochs",
        "1",
        "--n_epochs_decay",
        "0",
    )
    return root / "checkpoints"


@pytest.fixture
def test(checkpoints, tmp_path, monkeypatch, capsys):
    """Return a function that tests on a folder and gives the results' folder."""

    def fuse(dataroot: Path, *options: str, status: int = 0) -> Path:
        arguments = [
            "--dataroot",
            str(dataroot),
            "--name",
            "run",
            "--gpu_ids",
            "-1",
            "--results_dir",
            str(tmp_path / "results"),
        ]
        if "--checkpoints_dir" not in options:
            arguments += ["--checkpoints_dir", str(checkpoints)]
        found, output, errors = call("test.py", *arguments, *options, monkeypatch=monkeypatch, capsys=capsys)
        assert found == status, output + errors
        fuse.output = output
        return tmp_path / "results" / "run" / "test_latest"

    return fuse


def read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_name_and_dataroot_are_enough_from_any_folder(checkpoints, tmp_path):
    """With the checkpoints moved, and a process that stands somewhere else."""
    moved = shutil.copytree(checkpoints, tmp_path / "elsewhere")
    tiny.make_pairs(tmp_path / "Lytro" / "test", 3, ((24, 30), (31, 45)))
    (tmp_path / "desk").mkdir()
    run(
        str(REPOSITORY / "test.py"),
        "--dataroot",
        "../Lytro",
        "--name",
        "run",
        "--checkpoints_dir",
        moved,
        "--results_dir",
        "results",
        cwd=tmp_path / "desk",
    )
    folder = tmp_path / "desk" / "results" / "run" / "test_latest"
    assert sorted(path.name for path in (folder / "images").glob("*.png")) == [
        f"pair-{number:02d}_{label}.png" for number in range(3) for label in ("A", "B", "fused")
    ]
    rows = list(csv.reader(open(folder / "metrics.csv")))
    assert rows[0] == ["method", "name", *(name for name in FAST if not name.endswith("_GT"))]
    assert [row[1] for row in rows[1:]] == ["pair-00", "pair-01", "pair-02", "mean", "std", "median"]
    assert {row[0] for row in rows[1:]} == {"run"}
    columns = np.array([row[2:] for row in rows[1:]], float)
    np.testing.assert_allclose(columns[3], columns[:3].mean(0), rtol=1e-12)
    np.testing.assert_allclose(columns[4], columns[:3].std(0, ddof=1), rtol=1e-9)
    np.testing.assert_allclose(columns[5], np.median(columns[:3], 0), rtol=1e-12)


def test_images_have_the_size_of_their_sources(test, tmp_path):
    sizes = ((5, 7), (24, 30), (31, 45), (8, 8), (33, 64))
    tiny.make_pairs(tmp_path / "data", 5, sizes)
    folder = test(tmp_path / "data", "--batch_size", "4")
    for number, size in enumerate(sizes):
        assert read(folder / "images" / f"pair-{number:02d}_fused.png").shape == (*size, 3)


def test_gray_pairs_give_gray_images_in_both_colour_modes(test, tmp_path):
    for number, suffix in enumerate((".png", ".jpg")):
        for side in "AB":
            gray = cv2.cvtColor(tiny.make_image(number, 24, 30), cv2.COLOR_RGB2GRAY)
            # One pair is stored in one channel, the other as three equal ones.
            tiny.write(tmp_path / "data" / side / f"{number}{suffix}", gray if number else np.dstack([gray] * 3))
    for color in ("rgb", "luma"):
        folder = test(tmp_path / "data", "--color", color)
        assert all(read(path).ndim == 2 for path in (folder / "images").glob("*_fused.png"))


def test_flag_given_at_test_wins(test, tmp_path):
    tiny.make_pairs(tmp_path / "data", 1)
    first = read(test(tmp_path / "data") / "images" / "pair-00_fused.png")
    second = read(test(tmp_path / "data", "--color", "luma") / "images" / "pair-00_fused.png")
    assert not np.array_equal(first, second)


def test_luma_keeps_the_chroma_of_the_sources(test, tmp_path):
    """Two sources of one colour: the fused image has their chroma, whatever the network makes of the luminance."""
    colour = np.full((24, 30, 3), (150, 110, 100), np.uint8)
    for side in "AB":
        tiny.write(tmp_path / "data" / side / "x.png", colour)
    fused = read(test(tmp_path / "data", "--color", "luma") / "images" / "x_fused.png")
    inside = (fused.min(-1) > 0) & (fused.max(-1) < 255)
    assert inside.any()
    chroma = cv2.cvtColor(fused, cv2.COLOR_RGB2YCrCb)[inside][:, 1:].astype(int)
    wanted = cv2.cvtColor(colour, cv2.COLOR_RGB2YCrCb)[0, 0, 1:].astype(int)
    assert np.abs(chroma - wanted).max() <= 2


def test_load_size_gives_the_published_protocol(test, tmp_path):
    tiny.make_pairs(tmp_path / "data", 2, ((24, 30), (31, 45)))
    folder = test(tmp_path / "data", "--load_size", "64")
    assert {read(path).shape[:2] for path in (folder / "images").glob("*_fused.png")} == {(64, 64)}


def test_ground_truth_adds_its_metrics(test, tmp_path):
    tiny.make_strips(tmp_path / "PMF" / "test", 2)
    folder = test(tmp_path / "PMF")
    header = (folder / "metrics.csv").read_text().splitlines()[0]
    assert header.endswith("PSNR_GT,SSIM_GT")
    assert (folder / "images" / "strip00_GT.png").is_file()


def test_chosen_metrics_and_number_of_pairs(test, tmp_path):
    tiny.make_pairs(tmp_path / "data", 4)
    folder = test(tmp_path / "data", "--metrics", "MI,EN", "--num_test", "2")
    rows = (folder / "metrics.csv").read_text().splitlines()
    assert rows[0] == "method,name,MI,EN"
    assert [row.split(",")[1] for row in rows[1:]] == ["pair-00", "pair-01", "mean", "std", "median"]


def test_maps_that_a_model_offers_are_columns_of_the_gallery(test, tmp_path, monkeypatch):
    """At the size of the sources, though the network saw padded ones."""
    monkeypatch.setattr(R2GANModel, "explain", lambda self, a, b: {"weight_A": (a[:, :1] > b[:, :1]).float()})
    tiny.make_pairs(tmp_path / "data", 2, ((31, 45),))
    folder = test(tmp_path / "data")
    a, b, weight = (read(folder / "images" / f"pair-01_{label}.png") for label in ("A", "B", "weight_A"))
    assert np.array_equal(weight, (a[..., 0] > b[..., 0]) * np.uint8(255))
    assert "weight_A" in (folder / "index.html").read_text("utf-8")
    assert json.loads((folder / "metrics.json").read_text("utf-8"))["methods"][0]["name"] == "run"


def test_skipped_pairs_are_counted(test, tmp_path):
    data = tiny.make_pairs(tmp_path / "data", 3)
    (data / "B" / "pair-01-B.png").write_bytes(b"")
    folder = test(data, "--skip_bad")
    assert len(list((folder / "images").glob("*_fused.png"))) == 2
    assert "2 pairs fused, 1 left out" in test.output and "pair-01-B.png" in test.output


def test_failed_test_leaves_the_earlier_results(test, tmp_path):
    good = tiny.make_pairs(tmp_path / "good", 2)
    folder = test(good)
    before = (folder / "metrics.csv").read_bytes()
    test(good, "--epoch", "best", status=2)
    assert (folder / "metrics.csv").read_bytes() == before
    test(tiny.make_pairs(tmp_path / "other", 1))
    assert "are replaced" in test.output
    assert len(list((folder / "images").glob("*_fused.png"))) == 1  # nothing of the first data set is left among it


def test_published_commands_run_as_they_are_written(tmp_path, browser, failed_requests):
    """The commands of R2GAN's authors, in a folder laid out as theirs; only the last flags make them short."""
    shutil.copytree(
        REPOSITORY,
        tmp_path / "code",
        ignore=shutil.ignore_patterns(".git", ".venv", "checkpoints", "results", "datasets", "tests", "__pycache__"),
    )
    code = tmp_path / "code"
    tiny.make_strips(code / "datasets" / "PMF" / "train", 8, 64)
    tiny.make_pairs(code / "datasets" / "Lytro" / "test", 2, ((52, 52),))
    train = (
        "train.py --dataroot datasets/PMF --model pix2pix --gpu_ids 0,1 --netG R2GAN_generator --netD pixel "
        "--batch_size 8 --verbose --name PMF_R2GAN"
    )
    short = [
        "--max_steps",
        "2",
        "--ngf",
        "8",
        "--load_size",
        "64",
        "--crop_size",
        "64",
        "--print_freq",
        "8",
        "--update_html_freq",
        "8",
        "--display_id",
        "0",
    ]
    done = run(*train.split(), *short, cwd=code)
    assert "--model r2gan" in done.stdout  # the alias says so
    test = (
        "test.py --dataroot datasets/Lytro --model pix2pix --gpu_ids 0,1 --netG R2GAN_generator --batch_size 8 "
        "--verbose --name PMF_R2GAN --eval"
    )
    run(*test.split(), cwd=code)
    for page in ("results/PMF_R2GAN/test_latest/index.html", "checkpoints/PMF_R2GAN/web/index.html"):
        assert (code / page).is_file()
        browser.get((code / page).as_uri())
        pictures = browser.find_elements("css selector", "img")
        assert pictures and "R2GAN" in browser.title
        assert failed_requests(browser) == []


def test_a_classic_needs_no_run(tmp_path, monkeypatch, capsys):
    """Neither a checkpoint nor a name: the results are called like the method."""
    tiny.make_pairs(tmp_path / "pairs" / "test", 2)
    words = ["--dataroot", str(tmp_path / "pairs"), "--results_dir", str(tmp_path), "--gpu_ids", "-1"]
    for more, name in ((["--model", "focus"], "focus"), (["--model", "focus", "--name", "mine"], "mine")):
        status, output, errors = call("test.py", *words, *more, monkeypatch=monkeypatch, capsys=capsys)
        assert status == 0, output + errors
        images = tmp_path / name / "test_latest" / "images"
        found = {key: read(images / f"pair-00_{key}.png") for key in ("A", "B", "fused", "decision")}
        chosen = np.where(found["decision"][..., None] > 0, found["A"], found["B"])
        assert np.array_equal(found["fused"], chosen)
