"""What holds for every registered metric, those that are yet to come among them."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from lpips_weights import write_weights
from PIL import Image

from metrics import evaluate, find_metric, metric, metric_names, score, select, to_gray8
from metrics.lpips import VARIABLE
from metrics.registry import ARGUMENTS, FAST
from util.errors import UserError


def draw(seed: int, height: int = 48, width: int = 37) -> np.ndarray:
    """A smooth scene with some noise, whose both sides are not multiples of anything."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    scene = 127 + 90 * np.sin(x / (4 + seed)) * np.cos(y / 7) + generator.normal(0, 9, (height, width))
    return np.clip(np.rint(scene), 0, 255).astype(np.uint8)


def flat(level: int, height: int = 32, width: int = 32) -> np.ndarray:
    return np.full((height, width), level, np.uint8)


NAN = np.where(draw(1) > 200, np.nan, draw(1).astype(np.float64))
INPUTS = {
    "usual": (draw(1), draw(2), draw(3), draw(4)),
    "identical": (draw(1), draw(1), draw(1), draw(1)),
    "fused is A": (draw(1), draw(2), draw(1), draw(1)),
    "flat": (flat(7), flat(7), flat(7), flat(7)),
    "flat, different": (flat(0), flat(255), flat(128), flat(3)),
    "black": (flat(0), flat(0), flat(0), flat(0)),
    "saturated": (flat(255), flat(255), flat(255), flat(255)),
    "black and white": (flat(0), flat(0), flat(255), flat(0)),
    "3x3": (draw(1, 3, 3), draw(2, 3, 3), draw(3, 3, 3), draw(4, 3, 3)),
    "1x1": (flat(9, 1, 1), flat(8, 1, 1), flat(7, 1, 1), flat(6, 1, 1)),
    "a row": (draw(1, 1, 40), draw(2, 1, 40), draw(3, 1, 40), draw(4, 1, 40)),
    "a column": (draw(1, 40, 1), draw(2, 40, 1), draw(3, 40, 1), draw(4, 40, 1)),
    "NaN everywhere": (NAN, NAN, NAN, NAN),
    "NaN in the fused": (draw(1), draw(2), NAN, draw(4)),
    "NaN in the sources": (NAN, draw(2), draw(3), NAN),
}


@pytest.fixture(scope="module", autouse=True)
def weights(tmp_path_factory):
    """Weights of our own for LPIPS, so that it is tried as the others are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(write_weights(tmp_path_factory.mktemp("weights"))))
        yield


@pytest.mark.parametrize("images", INPUTS.values(), ids=INPUTS)
@pytest.mark.parametrize("name", metric_names())
def test_value_is_in_its_range_or_nan_with_a_reason(name, images, capsys):
    judge = find_metric(name)
    value = score([judge], *images, name="lytro-01")[name]
    warning = capsys.readouterr().err
    if math.isnan(value):
        assert f"{name} is nan for lytro-01: " in warning
    else:
        assert judge.low <= value <= judge.high
        assert math.copysign(1, value) == 1 or value != 0, "a zero without sign"
        assert not warning


def test_nan_pixels_make_exactly_the_metrics_nan_that_look_at_them(capsys):
    selected = select("all", has_gt=True)
    scores = score(selected, *INPUTS["NaN in the sources"])
    of_fused = {judge.name for judge in selected if judge.needs == "fused"}
    assert {name for name, value in scores.items() if not math.isnan(value)} == of_fused
    unknown = int(np.isnan(NAN).sum())
    assert f"MI is nan: {unknown} of {NAN.size} pixels of a are NaN" in capsys.readouterr().err


def test_limits():
    scores = score(select("all", has_gt=True), *(draw(1, 200, 180) for _ in range(4)), reasons={})
    assert scores["PSNR_GT"] == scores["PSNR"] == math.inf and scores["MSE"] == scores["CE"] == scores["MAE_GT"] == 0
    assert scores["MI"] == pytest.approx(2 * scores["EN"], rel=1e-12) and scores["Q_MI"] == pytest.approx(2)
    for name in "SSIM MS_SSIM SSIM_GT MS_SSIM_GT CC Q_S Q_W Q_E Q_C Q_Y Q_M Q_CB VIFF".split():
        assert scores[name] == pytest.approx(1, abs=1e-9), name
    assert scores["VIF"] == pytest.approx(2, abs=1e-9)
    # Closed forms: a chessboard of 0 and 255, and a ramp of one level for each column.
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    ramp = np.tile(np.arange(64, dtype=np.uint8), (64, 1))
    scores = score(select("EN,SD,SF", False), board, board, board)
    assert scores["EN"] == pytest.approx(1) and scores["SD"] == pytest.approx(127.5)
    assert scores["SF"] == pytest.approx(255 * math.sqrt(2 * 63 / 64))
    scores = score(select("EN,AG,MI", False), ramp, board, ramp)
    assert scores["EN"] == pytest.approx(6) and scores["MI"] == pytest.approx(6)
    assert scores["AG"] == pytest.approx(math.sqrt(0.5) * (64 / 63) ** 2)


@pytest.mark.parametrize("name", metric_names())
def test_a_batch_scores_as_its_images_one_by_one(name):
    judge = find_metric(name)
    height = max(48, judge.smallest + 11)
    scenes = [draw(seed, height, height - 11) for seed in range(1, 9)]
    stacks = {"a": scenes[0:2], "b": scenes[4:6], "fused": scenes[2:4], "gt": scenes[6:8]}
    chosen = {label: torch.from_numpy(np.stack(stacks[label])).double() for label in ARGUMENTS[judge.needs]}
    together = judge.function(**chosen)
    assert together.shape == (2,) and together.dtype == torch.float64
    for index in range(2):
        alone = judge.function(**{label: stack[index:index + 1] for label, stack in chosen.items()})
        assert together[index].item() == pytest.approx(alone.item(), rel=1e-12)


@pytest.mark.parametrize("name", metric_names())
def test_every_metric_tells_what_it_is(name):
    judge = find_metric(name)
    assert judge.name == name and judge.low < judge.high
    for text in (judge.title, judge.formula, judge.source, judge.variant):
        assert text and text.strip() == text


def test_select():
    assert [judge.name for judge in select("fast", has_gt=True)] == list(FAST)
    assert [judge.name for judge in select("fast", has_gt=False)] == list(FAST[:13])
    every = select("all", has_gt=True)
    assert [judge.name for judge in every] == metric_names(compat=False)
    assert [judge for judge in every if judge.needs != "gt"] == select("all", has_gt=False)
    assert [judge.name for judge in select(" mi, EN,EN ", has_gt=False)] == ["MI", "EN"]
    assert [judge.name for judge in select("Q_P,fast,EN", has_gt=False)] == ["Q_P", *FAST[:13]]
    assert select("none", has_gt=True) == []


def test_a_name_is_found_by_what_papers_call_it():
    for spelling, name in {"QABF": "Qabf", "Q^AB/F": "Qabf", "ms-ssim": "MS_SSIM", "NMI": "Q_MI", "Q0": "Q_S"}.items():
        assert find_metric(spelling).name == name


@pytest.mark.parametrize(("spec", "sentence"), [
    ("EN,ssin", "no metric is called 'ssin'; the nearest is 'SSIM' (--list metrics shows all)"),
    ("PSNR_GT", "the metric PSNR_GT compares with a ground truth, and there is none here; leave it out of --metrics"),
    (" , ", "--metrics ' , ' names no metric: give 'all', 'fast', 'none' or names such as EN,SD,MI"),
])
def test_a_wrong_selection_is_told_in_a_sentence(spec, sentence):
    with pytest.raises(UserError) as told:
        select(spec, has_gt=False)
    assert str(told.value) == sentence


def test_images_that_cannot_be_scored_are_refused():
    chosen = select("EN", False)
    with pytest.raises(UserError, match="pair 'walk' differ in size: a 37x48, b 37x48, fused 32x32"):
        score(chosen, draw(1), draw(2), flat(1), name="walk")
    with pytest.raises(ValueError, match="fused is not of whole gray levels"):
        score(chosen, draw(1), draw(2), draw(3) / 255)
    with pytest.raises(ValueError, match=r"a is \(H, W\) or"):
        score(chosen, np.zeros((4, 4, 3, 1), np.uint8), draw(2), draw(3))
    for image in (np.zeros((4, 4, 2), np.uint8), torch.zeros(4), torch.zeros(3, 4, 4, dtype=torch.int64)):
        with pytest.raises(ValueError):
            to_gray8(image)


def test_evaluate_takes_images_of_any_kind(tmp_path):
    a, b, fused = draw(1), draw(2), draw(3)
    expected = score(select("EN,SSIM,Qabf", False), a, b, fused)
    kinds = {
        "colour": [np.repeat(image[..., None], 3, axis=-1) for image in (a, b, fused)],
        "float": [image / 255 for image in (a, b, fused)],
        "tensor": [torch.from_numpy(image)[None].float() / 255 for image in (a, b, fused)],
        "Pillow": [Image.fromarray(image) for image in (a, b, fused)],
        "files": [tmp_path / f"{number}.png" for number in range(3)],
    }
    for path, image in zip(kinds["files"], kinds["Pillow"], strict=True):
        image.save(path)
    for kind, images in kinds.items():
        assert evaluate(*images, metrics=["EN", "SSIM", "Qabf"]) == expected, kind
    batch = [torch.from_numpy(np.stack([image, image[::-1]]))[:, None] for image in (a, b, fused)]
    together = evaluate(*batch, metrics="EN,SSIM,Qabf")
    assert {name: values[0].item() for name, values in together.items()} == pytest.approx(expected, rel=1e-12)
    assert all(values.shape == (2,) for values in together.values())


def test_what_is_no_image_is_refused_by_name():
    image = draw(1)
    with pytest.raises(ValueError, match=r"fused: a float image is in \[0, 1\], and this one holds"):
        evaluate(image, image, image.astype(float))
    with pytest.raises(ValueError, match="b: an image is an array or a tensor, not list"):
        evaluate(image, [1, 2], image)
    with pytest.raises(ValueError, match="some images are batches"):
        evaluate(image, image, torch.from_numpy(image)[None, None])


def test_a_broken_float_image_stays_broken():
    image = torch.full((3, 20, 20), 0.5)
    image[1, 4, 5] = float("nan")
    image[0, 6, 7] = float("inf")
    levels = to_gray8(image)
    assert levels.dtype == torch.float64
    assert levels.isnan().nonzero().tolist() == [[4, 5], [6, 7]]
    assert math.isnan(score(select("SD", False), flat(1, 20, 20), flat(1, 20, 20), levels)["SD"])


def test_a_name_stands_for_one_definition():
    with pytest.raises(ValueError, match="two metrics are called En"):
        metric(name="En", title="t", direction="up", low=0, high=1, formula="f", source="s", variant="v", needs="fused")
    with pytest.raises(ValueError, match="needs one of"):
        metric(name="X", title="t", direction="up", low=0, high=1, formula="f", source="s", variant="v", needs="all")


def test_listing_metrics_does_not_load_torch(repository):
    code = "import sys, metrics; assert metrics.select('all', True); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=repository).returncode == 0
