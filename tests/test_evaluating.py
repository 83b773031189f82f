"""evaluate.py as users call it: whose pictures are found, what is scored, what is told, and what it leaves on disk."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
import tiny
from commands import REPOSITORY, SMALL, call, run, torchrun
from PIL import Image

import metrics

METHODS = {"average": lambda a, b: (a.astype(int) + b + 1) // 2, "maximum": np.maximum, "first": lambda a, b: a}


def make_methods(root: Path, count: int = 3, size: tuple[int, int] = (40, 50)) -> list[str]:
    """Make a data set of ``count`` pairs and the pictures of three methods; return the words of a command line."""
    for number in range(count):
        a, b, _ = tiny.make_triplet(number, *size)
        tiny.write(root / "data" / "test" / "ir" / f"{number:02d}.png", a)
        tiny.write(root / "data" / "test" / "vis" / f"{number:02d}.png", b)
        for method, fuse in METHODS.items():
            tiny.write(root / method / f"{number:02d}_fused.png", fuse(a, b).astype(np.uint8))
    return ["--dataroot", str(root / "data"), "--fused", *(f"{method}={root / method}" for method in METHODS)]


@pytest.fixture
def evaluate(tmp_path, monkeypatch, capsys):
    """Return a function that evaluates and gives the folder of results; its output is kept on the function."""

    def score(*words: str, status: int = 0) -> Path:
        where = ["--results_dir", str(tmp_path / "results")]
        found, score.output, score.errors = call(
            "evaluate.py", *words, *where, monkeypatch=monkeypatch, capsys=capsys
        )
        assert found == status, score.output + score.errors
        return tmp_path / "results" / "evaluation" / "data_test"

    return score


def read_rows(folder: Path) -> dict[tuple[str, str], dict[str, str]]:
    with open(folder / "metrics.csv", encoding="utf-8", newline="") as handle:
        return {(row["method"], row["name"]): row for row in csv.DictReader(handle)}


def test_every_file_is_written_and_the_numbers_are_those_of_the_metrics(tmp_path, evaluate):
    folder = evaluate(*make_methods(tmp_path), "--metrics", "EN,MSE,SSIM")
    rows = read_rows(folder)
    assert [name for method, name in rows if method == "maximum"] == ["00", "01", "02", "mean", "std", "median"]
    for number in range(3):
        paths = [tmp_path / "data/test" / side / f"{number:02d}.png" for side in ("ir", "vis")]
        expected = metrics.evaluate(*paths, tmp_path / "maximum" / f"{number:02d}_fused.png", metrics="EN,MSE,SSIM")
        row = rows["maximum", f"{number:02d}"]
        assert {name: float(row[name]) for name in expected} == expected
    stored = json.loads((folder / "metrics.json").read_text("utf-8"), parse_constant=pytest.fail)
    assert [method["name"] for method in stored["methods"]] == list(METHODS)
    for name in ("index.html", "leaderboard.html", "table.md", "table.tex"):
        assert all(method in (folder / name).read_text("utf-8") for method in METHODS), name
    assert sorted(path.name for path in (folder / "images").glob("01_*.png")) == [
        f"01_{label}.png" for label in ("A", "B", "average", "first", "maximum")
    ]
    assert (tmp_path / "results" / "index.html").is_file()
    assert "average, mean: EN " in evaluate.output and "3 pairs, 3 methods" in evaluate.output


def test_agrees_with_test_to_the_last_digit(tmp_path, evaluate, monkeypatch, capsys):
    tiny.make_strips(tmp_path / "PMF" / "train", 4)
    runs = ["--checkpoints_dir", str(tmp_path / "runs"), "--name", "run"]
    train = ["--dataroot", str(tmp_path / "PMF"), *runs, *SMALL, "--n_epochs", "1", "--n_epochs_decay", "0"]
    run(str(REPOSITORY / "train.py"), *train)
    data = tiny.make_pairs(tmp_path / "data" / "test", 3, ((60, 50), (41, 53)))
    gray = Image.open(data / "A" / "pair-00-A.png").convert("L")
    gray.save(data / "A" / "pair-00-A.png")
    where = ["--results_dir", str(tmp_path / "results"), "--gpu_ids", "-1"]
    tested = ["--dataroot", str(tmp_path / "data"), *runs, *where, "--metrics", "all"]
    assert call("test.py", *tested, monkeypatch=monkeypatch, capsys=capsys)[0] == 0
    of_test = tmp_path / "results" / "run" / "test_latest"
    for jobs in ("1", "2"):
        words = ["--dataroot", str(tmp_path / "data"), "--fused", f"run={of_test}", "--metrics", "all", "--jobs", jobs]
        assert (evaluate(*words) / "metrics.csv").read_bytes() == (of_test / "metrics.csv").read_bytes()


def test_two_processes_share_the_images(tmp_path, evaluate):
    words = [*make_methods(tmp_path, 5), "--metrics", "EN,VIF,Qabf"]
    alone = (evaluate(*words) / "metrics.csv").read_bytes()
    torchrun(2, str(REPOSITORY / "evaluate.py"), *words, "--results_dir", tmp_path / "shared", "--jobs", "1")
    together = tmp_path / "shared" / "evaluation" / "data_test"
    assert (together / "metrics.csv").read_bytes() == alone
    assert len(list((together / "images").glob("*_A.png"))) == 5


def test_ground_truth_is_used_where_there_is_one(tmp_path, evaluate):
    strips = tiny.make_strips(tmp_path / "data" / "test", 2)
    for path in strips.glob("*.png"):
        strip = np.asarray(Image.open(path))
        tiny.write(tmp_path / "best" / path.name, strip[:, 64:])
    rows = read_rows(evaluate("--dataroot", str(tmp_path / "data"), "--fused", f"best={tmp_path / 'best'}"))
    assert rows["best", "strip00"]["PSNR_GT"] == "inf" and float(rows["best", "mean"]["SSIM_GT"]) == pytest.approx(1)


def test_missing_extra_broken_and_odd_pictures_are_named_and_counted(tmp_path, evaluate):
    words = make_methods(tmp_path, 4)
    (tmp_path / "average" / "01_fused.png").unlink()
    (tmp_path / "maximum" / "02_fused.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    tiny.write(tmp_path / "first" / "stranger.png", tiny.make_image(1))
    evaluate(*words, "--metrics", "EN", status=2)
    assert "average: 1 of 4 pairs have no picture" in evaluate.errors and ": 01;" in evaluate.errors
    assert "maximum: 1 pictures are broken" in evaluate.errors and "02_fused.png" in evaluate.errors
    assert "warning: first: 1 files belong to no pair" in evaluate.errors and "stranger.png" in evaluate.errors
    assert not (tmp_path / "results").exists()
    folder = evaluate(*words, "--metrics", "EN", "--skip_bad")
    rows = read_rows(folder)
    assert ("average", "01") not in rows and ("maximum", "02") not in rows and ("first", "01") in rows
    stored = json.loads((folder / "metrics.json").read_text("utf-8"))
    counts = [method["summary"]["EN"]["count"] for method in stored["methods"]]
    assert counts == [3, 3, 4]
    assert "have no picture" in (folder / "index.html").read_text("utf-8")


def test_what_is_wrong_with_all_methods_is_told_at_once(tmp_path, evaluate):
    words = make_methods(tmp_path, 3)
    (tmp_path / "average" / "01_fused.png").unlink()
    (tmp_path / "maximum" / "02_fused.png").write_bytes(b"letters")
    tiny.write(tmp_path / "maximum" / "00_fused.png", tiny.make_image(1, 20, 25))
    words.append(f"nobody={tmp_path / 'nowhere'}")
    evaluate(*words, status=2)
    for sentence in (
        "nowhere: no such folder",
        "average: 1 of 3 pairs have no picture",
        "maximum: 1 pictures are broken",
        "maximum: 1 of 2 pictures have not the size of their sources",
        "go on without them with --skip_bad; --resize sources or --resize fused brings",
    ):
        assert sentence in evaluate.errors
    assert evaluate.errors.count("error: ") == 1


def test_a_limit_cuts_the_pairs_and_not_what_their_pictures_are_called(tmp_path, evaluate):
    """Slices of two sets share their names: a folder of the second one's pictures is no folder of the first one's."""
    for part, first in (("CT-MRI", 0), ("SPECT-MRI", 100)):
        for number in (1, 2):
            a, b, _ = tiny.make_triplet(first + number, 40, 50)
            for side, image in zip(part.split("-"), (a, b), strict=True):
                tiny.write(tmp_path / "data" / "test" / part / side / f"{number}.png", image)
            tiny.write(tmp_path / "flat" / f"{number}.png", a)
            tiny.write(tmp_path / "parts" / part / f"{number}.png", a)
    words = ["--dataroot", str(tmp_path / "data"), "--metrics", "EN", "--max_dataset_size", "2", "--fused"]
    evaluate(*words, f"x={tmp_path / 'flat'}", status=2)
    assert "is called like one of the 4 pairs" in evaluate.errors
    rows = read_rows(evaluate(*words, f"x={tmp_path / 'parts'}"))
    assert [name for _, name in rows][:2] == ["CT-MRI_1", "CT-MRI_2"]
    assert "belong to no pair" not in evaluate.errors, "the pictures of pairs beyond the limit have their pairs"


def test_a_broken_source_leaves_names_and_pictures_of_other_pairs_alone(tmp_path, evaluate):
    for number, stem in enumerate(("S", "s", "t")):
        a, b, _ = tiny.make_triplet(number, 40, 50)
        tiny.write(tmp_path / "data" / "test" / "ir" / f"{stem}.png", a)
        tiny.write(tmp_path / "data" / "test" / "vis" / f"{stem}.png", b)
        tiny.write(tmp_path / "x" / f"{stem}.png", a)
    (tmp_path / "data" / "test" / "ir" / "S.png").write_bytes(b"letters")
    words = ["--dataroot", str(tmp_path / "data"), "--metrics", "MSE", "--fused", f"x={tmp_path / 'x'}", "--skip_bad"]
    whole = read_rows(evaluate(*words))
    assert [name for _, name in whole][:2] == ["s_2", "t"]
    paths = [tmp_path / folder / "s.png" for folder in ("data/test/ir", "data/test/vis", "x")]
    assert float(whole["x", "s_2"]["MSE"]) == metrics.evaluate(*paths, metrics="MSE")["MSE"]
    assert "left out by --skip_bad" in evaluate.errors and "ir/S.png" in evaluate.errors
    assert "belong to no pair" not in evaluate.errors
    (tmp_path / "x" / "s.png").unlink()
    rows = read_rows(evaluate(*words))
    assert ("x", "s_2") not in rows, "the picture of S is not that of s"
    assert "x: 1 of 2 pairs have no picture" in evaluate.errors


def test_names_in_letters_of_another_encoding_reach_every_file(tmp_path):
    whole, without_source, without_picture = (os.fsdecode(name) for name in (b"B\xe4r", b"\xff", b"Stra\xdfe"))
    for number, stem in enumerate((whole, without_source, without_picture)):
        a, b, _ = tiny.make_triplet(number, 40, 50)
        for folder, image in (("data/test/ir", a), ("data/test/vis", b), ("x", a)):
            tiny.write(tmp_path / folder / f"{stem}.png", image)
        tiny.write(tmp_path / "x" / f"more_{stem}.png", a)
    (tmp_path / "data/test/ir" / f"{without_source}.png").write_bytes(b"")
    (tmp_path / "x" / f"{without_picture}.png").write_bytes(b"")
    words = ["--dataroot", str(tmp_path / "data"), "--metrics", "EN", "--fused", f"x={tmp_path / 'x'}"]
    command = [str(REPOSITORY / "evaluate.py"), *words, "--results_dir", str(tmp_path / "results")]
    assert "is empty" in run(*command, status=2).stderr
    told = run(*command, "--skip_bad").stderr
    for sentence in ("left out by --skip_bad", "1 pictures are broken", "3 files belong to no pair"):
        assert sentence in told
    folder = tmp_path / "results" / "evaluation" / "data_test"
    assert list(read_rows(folder))[0] == ("x", "B_r")
    assert "Stra?e.png" in json.loads((folder / "metrics.json").read_text("utf-8"))["info"]["remarks"]
    assert "Stra?e.png" in (folder / "index.html").read_text("utf-8")


@pytest.mark.parametrize(("resize", "size"), [("sources", (25, 20)), ("fused", (50, 40))])
def test_other_sizes_are_compared_only_when_asked_and_the_table_says_so(tmp_path, evaluate, resize, size):
    words = make_methods(tmp_path, 2)
    small = tmp_path / "average" / "01_fused.png"
    Image.open(small).resize((25, 20)).save(small)
    evaluate(*words, "--metrics", "EN,MSE", status=2)
    assert "01 (25x20 for sources of 50x40)" in evaluate.errors and "--resize sources" in evaluate.errors
    folder = evaluate(*words, "--metrics", "EN,MSE", "--resize", resize)
    for name in ("table.md", "table.tex", "index.html", "leaderboard.html", "metrics.json"):
        assert "1 of 6 pictures compared after resizing" in (folder / name).read_text("utf-8"), name
    images = [Image.open(tmp_path / "data" / "test" / side / "01.png") for side in ("ir", "vis")]
    a, b, fused = (
        np.asarray(image if image.size == size else image.resize(size, Image.Resampling.BICUBIC))
        for image in (*images, Image.open(small))
    )
    expected = metrics.evaluate(a, b, fused, metrics="EN,MSE")
    found = read_rows(folder)["average", "01"]
    assert {name: float(found[name]) for name in expected} == expected


def test_a_protocol_chooses_its_metrics_and_says_so(tmp_path, evaluate):
    folder = evaluate(*make_methods(tmp_path, 2), "--metrics_protocol", "vifb")
    assert {"MI_nats", "PSNR_vifb", "SSIM_sum"} <= set(read_rows(folder)["average", "00"])
    assert "R, G and B" in (folder / "table.md").read_text("utf-8")
    evaluate("--dataroot", str(tmp_path / "data"), "--fused", f"x={tmp_path / 'average'}", "--metrics_protocol", "vifb",
             "--metrics", "EN", status=2)  # fmt: skip
    assert "exclude each other" in evaluate.errors


def test_fused_may_be_given_several_times(tmp_path, evaluate):
    data, _, *fused = make_methods(tmp_path, 1)[1:]
    words = [word for method in fused for word in ("--fused", method)]
    rows = read_rows(evaluate("--dataroot", data, *words, "--metrics", "EN"))
    assert list(dict.fromkeys(method for method, _ in rows)) == list(METHODS)


def test_names_of_methods_and_scenes_may_be_anything(tmp_path, evaluate):
    method, scene = '<img onerror><script>alert(1)</script> & 50% "A"', "a#b %41 'ü'"
    a, b, _ = tiny.make_triplet(1, 40, 50)
    tiny.write(tmp_path / "data/test/ir" / f"{scene}.png", a)
    tiny.write(tmp_path / "data/test/vis" / f"{scene}.png", b)
    tiny.write(tmp_path / "odd" / f"{scene}.png", a)
    fused = [f"{name}={tmp_path / 'odd'}" for name in (method, "A")]
    folder = evaluate("--dataroot", str(tmp_path / "data"), "--fused", *fused)
    assert list(read_rows(folder))[0] == (method, scene)
    for name in ("index.html", "leaderboard.html"):
        assert "<script>alert" not in (folder / name).read_text("utf-8")
    assert len(list((folder / "images").glob("*.png"))) == 4


def test_undefined_scores_are_told_once_with_their_reason(tmp_path, evaluate):
    for number in range(3):
        flat = np.full((40, 50), 10 * number, np.uint8)
        for folder in ("data/test/ir", "data/test/vis", "flat"):
            tiny.write(tmp_path / folder / f"{number}.png", flat)
    evaluate("--dataroot", str(tmp_path / "data"), "--fused", f"flat={tmp_path / 'flat'}", "--metrics", "EN,CC")
    warnings = [line for line in evaluate.errors.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == 1 and "CC of flat is nan for 3 of 3 pairs (0, 1, 2): " in warnings[0]
