"""LPIPS: how far apart two images are in the features of a network that has learned to classify.

The network's weights are read from this computer only, and never fetched: without them "all" leaves the metric out.
"""

from __future__ import annotations

import math
import os
import pickle
from functools import lru_cache
from pathlib import Path
from zipfile import BadZipFile

from metrics.registry import metric
from metrics.shared import row_strips
from util.errors import UserError
from util.lazy import torch

BACKBONE = "alexnet-owt-7be5be79.pth"  # torchvision's AlexNet, by the name under which it is published
LINEAR = "lpips_alex.pth"  # v0.1/alex.pth of the package lpips
VARIABLE = "FUSELAB_WEIGHTS"

# Of each convolution: its place in torchvision's ``features``, stride, padding, and whether it follows a pooling.
CONVOLUTIONS = ((0, 4, 2, False), (3, 1, 2, True), (6, 1, 1, True), (8, 1, 1, False), (10, 1, 1, False))
SHAPES = ((64, 3, 11, 11), (192, 64, 5, 5), (384, 192, 3, 3), (256, 384, 3, 3), (256, 256, 3, 3))
# Means and deviations of the channels R, G and B that the network is used to, levels being -1..1.
MEAN, DEVIATION = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
TINY = 1e-10


def _folders() -> list[Path]:
    """Where the files are looked for: the folder of $FUSELAB_WEIGHTS, and PyTorch's own for downloaded weights."""
    # As torch.hub.get_dir() has it, which would load torch.
    cache = os.path.join(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "torch")
    hub = Path(os.environ.get("TORCH_HOME", cache)).expanduser() / "hub" / "checkpoints"
    named = os.environ.get(VARIABLE)
    return [Path(named).expanduser(), hub] if named else [hub]


def _find_folder() -> Path | None:
    """Return the first of the folders that holds both files, or None."""
    return next((found for found in _folders() if all((found / name).is_file() for name in (BACKBONE, LINEAR))), None)


def missing_weights() -> str:
    """Return which files keep LPIPS from being computed here and where they belong, or "" where they are found."""
    if _find_folder() is not None:
        return ""
    return (f"it needs the files {BACKBONE} (torchvision's AlexNet) and {LINEAR} (weights/v0.1/alex.pth of the package "
            f"lpips) in one folder, and they are not in {' or '.join(map(str, _folders()))}; put them there, or into a "
            f"folder that the environment variable {VARIABLE} names")


@metric(
    name="LPIPS_GT", title="learned perceptual distance to the ground truth", direction="down", low=0, high=math.inf,
    needs="gt", smallest=31, missing=missing_weights,
    formula="sum over 5 layers of the mean over positions of sum_c w_c (f_c(F) - f_c(G))^2, features f of unit length",
    source="Zhang, Isola, Efros, Shechtman, Wang, CVPR 2018",
    variant="AlexNet, version 0.1, float32; of gray levels, the same in R, G and B: colour is scored by its luma",
    aliases=("LPIPS",),
)  # fmt: skip
def learned_perceptual_distance(fused, gt):
    folder = _find_folder()
    if folder is None:
        raise UserError(f"the metric LPIPS_GT cannot be computed here: {missing_weights()}")
    layers = [[part.to(fused.device) for part in layer] for layer in _read_layers(folder)]
    # One by one: float32 sums depend, in their last digits, on how many images go through the network together.
    return torch.stack([_distance(layers, *pair) for pair in zip(fused, gt, strict=True)])


def _distance(layers, fused, gt):
    levels = torch.stack([fused, gt])[:, None].to(torch.float32) / 127.5 - 1
    mean, deviation = (torch.tensor(values, device=fused.device)[:, None, None] for values in (MEAN, DEVIATION))
    maps = (levels - mean).div_(deviation)
    total = torch.zeros((), dtype=torch.float64, device=fused.device)
    for (_, stride, padding, pooled), (kernel, bias, weight) in zip(CONVOLUTIONS, layers, strict=True):
        if pooled:
            maps = torch.nn.functional.max_pool2d(maps, kernel_size=3, stride=2)
        maps = torch.nn.functional.conv2d(maps, kernel, bias, stride, padding).relu_()
        channels, height, width = maps.shape[1:]
        for start, stop in row_strips(height, channels * width):
            strip = maps[:, :, start:stop]
            first, second = strip / (strip.square().sum(dim=1, keepdim=True).sqrt_() + TINY)
            total += ((first - second).square_() * weight).sum(dtype=torch.float64) / (height * width)
    return total


@lru_cache(maxsize=1)
def _read_layers(folder: Path) -> list[tuple]:
    """Read (kernel, bias, weight of each channel) of the five layers.

    Raises:
        UserError: a file cannot be read or holds something else.
    """
    backbone, linear = _read(folder / BACKBONE), _read(folder / LINEAR)
    layers = []
    for number, ((place, *_), shape) in enumerate(zip(CONVOLUTIONS, SHAPES, strict=True)):
        layers.append((
            _take(folder / BACKBONE, backbone, f"features.{place}.weight", shape),
            _take(folder / BACKBONE, backbone, f"features.{place}.bias", shape[:1]),
            _take(folder / LINEAR, linear, f"lin{number}.model.1.weight", (1, shape[0], 1, 1))[0],
        ))  # fmt: skip
    return layers


def _read(path: Path) -> object:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, OSError, BadZipFile) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        raise UserError(f"the weights {path} of the metric LPIPS_GT cannot be read ({reason}); get the file again, or "
                        "leave the metric out of --metrics") from None


def _take(path: Path, state: object, key: str, shape: tuple[int, ...]):
    found = state.get(key) if isinstance(state, dict) else None
    if not isinstance(found, torch.Tensor) or found.shape != shape:
        raise UserError(f"{path} is not the file of weights that the metric LPIPS_GT needs: it holds no {key} of shape "
                        f"{shape}; get the right one, or leave the metric out of --metrics")
    return found.to(torch.float32)
