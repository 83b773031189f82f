"""EResNet on all windows at once against its forward() on each stack of two windows that is cut out."""

from __future__ import annotations

import pytest
import torch

from models import networks
from models.networks import eresnet_windows
from tests.reference import fill_weights, read_fixture


@pytest.fixture(scope="module")
def network(draw_eresnet):
    return draw_eresnet().eval().requires_grad_(False)


def draw_pair(count: int, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    first, second = torch.randn(2, count, 3, height, width, generator=generator, dtype=torch.float64)
    return first, second


def compare_one_by_one(network, first: torch.Tensor, second: torch.Tensor, stride: int) -> torch.Tensor:
    """Return the logits by the definition: a stack is cut out and classified."""
    rows, columns = (range(0, side - 31, stride) for side in first.shape[-2:])
    logits = torch.empty(len(first), 2, 2, len(rows), len(columns), dtype=first.dtype)
    for row, top in enumerate(rows):
        for column, left in enumerate(columns):
            a, b = (image[..., top : top + 32, left : left + 32] for image in (first, second))
            for order, stack in enumerate((torch.cat([a, b], 2), torch.cat([b, a], 2))):
                logits[:, order, :, row, column] = network(*stack.split(1, 1))
    return logits


@pytest.mark.parametrize("count, height, width, stride", [
    (1, 32, 32, 8),  # one window
    (2, 40, 48, 8),
    (1, 55, 43, 8),  # no multiples of 8
    (1, 41, 37, 4),  # four grids, of which two have no window
    (1, 34, 33, 1),
    (1, 56, 65, 16),
    (1, 64, 70, 32),
    (2, 39, 47, 5),  # in batches
    (1, 44, 60, 12),
])  # fmt: skip
def test_windows_are_classified_as_if_cut_out(network, count, height, width, stride):
    first, second = draw_pair(count, height, width)
    expected = compare_one_by_one(network, first, second, stride)
    torch.testing.assert_close(network.compare_windows(first, second, stride), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("strip, chunk", [(1, 7), (18, 1000)])
def test_strips_and_chunks_leave_no_trace(network, monkeypatch, strip, chunk):
    first, second = draw_pair(1, 72, 72)
    whole = network.compare_windows(first, second)
    monkeypatch.setattr(eresnet_windows, "STRIP_CELLS", strip)  # one row of cells at a time, and all but the last few
    monkeypatch.setattr(eresnet_windows, "CHUNK_CELLS", chunk)
    torch.testing.assert_close(network.compare_windows(first, second), whole, rtol=1e-9, atol=1e-9)


def test_training_mode_is_refused(network):
    network.train()
    try:
        with pytest.raises(ValueError, match="evaluation mode"):
            network.compare_windows(*draw_pair(1, 32, 32))
    finally:
        network.eval()


def test_decisions_of_the_authors_loop(shared):
    """All 5,832 of them on the 456x456 pair of the fixture."""
    fixture, arrays = read_fixture(shared / "parity", "cnn_pipeline")
    network = networks.build("eresnet").eval().requires_grad_(False)
    network.load_state_dict(fill_weights(fixture["table"]))
    vis, ir = (normalise(arrays[f"in.{name}_u8"]) for name in ("vis", "ir"))
    logits = network.compare_windows(vis, ir)[0].permute(2, 3, 0, 1)
    theirs = torch.from_numpy(arrays["out.logits"])
    assert logits.shape == theirs.shape == (54, 54, 2, 2)
    torch.testing.assert_close(logits, theirs, rtol=0, atol=1e-5 * theirs.abs().max().item())
    assert torch.equal(logits.argmax(-1), theirs.argmax(-1))


def normalise(image) -> torch.Tensor:
    """Map gray levels (H, W) to the planes (1, 3, H, W) of the authors' test script: gray in all three."""
    gray = torch.from_numpy(image).float() / 255
    return torch.stack([(gray - 0.45) / 0.1, (gray - 0.05) / 0.09, (gray - 0.06) / 0.09])[None]
