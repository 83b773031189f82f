"""scripts/make_pmf.py as a user runs it: real processes, real kills, and what it refuses."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """Six photographs of noise (120x90) and label maps of six patches, in folders that a layout names."""
    root = tmp_path_factory.mktemp("source")
    (root / "images").mkdir()
    (root / "labels").mkdir()
    rng = np.random.default_rng(0)
    labels = np.arange(6).reshape(2, 3).repeat(45, axis=0).repeat(40, axis=1).astype(np.uint8)
    for index in range(6):
        Image.fromarray(rng.integers(0, 256, (90, 120, 3), dtype=np.uint8)).save(root / "images" / f"p{index}.png")
        Image.fromarray(labels).save(root / "labels" / f"p{index}.png")
    return root


@pytest.fixture
def script(repository) -> list[str]:
    return [sys.executable, str(repository / "scripts" / "make_pmf.py")]


def run(script: list[str], *arguments: object, status: int = 0) -> str:
    """Run the script from another folder and return what it wrote."""
    command = [*script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd="/")
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_processes_and_order_change_nothing(script, source, tmp_path):
    for name, jobs in (("one", 1), ("two", 2)):
        run(script, "--images", source, "--out", tmp_path / name, "--size", "48x32", "--per_image", 2, "--jobs", jobs)
    one, two = content(tmp_path / "one"), content(tmp_path / "two")
    assert one == two
    assert len([name for name in one if name.startswith("train/p")]) == 12
    strip = cv2.imread(str(tmp_path / "one" / "train" / "p0_0.png"))
    assert strip.shape == (32, 3 * 48, 3)
    sheet = cv2.imread(str(tmp_path / "one" / "contact_sheet_train.jpg"))
    assert sheet.shape[1] > 6 * 48


def test_triplets_are_the_strips_cut_in_three(script, source, tmp_path):
    common = ("--images", source, "--size", "48x32", "--jobs", 1, "--limit", 2)
    run(script, *common, "--out", tmp_path / "strips")
    run(script, *common, "--out", tmp_path / "triplets", "--layout", "triplets")
    strips = sorted((tmp_path / "strips" / "train").glob("*.png"))
    assert len(strips) == 2
    for strip in strips:
        parts = [cv2.imread(str(tmp_path / "triplets" / "train" / part / strip.name)) for part in ("A", "B", "GT")]
        assert np.array_equal(np.hstack(parts), cv2.imread(str(strip)))


def test_a_killed_run_goes_on_to_what_an_uninterrupted_one_gives(script, source, tmp_path):
    options = ("--images", source, "--size", "96x80", "--per_image", 32, "--jobs", 2)
    run(script, *options, "--out", tmp_path / "whole")

    killed = tmp_path / "killed"
    command = [*script, *map(str, (*options, "--out", killed))]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 60
    while len(list((killed / "train").glob("p*.png"))) < 20 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    # Its workers leave by themselves: nobody is left in the session it began.
    while _session_lives(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _session_lives(process.pid)
    there = sorted((killed / "train").glob("p*.png"))
    assert 20 <= len(there) < 192

    # What a crash of the machine may leave: a strip cut short, and a temporary file of a process long gone.
    there[0].write_bytes(there[0].read_bytes()[:-100])
    (killed / "train" / ".p0_00.4194999.tmp.png").write_bytes(b"half")
    before = there[5].stat().st_mtime_ns
    output = run(script, *options, "--out", killed)
    assert f"{len(there) - 1} that were there" in output
    assert there[5].stat().st_mtime_ns == before
    assert content(killed) == content(tmp_path / "whole")


def test_a_killed_worker_ends_the_run_with_a_sentence(script, source, tmp_path):
    options = ("--images", source, "--out", tmp_path, "--size", "96x80", "--per_image", 500, "--jobs", 2)
    process = subprocess.Popen(
        [*script, *map(str, options)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while not list((tmp_path / "train").glob("p*.png")) and time.monotonic() < deadline:
        time.sleep(0.01)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    workers = [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]
    assert len(workers) == 2
    os.kill(workers[0], signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.splitlines()[-1].startswith("make_pmf.py: error: a worker process ended")


def test_two_runs_in_one_folder_are_refused(script, source, tmp_path):
    (tmp_path / "train").mkdir()
    handle = os.open(tmp_path / "train", os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        output = run(script, "--images", source, "--out", tmp_path, "--size", "32x32", "--jobs", 1, status=2)
    finally:
        os.close(handle)
    assert "another run is making pairs" in output


def _session_lives(leader: int) -> bool:
    """Whether any process but a zombie belongs to the session."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session = stat.read_text().rsplit(")", 1)[1].split()[:4]
        except OSError:
            continue
        if int(session) == leader and state != "Z":
            return True
    return False


def test_other_settings_are_refused_and_overwrite_begins_anew(script, source, tmp_path):
    out = tmp_path / "pmf"
    run(script, "--images", source, "--out", out, "--size", "32x32", "--jobs", 1, "--per_image", 2)
    refusal = run(script, "--images", source, "--out", out, "--size", "40x32", "--jobs", 1, status=2)
    assert "size [32, 32]" in refusal and "size [40, 32]" in refusal and "--overwrite" in refusal
    assert len(list((out / "train").glob("*.png"))) == 12
    # Another phase is another part of the folder, and a prefix makes room for another source.
    run(script, "--images", source, "--out", out, "--size", "40x32", "--jobs", 1, "--phase", "val", "--limit", 1)
    run(script, "--images", source, "--out", out, "--size", "40x32", "--jobs", 1, "--limit", 1, "--prefix", "more_")
    run(script, "--images", source, "--out", out, "--size", "40x32", "--jobs", 1, "--overwrite")
    assert sorted(path.name for path in (out / "train").glob("p*.png")) == [f"p{index}.png" for index in range(6)]
    assert len(list((out / "train").glob("more_p*.png"))) == len(list((out / "val").glob("*.png"))) == 1
    assert sorted(json.loads((out / "pmf.json").read_text())) == ["train/*", "train/more_*", "val/*"]


def test_images_that_it_did_not_make_are_left_alone(script, source, tmp_path):
    (tmp_path / "train").mkdir()
    precious = tmp_path / "train" / "p0.png"
    precious.write_bytes(b"somebody's")
    assert "knows nothing of" in run(script, "--images", source, "--out", tmp_path, "--overwrite", status=2)
    assert precious.read_bytes() == b"somebody's"


def test_photographs_with_one_region_are_dropped_and_counted(script, source, tmp_path):
    shutil.copytree(source, tmp_path / "source")
    Image.new("L", (120, 90), 3).save(tmp_path / "source" / "labels" / "p2.png")
    output = run(script, "--images", tmp_path / "source", "--out", tmp_path / "pmf", "--size", "32x32", "--jobs", 1)
    assert "1 pairs were not made: fewer than two regions" in output
    assert len(list((tmp_path / "pmf" / "train").glob("*.png"))) == 5


def test_a_larger_limit_only_adds(script, source, tmp_path):
    names = []
    for limit in (2, 4):
        run(script, "--images", source, "--out", tmp_path / "pmf", "--size", "32x32", "--jobs", 1, "--limit", limit)
        names.append({path.name for path in (tmp_path / "pmf" / "train").glob("*.png")})
    assert len(names[0]) == 2 and len(names[1]) == 4 and names[0] < names[1]


def test_photographs_without_labels(script, source, tmp_path):
    photo = np.full((80, 100, 3), (30, 90, 160), np.uint8)
    photo[20:60, 25:70] = (220, 60, 20)
    (tmp_path / "photos").mkdir()
    Image.fromarray(photo).save(tmp_path / "photos" / "à la carte (1).png")
    run(script, "--images", tmp_path / "photos", "--out", tmp_path / "pmf", "--size", "64x48", "--jobs", 1)
    assert [path.name for path in (tmp_path / "pmf" / "train").iterdir()] == ["à la carte (1).png"]


def test_the_official_rule_end_to_end(script, shared, tmp_path):
    """Three real photographs, each strip against what OpenCV gives when the spec's steps are followed by hand."""
    folder = shared / "data" / "segmentation"
    for part, suffix in (("images", "jpg"), ("labels", "png")):
        (tmp_path / part).mkdir()
        for name in ("100075", "12003", "24063"):
            shutil.copy(folder / part / f"{name}.{suffix}", tmp_path / part)
    run(script, "--images", tmp_path, "--out", tmp_path / "pmf", "--legacy", "--jobs", 1)
    for name in ("100075", "12003", "24063"):
        image = cv2.resize(cv2.imread(str(tmp_path / "images" / f"{name}.jpg")), (256, 256))
        labels = cv2.resize(cv2.imread(str(tmp_path / "labels" / f"{name}.png")), (256, 256)).reshape(-1, 3)
        colours = np.unique(labels, axis=0)
        first = {tuple(colour) for colour in colours[: len(colours) // 2].tolist()}
        mask = np.array([tuple(pixel) in first for pixel in labels.tolist()]).reshape(256, 256, 1)
        blurred = cv2.GaussianBlur(image, (35, 35), 0)
        expected = np.hstack([np.where(mask, blurred, image), np.where(~mask, blurred, image), image])
        assert np.array_equal(cv2.imread(str(tmp_path / "pmf" / "train" / f"{name}.png")), expected)


BAD = {
    "no folder": (["--images", "/no/such/folder"], "nothing where a folder was expected"),
    "a file as folder": (["--images", "{source}/images/p0.png"], "a file where a folder was expected"),
    "no image": (["--images", "{empty}"], "holds no photograph"),
    "no label folder": (["--labels", "{empty}/none here"], "--labels"),
    "no label map": (["--labels", "{empty}"], "holds no label map"),
    "nothing pairs": (["--images", "{source}/images", "--labels", "{other}"], "no stem of the 6 photographs"),
    "size without x": (["--size", "256"], "WIDTHxHEIGHT"),
    "size too small": (["--size", "8x8"], "each from 16 to 8192"),
    "sigma reversed": (["--blur_sigma", "6", "2"], "the first number is the smaller one"),
    "sigma of zero": (["--blur_sigma", "0", "2"], "--blur_sigma"),
    "unknown mask": (["--mask", "feathers"], "'feather'"),
    "unknown kernel": (["--kernel", "box"], "gaussian"),
    "unknown phase": (["--phase", "training"], "'train'"),
    "unknown flag": (["--blur_sigmas", "2"], "--blur_sigma"),
    "no jobs": (["--jobs", "0"], "from 1 to 1024"),
    "no seed": (["--seed", "x"], "whole number"),
    "legacy with a size": (["--legacy", "--size", "64x64"], "--legacy"),
    "prefix with a slash": (["--prefix", "a/b"], "cannot begin a file name"),
    "out is a file": (["--out", "{source}/images/p0.png"], "is a file where a folder was expected"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_ends_in_a_sentence_and_status_2(script, source, tmp_path, case):
    arguments, sentence = BAD[case]
    (tmp_path / "empty").mkdir()
    (tmp_path / "other").mkdir()
    shutil.copy(source / "labels" / "p0.png", tmp_path / "other" / "x.png")
    places = {"source": source, "empty": tmp_path / "empty", "other": tmp_path / "other"}
    arguments = [argument.format(**places) for argument in arguments]
    given = [] if "--images" in arguments else ["--images", source]
    output = run(script, *given, "--out", tmp_path / "pmf", *arguments, status=2)
    assert sentence in output and output.startswith("make_pmf.py: error: ") and output.count("\n") == 1
    assert not (tmp_path / "pmf").exists()


DAMAGE = {
    "a photograph of no bytes": ("images/p1.png", lambda path: path.write_bytes(b""), "is empty"),
    "a photograph cut short": ("images/p1.png", lambda path: path.write_bytes(path.read_bytes()[:5000]), "p1.png"),
    "a label map of text": ("labels/p1.png", lambda path: path.write_text("no image"), "p1.png"),
    "a label map that is gone": ("labels/p1.png", lambda path: path.unlink(), "has no label map"),
    "a photograph that is gone": ("images/p1.png", lambda path: path.unlink(), "has no photograph"),
    "another size": ("labels/p1.png", lambda path: Image.new("L", (60, 90), 1).save(path), "60x90"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_bad_file_is_named_or_skipped_and_counted(script, source, tmp_path, case):
    name, damage, sentence = DAMAGE[case]
    shutil.copytree(source, tmp_path / "source")
    damage(tmp_path / "source" / name)
    arguments = ("--images", tmp_path / "source", "--out", tmp_path / "pmf", "--size", "32x32", "--jobs", 1)
    refusal = run(script, *arguments, status=2)
    assert sentence in refusal and "p1.png" in refusal and "--skip_bad" in refusal
    assert "left out 1 bad files" in run(script, *arguments, "--skip_bad")
    assert sorted(path.stem for path in (tmp_path / "pmf" / "train").glob("*.png")) == ["p0", "p2", "p3", "p4", "p5"]


def test_a_photograph_whose_pixels_cannot_be_decoded_is_named_or_skipped(script, source, tmp_path):
    """Header and end are fine, so only decoding finds it; two processes, one of which meets it."""
    shutil.copytree(source, tmp_path / "source")
    path = tmp_path / "source" / "images" / "p3.png"
    whole = bytearray(path.read_bytes())
    whole[2000:9000] = os.urandom(7000)
    path.write_bytes(whole)
    arguments = ("--images", tmp_path / "source", "--out", tmp_path / "pmf", "--size", "32x32", "--jobs", 2)
    assert "p3.png" in run(script, *arguments, status=2)
    assert "left out 1 bad files" in run(script, *arguments, "--skip_bad")
    assert len(list((tmp_path / "pmf" / "train").glob("*.png"))) == 5
