"""Stage 2: what the classifier says of every window becomes votes, and the votes a decision for each pixel.

Model_Test.py of eyob12/Deep_infrared_and_visible_image_fusion: windows of 32x32 every 8 pixels, in both orders.
"""

from __future__ import annotations

from util.lazy import torch

WINDOW = 32  # pixels a side, what EResNet takes
# Mean and deviation of gray, Gx and Gy in [0, 1], those of the test code, for training too [ours].
NORMALISATION = ((0.45, 0.1), (0.05, 0.09), (0.06, 0.09))


def find_planes(image: torch.Tensor, *, grey_everywhere: bool = False) -> torch.Tensor:
    """Return an image and its Sobel gradients as the classifier has learned to see them.

    Gradients are 3x3 Sobel, replicated borders, cast to 8 bit: negative values become 0, values above 255 are 255.

    Args:
        image: (N, 1, H, W) in whole levels, 0 to 255.
        grey_everywhere: the gray plane in place of both gradients, as the published test code does.

    Returns:
        (N, 3, H, W) in whole levels: gray, Gx, Gy.
    """
    if grey_everywhere:
        return image.expand(-1, 3, -1, -1)
    padded = torch.nn.functional.pad(image, (1, 1, 1, 1), mode="replicate")
    rows = padded[..., :-2, :] + 2 * padded[..., 1:-1, :] + padded[..., 2:, :]
    columns = padded[..., :-2] + 2 * padded[..., 1:-1] + padded[..., 2:]
    horizontal, vertical = rows[..., 2:] - rows[..., :-2], columns[..., 2:, :] - columns[..., :-2, :]
    return torch.cat([image, horizontal, vertical], 1).clamp(0, 255)


def normalise(planes: torch.Tensor) -> torch.Tensor:
    """Bring planes (N, 3, H, W) from levels to the classifier's units."""
    constants = torch.tensor(NORMALISATION, dtype=planes.dtype).to(planes.device, non_blocking=True)
    mean, deviation = constants[:, :, None, None].unbind(1)
    return (planes / 255 - mean) / deviation


def pad_to_windows(image: torch.Tensor, stride: int) -> torch.Tensor:
    """Repeat the last row and column until windows at every ``stride`` pixels cover the whole image."""
    below, right = (max(WINDOW - side, 0) or (WINDOW - side) % stride for side in image.shape[-2:])
    return torch.nn.functional.pad(image, (0, right, 0, below), mode="replicate") if below or right else image


def count_votes(logits: torch.Tensor, stride: int) -> torch.Tensor:
    """Let every window vote for its sharper image: +1 for the first, -1 for the second, on all of its pixels.

    The class says which of two stacked windows is sharp, 0 the upper one. The first image wins where the class of
    [first; second] is not larger than that of [second; first], so ties are its own.

    Args:
        logits: (N, 2, 2, rows, columns): orders [first; second] and [second; first], then classes.

    Returns:
        (N, 1, H, W) of the covered area, whole numbers.
    """
    classes = logits[:, :, 1] > logits[:, :, 0]
    votes = torch.where(classes[:, 0] & ~classes[:, 1], -1.0, 1.0)
    return spread(votes[:, None], stride)


def weigh(logits: torch.Tensor, stride: int) -> torch.Tensor:
    """Return the mean probability, over the windows on a pixel and both orders, that the first image is sharper.

    The soft variant [ours, after the paper's abstract: "score map as weight map"]. Shapes as in ``count_votes``; in
    [0, 1].
    """
    probabilities = logits.float().softmax(2)
    first = (probabilities[:, 0, 0] + probabilities[:, 1, 1])[:, None] / 2
    return spread(first, stride) / spread(torch.ones_like(first), stride)


def spread(values: torch.Tensor, stride: int) -> torch.Tensor:
    """Add the value of each window, (N, 1, rows, columns), to all of its pixels; (N, 1, H, W)."""
    # Rows and columns apart: 64 additions a window instead of 1024.
    transposed = torch.nn.functional.conv_transpose2d
    values = transposed(values, values.new_ones(1, 1, WINDOW, 1), stride=(stride, 1))
    return transposed(values, values.new_ones(1, 1, 1, WINDOW), stride=(1, stride))
