"""The blur-classifier pipeline against the authors' test script: votes, distances, blend, stretch and Retinex."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models import networks
from models.sharpness import blend, decide, retinex
from models.sharpness.pipeline import Settings, classify, run_pipeline, vote
from tests.reference import fill_weights, read_fixture

PARITY = Settings(enhance=False, grey_everywhere=True, without_zeros="corner")


def as_images(arrays: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {key: torch.from_numpy(array).float()[None, None] for key, array in arrays.items() if array.ndim == 2}


@pytest.fixture(scope="module")
def after_votes(shared) -> dict[str, torch.Tensor]:
    return as_images(read_fixture(shared / "parity", "cnn_postprocess")[1])


@pytest.fixture(scope="module")
def whole(shared) -> tuple[dict, dict[str, np.ndarray], dict[str, torch.Tensor]]:
    fixture, arrays = read_fixture(shared / "parity", "cnn_pipeline")
    return fixture, arrays, as_images(arrays)


def test_distances(after_votes):
    chosen = after_votes["in.map1"] >= 0
    assert torch.equal(chosen.float(), after_votes["out.gmap"])
    for mask, name in ((chosen, "weight3"), (~chosen, "weight4")):
        theirs = after_votes[f"out.{name}"].double()
        torch.testing.assert_close(blend.measure_distance(mask, torch.zeros(1)), theirs, rtol=0, atol=1e-5)


def test_blend_and_retinex(after_votes):
    """The sources have no black pixel: SciPy's distance from the corner is part of the authors' numbers."""
    chosen = after_votes["in.map1"] >= 0
    blended = blend.blend_hard(after_votes["in.vis_u8"], after_votes["in.ir_u8"], chosen, "corner")
    torch.testing.assert_close(blended.float(), after_votes["out.fused_rescaled_f32"], rtol=0, atol=2e-5)
    assert torch.equal(retinex.apply_retinex(blended.floor().float()), after_votes["out.ssr_u8"])


def test_votes_of_the_authors_logits(whole):
    _, arrays, images = whole
    logits = torch.from_numpy(arrays["out.logits"]).permute(2, 3, 0, 1)[None]
    assert torch.equal(decide.count_votes(logits, 8), images["out.map1"])
    share, chosen = vote(logits, (456, 456), PARITY)
    assert torch.equal(share, (images["out.map1"] / images["out.map2"] + 1) / 2)
    assert torch.equal(chosen.float(), images["out.gmap"])


def test_whole_pipeline_after_the_classifier(whole):
    """With the authors' logits in the classifier's place: all of it, to one level in one pixel of 207,936."""
    _, arrays, images = whole
    logits = torch.from_numpy(arrays["out.logits"]).permute(2, 3, 0, 1)[None]
    stages = run_pipeline(images["in.vis_u8"], images["in.ir_u8"], lambda *_: logits, PARITY)
    assert torch.equal(stages.chosen.float(), images["out.gmap"])
    for ours, theirs in (
        (stages.blended, images["out.fused_rescaled_f32"].floor()),
        (stages.fused, images["out.ssr_u8"]),
    ):
        difference = (ours - theirs).abs()
        assert difference.max() <= 1 and (difference > 0).sum() <= 1


def test_classifier_gets_what_the_authors_gave_it(whole):
    """A part of the pair through the classifier: its votes are theirs."""
    fixture, arrays, images = whole
    network = networks.build("eresnet").eval().requires_grad_(False)
    network.load_state_dict(fill_weights(fixture["table"]))
    part = np.s_[..., 120:184, 200:264]
    logits = classify(images["in.vis_u8"][part], images["in.ir_u8"][part], network.compare_windows, PARITY)
    theirs = torch.from_numpy(arrays["out.logits"])[15:20, 25:30].permute(2, 3, 0, 1)[None]
    torch.testing.assert_close(logits, theirs, rtol=0, atol=1e-4)
    assert torch.equal(decide.count_votes(logits, 8), decide.count_votes(theirs, 8))
