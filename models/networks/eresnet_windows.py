"""EResNet on every window of two pictures, with what windows share computed once.

All of EResNet between its 3x3 convolution and its head are 1x1 convolutions and three halvings, so that a feature of
the head comes from a cell of 8x8 pixels and, through the 3x3 convolution, one pixel around it. Windows on a grid of 8
pixels consist of the same cells. Only what lies around a cell differs: other pixels of the picture inside a window,
zeros at the rim of a stack, and the other picture where the two halves meet. A difference touches one row or column of
pixels of a cell, at every scale. A cell is therefore kept as a table of

    side + 4 rows: its own; the first one with zeros, and with the other picture, above; the last one with the other
                   picture, and with zeros, below;
    side + 2 columns: its own; the first one with zeros on its left; the last one with zeros on its right,

with the side 8, 4, 2 and 1: 120 pixels for 64 at first, 15 features in the end, of which a window takes the one that
fits the cell's place in it. The head is a sum over places, with a matrix for each. Ours; the scores are those of
``EResNet.forward`` on each stack but for rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

WINDOW = 32  # pixels a side
CELL = 8  # likewise
CELLS = WINDOW // CELL
ROW_EDGES, COLUMN_EDGES = 2, 1  # kinds of first rows, as many of last ones; the same of columns
CHUNK_CELLS = 48  # whose pixels are in memory at a time: 6 MB
STRIP_CELLS = 1024  # whose features are: 30 MB
BATCH = 64  # pairs of windows, where windows are cut out

# A cell and one pixel around it have rows 0 to 9; behind them come a row of zeros, the other picture's row above and
# the one below. Columns likewise, with one of zeros. The taps of each row and column of the table:
_ZEROS, _ABOVE, _BELOW = 10, 11, 12
_ROW_TAPS = [(y, y + 1, y + 2) for y in range(CELL)] + [(_ZEROS, 1, 2), (_ABOVE, 1, 2), (7, 8, _BELOW), (7, 8, _ZEROS)]
_COLUMN_TAPS = [(x, x + 1, x + 2) for x in range(CELL)] + [(_ZEROS, 1, 2), (7, 8, _ZEROS)]
# The places in a stack of 8x4 cells for which the rows and columns of the last table are.
_ROW_PLACES = ((1, 2, 5, 6), (0,), (4,), (3,), (7,))
_COLUMN_PLACES = ((1, 2), (0,), (3,))


class _Affine(NamedTuple):
    """x @ weight + bias: (inputs, outputs) and (outputs,)."""

    weight: Tensor
    bias: Tensor


class _Weights(NamedTuple):
    """A network with its batch normalisations, and linear maps that follow upon each other, multiplied in.

    A residual block is one map to twice its channels: the residual branch, then the shortcut.
    """

    planes: list[tuple[_Affine, _Affine, _Affine]]  # of gray, Gx and Gy: the 3x3 convolution and two blocks
    gray: _Affine
    gradients: _Affine
    places: Tensor  # of the head (8, 4, 512, 256): row and column of a cell in a stack
    hidden_bias: Tensor
    last: _Affine
    slope: float  # of the leaky ReLU


@torch.no_grad()
def compare_windows(network: nn.Module, first: Tensor, second: Tensor, stride: int) -> Tensor:
    """See ``EResNet.compare_windows``.

    A stride of 4, 2 or 1 is several grids of 8 pixels, one shifted against the other; a multiple of 8 is a part of one
    grid. Other strides share too little: their windows are cut out and classified in batches.
    """
    if network.training:
        raise ValueError("the network is in training mode: windows are compared in evaluation mode, call eval() first")
    if CELL % stride and stride % CELL:
        return _compare_batches(network, first, second, stride)
    weights = _fold(network)
    rows, columns = ((side - WINDOW) // stride + 1 for side in first.shape[-2:])
    logits = first.new_empty(len(first), 2, 2, rows, columns)
    shifts, every = range(0, CELL, min(stride, CELL)), max(1, stride // CELL)
    for row, top in enumerate(shifts):
        for column, left in enumerate(shifts):
            part = logits[..., row :: len(shifts), column :: len(shifts)]
            if part.numel():
                grid = _compare_grid(weights, first[..., top:, left:], second[..., top:, left:])
                part.copy_(grid[..., ::every, ::every])
    return logits


def _compare_batches(network: nn.Module, first: Tensor, second: Tensor, stride: int) -> Tensor:
    rows, columns = ((side - WINDOW) // stride + 1 for side in first.shape[-2:])
    lines = []
    for top in range(0, rows * stride, stride):
        strips = (image[:, :, top : top + WINDOW].unfold(-1, WINDOW, stride) for image in (first, second))
        batches = (strip.permute(0, 3, 1, 2, 4).flatten(0, 1).split(BATCH) for strip in strips)
        line = torch.cat([torch.stack(network.compare(*pair), 1) for pair in zip(*batches, strict=True)])
        lines.append(line.unflatten(0, (len(first), columns)))
    return torch.stack(lines, 1).permute(0, 3, 4, 1, 2)


def _compare_grid(weights: _Weights, first: Tensor, second: Tensor) -> Tensor:
    """Return the logits of all windows on a grid of 8 pixels, (N, 2, 2, H // 8 - 3, W // 8 - 3)."""
    strips = [_score(weights, *halves) for halves in _sum_places(weights, torch.stack([first, second], 1))]
    return torch.cat(strips, 2)[:, :, CELLS - 1 :].permute(0, 1, 4, 2, 3)


def _score(weights: _Weights, upper: Tensor, lower: Tensor) -> Tensor:
    hidden = upper + lower.flip(1) + weights.hidden_bias  # below is the other picture
    return functional.leaky_relu_(hidden, weights.slope) @ weights.last.weight + weights.last.bias


def _sum_places(weights: _Weights, pictures: Tensor) -> Iterator[Tensor]:
    """Yield strips of windows, beginning with three rows of them above the pictures.

    Args:
        pictures: (N, 2, 3, H, W).

    Returns:
        What each half of a stack adds to the hidden features, (2, N, 2, rows, columns, 256): half, pair, picture.
    """
    count, _, _, height, width = pictures.shape
    rows, columns, ahead = height // CELL, width // CELL, CELLS - 1
    padded = functional.pad(pictures, (1, 1, ahead * CELL, ahead * CELL))
    step = max(1, STRIP_CELLS // (2 * count * columns))
    pending = pictures.new_zeros(2, count, 2, ahead, columns - ahead, len(weights.hidden_bias))
    for top in range(0, rows, step):
        cells = _cut_cells(padded, range(top, min(top + step, rows)), columns)
        shape = cells.shape[3:]
        features = torch.cat([_compute_features(weights, part) for part in cells.flatten(3).split(CHUNK_CELLS, 3)], 2)
        hidden = functional.pad(pending, (0, 0, 0, 0, 0, shape[2]))
        for row, column, share in _multiply_places(weights, features):
            begin = ahead - row % CELLS
            windows = share.unflatten(0, shape)[..., column : column + columns - ahead, :]
            hidden[row // CELLS, :, :, begin : begin + shape[2]] += windows
        yield hidden[..., : shape[2], :, :]
        pending = hidden[..., shape[2] :, :, :]


def _multiply_places(weights: _Weights, features: Tensor) -> Iterator[tuple[int, int, Tensor]]:
    """Yield the row and column of each place in a stack and what cells add to the hidden features there, (cells, 256).

    Args:
        features: (5, 3, cells, 512).
    """
    for rows, line in zip(_ROW_PLACES, features, strict=True):
        for columns, cells in zip(_COLUMN_PLACES, line, strict=True):
            for row in rows:
                for column in columns:
                    yield row, column, cells @ weights.places[row, column]


def _cut_cells(padded: Tensor, rows: range, columns: int) -> Tensor:
    """Return cells and what lies around them, (13, 11, 3, N, 2, rows, columns), as ``_ROW_TAPS`` has it.

    Args:
        padded: pictures with 24 rows of zeros above and below and a column of zeros on each side.
        rows: of cells.
    """
    ahead = (CELLS - 1) * CELL
    first, step = rows.start * CELL + ahead, CELL  # the uppermost pixel row of the cells
    own = padded[..., first - 1 :, :].unfold(-2, CELL + 2, step).unfold(-2, CELL + 2, step)
    other = padded.flip(1).unfold(-1, CELL + 2, step)
    above, below = other[..., first + ahead + CELL - 1 :: step, :, :], other[..., first - ahead :: step, :, :]
    cells = padded.new_zeros(_BELOW + 1, CELL + 3, 3, *padded.shape[:2], len(rows), columns)
    cells[: CELL + 2, : CELL + 2] = own[:, :, :, : len(rows)].permute(5, 6, 2, 0, 1, 3, 4)
    for place, line in ((_ABOVE, above), (_BELOW, below)):
        cells[place, : CELL + 2] = line[:, :, :, : len(rows)].permute(5, 2, 0, 1, 3, 4)
    return cells


def _compute_features(weights: _Weights, cells: Tensor) -> Tensor:
    """Map cells (13, 11, 3, cells) to the features of the head (5, 3, cells, 512)."""
    rows, columns = (torch.tensor(taps, device=cells.device) for taps in (_ROW_TAPS, _COLUMN_TAPS))
    taps = cells[rows[:, None, :, None], columns[None, :, None, :]]  # (12, 10, 3, 3, 3, cells)
    slope, branches = weights.slope, []
    for plane, (first, block2, block3) in enumerate(weights.planes):
        x = taps[..., plane, :].flatten(2, 3).transpose(2, 3) @ first.weight
        x = functional.leaky_relu_(x.add_(first.bias), slope)
        branches.append(_halve(_halve(x, block2, slope), block3, slope))
    gray, *gradients = branches
    gradients = torch.cat(gradients, -1)
    return torch.cat([_halve(gray, weights.gray, slope), _halve(gradients, weights.gradients, slope)], -1)


def _halve(x: Tensor, block: _Affine, slope: float) -> Tensor:
    """Apply a residual block to tables of cells, (side + 4, side + 2, cells, C)."""
    x = _pool(_pool(x @ block.weight, 0, ROW_EDGES), 1, COLUMN_EDGES)
    residual, shortcut = functional.leaky_relu_(x.add_(block.bias), slope).chunk(2, -1)
    return residual + shortcut


def _pool(x: Tensor, dim: int, edges: int) -> Tensor:
    """Return the maxima of neighbours in a table; the first and last edges go with the row or column next to them."""
    side = x.shape[dim] - 2 * edges
    even, odd = x.narrow(dim, 0, side).unflatten(dim, (side // 2, 2)).unbind(dim + 1)
    first, last = x.narrow(dim, side, edges), x.narrow(dim, side + edges, edges)
    pairs = (even, odd), (first, x.narrow(dim, 1, 1)), (last, x.narrow(dim, side - 2, 1))
    shape = [*x.shape]
    shape[dim] -= side // 2
    pooled = x.new_empty(shape)
    for part, (a, b) in zip(pooled.split([side // 2, edges, edges], dim), pairs, strict=True):
        torch.maximum(a, b, out=part)
    return pooled


def _fold(network: nn.Module) -> _Weights:
    planes = []
    for index in (1, 2, 3):
        layers, *blocks = (getattr(network, f"{name}_{index}") for name in ("conv1", "ResBlock2", "ResBlock3"))
        planes.append((_chain(layers), *map(_fold_block, blocks)))
    hidden, last = _chain(network.fc[:2]), _chain(network.fc[3:])
    places = hidden.weight.view(2, 256, 2 * CELLS, CELLS, -1).permute(2, 3, 0, 1, 4).flatten(2, 3).contiguous()
    return _Weights(
        planes,
        _fold_block(network.ResBlock4_1),
        _fold_block(network.ResBlock4_23),
        places,
        hidden.bias,
        last,
        network.fc[2].negative_slope,
    )


def _fold_block(block: nn.Module) -> _Affine:
    residual, shortcut = _chain(block.residual[:4]), _chain(block.shortcut[:2])
    return _Affine(torch.cat([residual.weight, shortcut.weight], 1), torch.cat([residual.bias, shortcut.bias]))


def _chain(layers: nn.Sequential) -> _Affine:
    """Return one affine map for convolutions or linear layers and the batch normalisations behind them."""
    weight = bias = None
    for layer in layers:
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            own = layer.weight.flatten(1).t().double()
            weight, bias = (own, layer.bias) if weight is None else (weight @ own, bias @ own + layer.bias)
        elif isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            scale = layer.weight.double() / (layer.running_var.double() + layer.eps).sqrt()
            weight, bias = weight * scale, (bias - layer.running_mean) * scale + layer.bias
    dtype = layers[0].weight.dtype
    return _Affine(weight.to(dtype).contiguous(), bias.to(dtype))
