"""The demo's data: from the wheel's photographs, the same every time, training and test apart."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest


@pytest.fixture(scope="module")
def demo(repository):
    """scripts/make_demo_data.py as a module, with a few pairs instead of hundreds."""
    spec = importlib.util.spec_from_file_location("make_demo_data", repository / "scripts" / "make_demo_data.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def made(demo, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("demo")
    folder = demo.find_photographs()
    demo.make_part(folder, out, "train", dict.fromkeys(demo.TRAIN_PHOTOGRAPHS, 3), demo.TRAIN_SETTINGS, 1)
    demo.make_part(folder, out, "test", demo.TEST_PHOTOGRAPHS, demo.TEST_SETTINGS, 1)
    return out


def test_photographs_are_in_the_wheel_and_on_one_side_only(demo):
    import skimage

    train, test = set(demo.TRAIN_PHOTOGRAPHS), {*demo.TEST_PHOTOGRAPHS, demo.STEREO_IMAGE}
    assert not train & test
    listed = [path for path in Path(skimage.__path__[0]).parent.glob("scikit_image-*.dist-info/RECORD")][0].read_text()
    assert all(f"skimage/data/{name}," in listed for name in train | test | {demo.STEREO_DISPARITY})
    assert 300 <= sum(demo.TRAIN_PHOTOGRAPHS.values()) <= 600


def test_strips_have_three_panels_and_colour(made):
    train, test = (sorted((made / phase).glob("*.png")) for phase in ("train", "test"))
    assert len(train) == 9 and len(test) == 4
    assert all(cv2.imread(str(path)).shape == (128, 384, 3) for path in train)
    assert {cv2.imread(str(path)).shape for path in test} == {(300, 1353, 3), (427, 1920, 3), (500, 2223, 3)}


def test_the_truth_is_nearer_to_the_best_of_both_than_to_either(made):
    """What fusion can gain: taking the better source at each pixel leaves less error than the mean or one source."""
    for path in (made / "test").glob("*.png"):
        a, b, truth = np.split(cv2.imread(str(path)).astype(float), 3, axis=1)
        error_a, error_b, mean = ((image - truth) ** 2 for image in (a, b, (a + b) / 2))
        best = np.minimum(error_a, error_b).mean()
        assert best < 0.2 * min(error_a.mean(), error_b.mean(), mean.mean())


def test_a_second_run_makes_nothing(demo, made):
    report = demo.make_part(demo.find_photographs(), made, "test", demo.TEST_PHOTOGRAPHS, demo.TEST_SETTINGS, 1)
    assert report.written == 0 and report.kept == 3
