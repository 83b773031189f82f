"""3x3 convolutions with a quarter of the multiplications: Winograd's minimal filtering, for inference in float32.

A. Lavin, S. Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, F(4x4, 3x3): tiles of 6x6 pixels and
the kernels are carried to 36 places where a convolution is a product of matrices, and the products back to 4x4 pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

TILE = 4  # pixels a side that one tile gives
_CHANNELS = 128  # of the narrower side of a convolution, and
_PIXELS = 64 * 64  # of its map: with fewer its own work is more than what it saves
_SEEN = TILE + 2  # and that it is made from
GROWTH = (_SEEN / TILE) ** 2  # by how much a map grows where it is carried
# Where the polynomials are evaluated, beside infinity. With the usual 0, 1, -1, 2, -2 the result would have twice the
# rounding error of a direct sum; with these, exact in binary, it has the same.
_POINTS = (0.0, 0.625, -0.625, 1.5, -1.5)


def pays(weight: Tensor, x: Tensor, scale: int = 1) -> bool:
    """Whether a convolution by ``weight`` (K, C, 3, 3) of ``x``, enlarged by ``scale``, is quicker so."""
    pixels = len(x) * x.shape[-2] * x.shape[-1] * scale**2
    is_wide = min(weight.shape[:2]) >= _CHANNELS and pixels >= _PIXELS
    return is_wide and x.dtype == weight.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")


def prepare(weight: Tensor, bias: Tensor | None, padding: int = 1) -> Callable[[Tensor], Tensor]:
    """Return the convolution by ``weight`` (K, C, 3, 3) and ``bias`` (K), without gradients.

    It maps (N, C, H + 2, W + 2 - 2 padding) to (N, K, H, W), float32 with the channels of a pixel side by side: the
    rows have their neighbours, the columns are filled up with ``padding`` zeros on either side.
    """
    outputs, inputs = weight.shape[:2]
    _, carry_kernel, _ = _transforms()
    kernels = (carry_kernel @ weight.permute(2, 3, 1, 0).reshape(9, -1)).view(-1, inputs, outputs)

    def convolve(x: Tensor) -> Tensor:
        return _convolve(x, kernels, bias, padding)

    return convolve


def _convolve(x: Tensor, kernels: Tensor, bias: Tensor | None, padding: int) -> Tensor:
    carry_tile, _, carry_back = _transforms()
    batch, (height, width), outputs = len(x), (x.shape[2] - 2, x.shape[3] - 2 + 2 * padding), kernels.shape[-1]
    x = functional.pad(x, (padding, padding + -width % TILE, 0, -height % TILE)).permute(0, 2, 3, 1)
    tiles = x.unfold(1, _SEEN, TILE).unfold(2, _SEEN, TILE)  # (N, rows, columns, C, 6, 6)
    rows, columns = tiles.shape[1:3]
    tiles = tiles.permute(4, 5, 0, 1, 2, 3).reshape(_SEEN**2, -1)
    tiles = (carry_tile @ tiles).view(_SEEN**2, batch * rows * columns, -1)
    pixels = carry_back @ torch.bmm(tiles, kernels).view(_SEEN**2, -1)
    pixels = pixels.view(TILE, TILE, batch, rows, columns, outputs).permute(2, 3, 0, 4, 1, 5)
    pixels = pixels.reshape(batch, rows * TILE, columns * TILE, outputs)[:, :height, :width]
    if bias is not None:
        pixels += bias
    return pixels.permute(0, 3, 1, 2)


@cache
def _transforms() -> tuple[Tensor, Tensor, Tensor]:
    """Return the matrices that carry a tile (36, 36), a kernel (36, 9), and products back (16, 36), rows by rows."""
    points = torch.tensor(_POINTS, dtype=torch.float64)
    last = len(points)  # infinity
    tile = torch.zeros(last + 1, last + 1, dtype=torch.float64)
    kernel, back = tile[:, :3].clone(), tile[:TILE].clone()
    for index, point in enumerate(points):
        others = torch.cat([points[:index], points[index + 1 :]])
        tile[index, :last] = _expand(others)
        kernel[index] = point ** torch.arange(3) / (point - others).prod()
        back[:, index] = point ** torch.arange(TILE)
    tile[last] = _expand(points)
    kernel[last, -1] = back[-1, last] = 1
    return tuple(torch.kron(matrix, matrix).float() for matrix in (tile, kernel, back))


def _expand(roots: Tensor) -> Tensor:
    """Return the coefficients of the product of (x - root), that of 1 first."""
    coefficients = roots.new_ones(1)
    zero = roots.new_zeros(1)
    for root in roots:
        coefficients = torch.cat([zero, coefficients]) - root * torch.cat([coefficients, zero])
    return coefficients
