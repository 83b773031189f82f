"""The benchmark of fusing: the transcribed originals compute what the authors' networks and ours do, in their order."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from reference import fill_weights, read_fixture
from torch.nn import functional

from scripts import bench_inference
from scripts.originals import blurcnn, ignet, refusion
from util.benchmark import Turn, record
from util.errors import RunError

SIZE = (48, 32)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def count_calls(monkeypatch):
    """Return a function: the number of calls of ``torch.nn.functional.NAME`` during a call."""

    def count(name: str, work) -> int:
        calls, function = [], getattr(functional, name)
        monkeypatch.setattr(functional, name, lambda *a, **k: (calls.append(1), function(*a, **k))[1])
        work()
        return len(calls)

    return count


def test_refusion_is_transcribed_right(shared):
    description, arrays = read_fixture(shared / "parity", "refusion_formula")
    sources = torch.from_numpy(arrays["in.x"])
    with torch.no_grad():
        fused = refusion.fuse(fill_weights(description["table"]), sources[:, :1], sources[:, 1:])
    np.testing.assert_allclose(fused, arrays["out.raw"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", ["64x96", "40x56"])
def test_ignet_is_transcribed_right(shared, size):
    description, arrays = read_fixture(shared / "parity", "ignet_backbone")
    ir, vis = (torch.from_numpy(arrays[f"in.{name}.{size}"]) for name in ("ir", "vis"))
    with torch.no_grad():
        fused = ignet.fuse(fill_weights(description["table"]), ir, vis[:, :1])
    np.testing.assert_allclose(fused, arrays[f"out.y.{size}"], rtol=0, atol=1e-5)


def test_blurcnn_is_transcribed_right(shared):
    description, arrays = read_fixture(shared / "parity", "cnn_classifier")
    planes = (torch.from_numpy(arrays[f"in.{name}"]) for name in ("x", "y2", "z2"))
    with torch.no_grad():
        logits = blurcnn.classify(fill_weights(description["table"]), *planes)
    expected = arrays["out.logits_mixed"]
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5 * abs(expected).max())


def test_blurcnn_classifies_window_after_window(count_calls):
    fuse = bench_inference.make_original("blurcnn", "original", SIZE, threads=1)
    assert count_calls("linear", fuse) == 3 * 2 * 2  # windows, orders, layers of the head


@pytest.mark.parametrize("name", bench_inference.ORIGINALS)
def test_ours_and_the_original_give_one_result(name):
    theirs = bench_inference.make_original(name, "original", SIZE, threads=1)()
    for words in ("off", "exact"):
        ours = bench_inference.make_ours(name, words, SIZE, threads=1)()
        assert ours.shape == theirs.shape and ours.shape[2:] == SIZE[::-1]
        assert bench_inference.compare(theirs, ours) <= bench_inference.TOLERANCE, words
    assert theirs.std() > 0.01, "on a flat picture everything agrees"


@pytest.mark.parametrize(("name", "fixture", "kinds", "functions"), [
    ("refusion", "refusion_formula", ["Conv2d"], ["conv2d"]),
    ("ignet", "ignet_backbone", ["Conv2d", "MaxPool2d", "AvgPool2d"], ["conv2d", "max_pool2d", "avg_pool2d"]),
    ("r2gan", "r2gan_generator_batch", ["ConvTranspose2d", "ReflectionPad2d"], ["conv_transpose2d", "pad"]),
])  # fmt: skip
def test_every_layer_runs_as_often_as_the_authors_code_runs_it(name, fixture, kinds, functions, count_calls, shared):
    layers = [tap["type"] for tap in read_fixture(shared / "parity", fixture)[0]["taps"].values()]
    fuse = bench_inference.make_original(name, "original", SIZE, threads=1)
    for kind, function in zip(kinds, functions, strict=True):
        assert count_calls(function, fuse) == layers.count(kind) > 0, kind


def test_rows_of_a_method(repository, tmp_path):
    command = ["--model", "refusion", "--size", "32x24", "--memory", "32x24", "--repeat", "1", "--threads", "1",
               "--variants", "system_malloc", "--json", str(tmp_path / "rows.json")]  # fmt: skip
    done = subprocess.run(
        [sys.executable, repository / "scripts/bench_inference.py", *command], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    first, *lines = done.stdout.splitlines()
    assert "32x24" in first and "torch" in first and "load" in first and "Load at the end" in lines[-1]
    assert [line.split(" | ")[:2] for line in lines if line.startswith("| refusion")] == [
        ["| refusion", "original"], ["| refusion", "system_malloc"]
    ]
    original, ours = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert 0 < ours["difference"] <= 1e-4 and "difference" not in original
    assert all(row["operations"] > 0 and 0 < row["share"] < 2 for row in (original, ours))
    assert ours["ratio"] > 0 and ours["seconds"] > 0 and ours["first_seconds"] > 0
    assert 100 < ours["memory"]["32x24"] < 4000 and 100 < original["memory"]["32x24"] < 4000


def test_a_result_that_differs_fails(monkeypatch, capsys):
    row = {"model": "ignet", "variant": "exact", "seconds": 1.0, "processor_seconds": 1.0, "page_faults": 0,
           "operations": 2.0, "share": 0.5, "memory": {}}  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["bench_inference.py", "--model", "ignet"])
    monkeypatch.setattr(bench_inference, "measure_method", lambda name, opt: [{**row, "difference": 9e-5}])
    bench_inference.main()
    monkeypatch.setattr(bench_inference, "measure_method", lambda name, opt: [{**row, "difference": 2e-4}])
    with pytest.raises(RunError, match="ignet, exact: the result differs from the original's by 2.0e-04"):
        bench_inference.main()
    monkeypatch.setattr(
        bench_inference, "measure_method", lambda name, opt: [{**row, "variant": "bf16", "difference": 2e-2}]
    )
    bench_inference.main()
    assert "ignet" in capsys.readouterr().out


def test_a_method_without_an_original_is_measured_alone(monkeypatch):
    class Alone:
        """A contestant that takes 2 s in this process."""

        def __init__(self, title, make, arguments, *, keep_memory):
            assert keep_memory
            self.work = make(*arguments)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def run(self):
            self.last = self.work()
            return Turn(2.0, 3.0, 5)

        def result(self):
            return self.last

    monkeypatch.setattr(bench_inference, "Contestant", Alone)
    monkeypatch.setattr(sys, "argv", ["x", "--size", "32x24", "--variants", "exact", "--threads", "1"])
    (row,) = bench_inference.measure_method("pix2pix", bench_inference.parse())
    operations, share = row.pop("operations"), row.pop("share")
    assert row == {"model": "pix2pix", "variant": "exact", "seconds": 2.0, "processor_seconds": 3.0, "page_faults": 5,
                   "first_seconds": 2.0, "memory": {}}  # fmt: skip
    # A product takes as long here: the share of two equal times is that of the operations.
    assert operations > 0.1 and share == pytest.approx(operations * 1e9 / (2 * bench_inference.PRODUCT**3))


@pytest.mark.parametrize(("arguments", "sentence"), [
    (["--size", "50x40"], "50x40: the originals take sides that are multiples of 8 alone"),
    (["--model", "refusoin"], "the nearest is 'refusion'"),
    (["--variants", "jit"], "'jit' is not one of off, exact, bf16, compiled, system_malloc"),
])  # fmt: skip
def test_wrong_wishes_are_told_in_a_sentence(arguments, sentence, repository):
    done = subprocess.run(
        [sys.executable, repository / "scripts/bench_inference.py", *arguments], capture_output=True, text=True
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr and sentence in done.stderr


def test_figures_are_recorded_between_their_marks(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("above\n<!-- one -->\nold\n<!-- /one -->\nbelow\n<!-- two -->\n<!-- /two -->\n", "utf-8")
    record("one", "| new |\n", page)
    record("two", "also", page)
    expected = "above\n<!-- one -->\n\n| new |\n\n<!-- /one -->\nbelow\n<!-- two -->\n\nalso\n\n<!-- /two -->\n"
    assert page.read_text("utf-8") == expected
    with pytest.raises(RunError, match="<!-- three -->"):
        record("three", "lost", page)
    assert page.read_text("utf-8") == expected
