"""The stages in their order: from a visible and an infrared image to the fused one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from models.sharpness import blend, decide, enhance, retinex
from util.lazy import torch

PARITY_SIZE = 456  # pixels a side, to which the published code brings every image


@dataclass(frozen=True)
class Settings:
    """What the published code and paper leave open; the defaults are the specification's.

    Attributes:
        enhance: compress the visible and stretch the infrared image first; else they are taken as they are.
        work_size: side in pixels to which all images are resized after that, 0 for their own sizes.
        classifier_infrared: "original" or "enhanced", what the classifier compares the visible image with.
        grey_everywhere: give the classifier the gray plane in place of gradients.
        stride: pixels from one window to the next.
        blend: "hard", votes and distances, or "soft", the classifier's mean probability.
        without_zeros: see ``blend.blend_hard``.
        retinex_sigma: of the Retinex in pixels, 0 to leave it out.
    """

    enhance: bool = True
    work_size: int = PARITY_SIZE
    classifier_infrared: str = "original"
    grey_everywhere: bool = False
    stride: int = 8
    blend: str = "hard"
    without_zeros: str = "mean"
    retinex_sigma: float = retinex.SIGMA


@dataclass(frozen=True)
class Stages:
    """What the pipeline makes of pairs, (N, 1, H, W) each at the working size.

    Attributes:
        visible, infrared: the images that are blended, enhanced unless that was left out; whole levels, 0 to 255.
        votes: share of a pixel's windows in which the visible image is sharper (hard), or the mean probability of it
            (soft); 0 to 1.
        chosen: bool, True where the visible image wins.
        blended: before the Retinex; whole levels.
        fused: the result; whole levels.
    """

    visible: torch.Tensor
    infrared: torch.Tensor
    votes: torch.Tensor
    chosen: torch.Tensor
    blended: torch.Tensor
    fused: torch.Tensor


def run_pipeline(
    visible: torch.Tensor,
    infrared: torch.Tensor,
    compare_windows: Callable[[torch.Tensor, torch.Tensor, int], torch.Tensor],
    settings: Settings,
) -> Stages:
    """Fuse pairs of images of one size.

    Args:
        visible, infrared: (N, 1, H, W), 0 to 255, in whole levels.
        compare_windows: that of the classifier (``EResNet.compare_windows``).
    """
    original = resize(infrared, settings.work_size)
    if settings.enhance:  # one after the other: at their own size they may be huge
        visible = resize(enhance.enhance_visible(visible), settings.work_size)
        infrared = enhance.enhance_infrared(infrared)
    visible, infrared = resize(visible, settings.work_size), resize(infrared, settings.work_size)
    judged = original if settings.classifier_infrared == "original" else infrared
    logits = classify(visible, judged, compare_windows, settings)
    votes, chosen = vote(logits, visible.shape[-2:], settings)
    if settings.blend == "hard":
        blended = blend.blend_hard(visible, infrared, chosen, settings.without_zeros)
    else:
        blended = blend.blend_soft(visible, infrared, votes)
    blended = blended.floor().float()  # the published code casts here, and after the Retinex
    return Stages(visible, infrared, votes, chosen, blended, finish(blended, settings))


def classify(
    visible: torch.Tensor,
    infrared: torch.Tensor,
    compare_windows: Callable[[torch.Tensor, torch.Tensor, int], torch.Tensor],
    settings: Settings,
) -> torch.Tensor:
    """Return the classifier's logits of every window, (N, 2, 2, rows, columns), as ``decide.count_votes`` takes them.

    An image that windows do not cover, or that is smaller than one, is continued by its last row and column.
    """
    planes = (
        decide.normalise(
            decide.find_planes(decide.pad_to_windows(image, settings.stride), grey_everywhere=settings.grey_everywhere)
        )
        for image in (visible, infrared)
    )
    return compare_windows(*planes, settings.stride).float()


def vote(logits: torch.Tensor, size: tuple[int, int], settings: Settings) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ``votes`` and ``chosen`` of ``Stages`` for images of ``size`` (height, width)."""
    height, width = size
    if settings.blend == "soft":
        votes = decide.weigh(logits, settings.stride)[..., :height, :width]
        return votes, votes >= 0.5
    balance = decide.count_votes(logits, settings.stride)
    windows = decide.spread(torch.ones_like(logits[:, :1, 0]), settings.stride)
    votes = ((balance / windows + 1) / 2)[..., :height, :width]
    return votes, votes >= 0.5


def finish(blended: torch.Tensor, settings: Settings) -> torch.Tensor:
    """Apply the Retinex to (N, 1, H, W) in whole levels, unless it is left out."""
    return retinex.apply_retinex(blended, settings.retinex_sigma) if settings.retinex_sigma else blended


def resize(image: torch.Tensor, side: int) -> torch.Tensor:
    """Resize (N, 1, H, W) to side x side as OpenCV does bilinearly, in whole levels; 0 keeps the image."""
    if not side or image.shape[-2:] == (side, side):
        return image
    return enhance.round_levels(torch.nn.functional.interpolate(image, size=(side, side), mode="bilinear"))
