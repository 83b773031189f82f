"""From a pair of images to a fused one: colour, padding and the network, the same for every method."""

from __future__ import annotations

from collections.abc import Iterator

from util import color
from util.lazy import torch


def fuse_images(model, a: torch.Tensor, b: torch.Tensor, gray: torch.Tensor | None = None) -> torch.Tensor:
    """Fuse a batch of pairs of any size.

    Args:
        model: gives ``fuse(a, b)``, ``color_mode`` ("rgb" or "luma") and ``size_multiple``.
        a, b: float32 (N, 3, H, W) in [0, 1].
        gray: bool (N,), True where both sources are gray; the result is then gray too. Found from the pixels where
            it is not given.

    Returns:
        float32 (N, 3, H, W) in [0, 1]; three equal channels where the pair is gray.
    """
    if gray is None:
        gray = _is_gray(a) & _is_gray(b)
    gray = gray.to(a.device)
    with torch.inference_mode(), model.evaluating(), model.autocast():
        if model.color_mode == "luma":
            fused = _fuse_luma(model, a, b)
        else:
            fused = fuse_padded(model, a, b)
        fused = model.postprocess(fused.float().clamp(0, 1))
    return torch.where(gray.view(-1, 1, 1, 1), color.luma(fused).expand_as(fused), fused)


def fuse_padded(model, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Run ``model.fuse`` on sides padded to ``model.size_multiple``, and cut the padding off again."""
    height, width = a.shape[-2:]
    return model.fuse(*_pad_pair(a, b, model.size_multiple))[..., :height, :width]


def explain_images(model, batch: dict) -> dict[str, torch.Tensor]:
    """Return the maps that a model offers for a batch (``BaseModel.explain``), (N, 1 or 3, H, W) in [0, 1], CPU."""
    a, b = (batch[key].to(model.device) for key in "AB")
    height, width = a.shape[-2:]
    with torch.inference_mode(), model.evaluating(), model.autocast():
        if model.color_mode == "luma":
            a, b = (color.rgb_to_ycbcr(image)[:, :1].expand(-1, model.channels, -1, -1) for image in (a, b))
        maps = model.explain(*_pad_pair(a, b, model.size_multiple))
    return {label: image[..., :height, :width].float().clamp(0, 1).cpu() for label, image in maps.items()}


def fuse_loader(model, loader) -> Iterator[tuple[dict, torch.Tensor]]:
    """Yield each batch of ``loader`` with its fused images (N, 3, H, W) on the CPU."""
    for batch in loader:
        a, b = (batch[key].to(model.device, non_blocking=True) for key in "AB")
        yield batch, fuse_images(model, a, b, batch["A_gray"] & batch["B_gray"]).cpu()


def _fuse_luma(model, a, b):
    planes_a, planes_b = color.rgb_to_ycbcr(a), color.rgb_to_ycbcr(b)
    y = fuse_padded(model, *(planes[:, :1].expand(-1, model.channels, -1, -1) for planes in (planes_a, planes_b)))
    y = y.float().mean(1, keepdim=True)  # not clamped before the colour is back, as in the originals
    chroma = color.merge_chroma(planes_a[:, 1:], planes_b[:, 1:])
    return color.ycbcr_to_rgb(torch.cat([y, chroma], 1))


def _pad_pair(a, b, multiple: int):
    height, width = a.shape[-2:]
    below, right = -height % multiple, -width % multiple
    return (_pad(a, right, below), _pad(b, right, below)) if below or right else (a, b)


def _pad(image, right, below):
    # Reflection needs a side longer than the padding; tiny images repeat their border instead.
    height, width = image.shape[-2:]
    mode = "reflect" if right < width and below < height else "replicate"
    return torch.nn.functional.pad(image, (0, right, 0, below), mode=mode)


def _is_gray(image):
    return ((image[:, 0] == image[:, 1]) & (image[:, 1] == image[:, 2])).flatten(1).all(1)
