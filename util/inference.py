"""From a pair of images to a fused one: colour, padding, tiles and the network, the same for every method."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from util import color, tiling
from util.errors import RunError
from util.lazy import torch
from util.logger import warn
from util.tiling import AUTO, OFF, Place

BAND = 2**20  # pixels whose colour is converted at a time


def fuse_images(
    model, a: torch.Tensor, b: torch.Tensor, gray: torch.Tensor | None = None, tile: str | int | None = None
) -> torch.Tensor:
    """Fuse a batch of pairs of any size.

    Args:
        model: a ``BaseModel``.
        a, b: float32 (N, 3, H, W) in [0, 1].
        gray: bool (N,), True where both sources are gray; the result is then gray too. Found from the pixels where
            it is not given.
        tile: "auto": in tiles where a picture has more than ``tiling.WHOLE_UP_TO`` pixels or memory does not suffice
            otherwise; a number: in tiles of that side, in pixels; "off": whole. By default what ``--tile`` says.

    Returns:
        float32 (N, 3, H, W) in [0, 1]; three equal channels where the pair is gray.

    Raises:
        RunError: memory does not suffice.
    """
    if gray is None:
        gray = _is_gray(a) & _is_gray(b)
    tile = getattr(model.opt, "tile", AUTO) if tile is None else tile
    with torch.inference_mode(), model.evaluating(), model.autocast():
        fused = _fuse_within_memory(model, a, b, tile)
    if gray.any():
        fused = torch.where(gray.to(a.device).view(-1, 1, 1, 1), color.luma(fused).expand_as(fused), fused)
    return fused


def fuse_padded(model, a: torch.Tensor, b: torch.Tensor, place: Place | None = None) -> torch.Tensor:
    """Run ``model.fuse`` on sides padded to ``model.size_multiple``, and cut the padding off again.

    With a ``place`` images are what a tile sees, and ``model.fuse_tile`` is run.
    """
    height, width = a.shape[-2:]
    a, b = _pad_pair(a, b, model.size_multiple)
    fused = model.fuse(a, b) if place is None else model.fuse_tile(a, b, place)
    return fused[..., :height, :width]


def explain_images(model, batch: dict) -> dict[str, torch.Tensor]:
    """Return the maps that a model offers for a batch (``BaseModel.explain``), (N, 1 or 3, H, W) in [0, 1], CPU.

    There are none of pictures that are fused in tiles, nor where memory does not suffice for them.
    """
    if _find_side(model, batch["A"], getattr(model.opt, "tile", AUTO)):
        return {}
    try:
        return _explain(model, batch)
    except (MemoryError, RuntimeError) as error:
        if not tiling.is_out_of_memory(error):
            raise
    warn(f"memory does not suffice for the maps of {', '.join(batch['name'])}: they are left out (--no_maps)")
    return {}


def _explain(model, batch: dict) -> dict[str, torch.Tensor]:
    a, b = (batch[key].to(model.device) for key in "AB")
    height, width = a.shape[-2:]
    with torch.inference_mode(), model.evaluating(), model.autocast():
        if model.color_mode == "luma":
            a, b = (_take_planes(model, image) for image in (a, b))
        maps = model.explain(*_pad_pair(a, b, model.size_multiple))
    return {label: image[..., :height, :width].float().clamp(0, 1).cpu() for label, image in maps.items()}


def fuse_loader(model, loader) -> Iterator[tuple[dict, torch.Tensor]]:
    """Yield each batch of ``loader`` with its fused images (N, 3, H, W) on the CPU."""
    for batch in loader:
        a, b = (batch[key].to(model.device, non_blocking=True) for key in "AB")
        yield batch, fuse_images(model, a, b, batch["A_gray"] & batch["B_gray"]).cpu()


def _fuse_within_memory(model, a, b, tile: str | int) -> torch.Tensor:
    """Fuse whole or in tiles; with ``auto`` in smaller and smaller ones until memory suffices."""
    side, plan = _find_side(model, a, tile), model.find_tiling(model.opt)
    while True:
        try:
            return _fuse(model, a, b, side)
        except (MemoryError, RuntimeError) as error:
            if not tiling.is_out_of_memory(error):
                raise
        # Only now, out of the clause, what the failed attempt held has been freed.
        height, width = a.shape[-2:]
        smaller = plan and min(side or 2 * plan.side, height, width) // 2
        if tile != AUTO or not smaller or smaller < tiling.SMALLEST:
            raise RunError(_tell_what_helps(model, width, height, tile))
        warn(f"memory does not suffice for {width}x{height} pixels at once: fused in tiles of {smaller} pixels a side")
        side = smaller


def _find_side(model, images, tile: str | int) -> int | None:
    """Return the side of the tiles in which images (N, C, H, W) are fused; None: whole."""
    plan, (height, width) = model.find_tiling(model.opt), images.shape[-2:]
    if plan is None or tile == OFF:
        return None
    if tile == AUTO:
        return plan.side if height * width > tiling.WHOLE_UP_TO else None
    return int(tile) if max(height, width) > int(tile) else None


def _tell_what_helps(model, width: int, height: int, tile: str | int) -> str:
    sentence = f"memory does not suffice to fuse {width}x{height} pixels with --model {model.opt.model}"
    if model.find_tiling(model.opt) is None:
        return f"{sentence}, which sees a picture as a whole: make it smaller with --preprocess resize --load_size N"
    if tile == AUTO:
        return f"{sentence}, not even in tiles: make it smaller with --preprocess resize --load_size N"
    return f"{sentence} and --tile {tile}: use --tile auto"


def _fuse(model, a, b, side: int | None) -> torch.Tensor:
    fused = model.finish(_fuse_planes(model, a, b) if side is None else _fuse_in_tiles(model, a, b, side))
    if model.color_mode == "luma":  # not clamped before the colour is back, as in the originals
        fused = _put_colour_back(a, b, fused)
    elif side is None:
        fused = fused.float().clone()  # a method may keep, or give, what is not ours to change
    return model.postprocess(fused.clamp_(0, 1))


def _fuse_in_tiles(model, a, b, side: int) -> torch.Tensor:
    """Do as ``_fuse_planes``, one picture after the other and a tile at a time."""
    plan, (height, width) = model.find_tiling(model.opt), a.shape[-2:]
    channels = 1 if model.color_mode == "luma" else model.channels
    fused = torch.empty((len(a), channels, height, width), dtype=torch.float32, device=a.device)
    padded = [length + -length % model.size_multiple for length in (height, width)]
    for one, other, whole in zip(a.split(1), b.split(1), fused.split(1), strict=True):
        with _know_picture(model, one, other, plan):
            for tile in tiling.cut_tiles(height, width, side, plan):
                place = Place(tile.seen_rows.start, tile.seen_columns.start, *padded)
                tile.put(_fuse_planes(model, tile.look(one), tile.look(other), place), whole)
    return fused


def _know_picture(model, a, b, plan: tiling.Tiling) -> contextlib.AbstractContextManager:
    if not plan.window:
        return contextlib.nullcontext()
    places = tiling.spread_windows(*a.shape[-2:], plan)
    windows = (torch.cat([image[..., rows, columns] for rows, columns in places]) for image in (a, b))
    planes = (_take_planes(model, image) for image in windows)
    return model.knowing_picture(*_pad_pair(*planes, model.size_multiple), plan.margin / plan.window)


def _fuse_planes(model, a, b, place: Place | None = None) -> torch.Tensor:
    """Fuse images (N, 3, H, W) to what is there before the colour is put back: (N, 1, H, W) or (N, 3, H, W)."""
    fused = fuse_padded(model, _take_planes(model, a), _take_planes(model, b), place)
    return fused.float().mean(1, keepdim=True) if model.color_mode == "luma" else fused


def _take_planes(model, image) -> torch.Tensor:
    """Return what a model sees of an image (N, 3, H, W): the image, or its luminance in ``model.channels`` channels."""
    if model.color_mode != "luma":
        return image
    y = torch.empty_like(image[:, :1])
    for rows in _cut_bands(image):
        y[:, :, rows] = color.luma(image[:, :, rows])
    return y.expand(-1, model.channels, -1, -1)


def _put_colour_back(a, b, y) -> torch.Tensor:
    """Return (N, 3, H, W) of the luminance ``y`` (N, 1, H, W) and the chroma of both sources."""
    fused = torch.empty(a.shape, dtype=torch.float32, device=a.device)
    for rows in _cut_bands(a):
        chroma = color.merge_chroma(*(color.rgb_to_ycbcr(image[:, :, rows])[:, 1:] for image in (a, b)))
        fused[:, :, rows] = color.ycbcr_to_rgb(torch.cat([y[:, :, rows], chroma], 1))
    return fused


def _cut_bands(images) -> Iterator[slice]:
    """Yield rows of (N, C, H, W) to convert together: of huge pictures, planes in between are then small."""
    step = max(1, BAND // (len(images) * images.shape[-1]))
    for top in range(0, images.shape[-2], step):
        yield slice(top, top + step)


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
