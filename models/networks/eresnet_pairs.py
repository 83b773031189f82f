"""EResNet on pairs of windows in both orders, for training: one pass instead of two, without what both orders share.

- The order is seen by the 3x3 convolution alone, in the two rows where the windows meet and the two at the rim. A
  window is therefore kept as a table of its rows 1 to 30, which both orders have, and of rows 0 and 31 once for each:
  34 rows instead of 64, then 18, 10 and 6 instead of 32, 16 and 8. In a batch's statistics the common rows count twice.
- Mean and variance of linear maps of x follow from the mean and the covariance of x: Wx + b has W mean + b, and the
  diagonal of W cov W^T. So 1x1 convolutions and their normalisations are multiplied into one matrix before any pixel
  meets it, a residual block is one product, and the maximum of 2x2 pixels is taken while they are in the cache.

Ours; results, gradients and running statistics are those of ``EResNet.forward`` on all stacks but for rounding.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

SIDE = 32  # of a window
CHUNK = 4  # windows whose pixels are in memory between a product and its halving, 4 MB; a GPU takes all at once

# A window has rows 0 to 31; behind them come a row of zeros, the other window's row 31 and its row 0. The taps of each
# row of the table: row 0 below zeros and below the other window, 1 to 30, row 31 above the other window, above zeros.
_ZEROS, _ABOVE, _BELOW = SIDE, SIDE + 1, SIDE + 2
_ROW_TAPS = torch.tensor([
    (_ZEROS, 0, 1), (_ABOVE, 0, 1), *((y - 1, y, y + 1) for y in range(1, SIDE - 1)), (30, 31, _BELOW), (30, 31, _ZEROS)
])  # fmt: skip


def compare_pairs(network: nn.Module, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """See ``EResNet.compare``."""
    slope = network.fc[2].negative_slope
    branches = []
    for index, taps in enumerate(_cut_taps(first, second), 1):
        layers, *blocks = (getattr(network, f"{name}_{index}") for name in ("conv1", "ResBlock2", "ResBlock3"))
        weight, bias = _Folding(taps, network.training).fold(layers[:2])
        x = functional.leaky_relu_(taps @ weight + bias, slope)
        for block in blocks:
            x = _halve(block, x, slope)
        branches.append(x)
    gray, *gradients = branches
    gray = _halve(network.ResBlock4_1, gray, slope)
    features = torch.cat([gray, _halve(network.ResBlock4_23, torch.cat(gradients, -1), slope)], -1)
    # Rows 0, 2, 3 and 4 of the last table are a window's above another one; rows 1, 2, 3 and 5 below it.
    upper, lower = torch.cat([features[:, :1], features[:, 2:5]], 1), torch.cat([features[:, 1:4], features[:, 5:]], 1)
    stacks = torch.cat([upper, lower.roll(len(first), 0)], 1)  # (2 N, 8, 4, 512): [first; second], [second; first]
    return network.fc(stacks.permute(0, 3, 1, 2).flatten(1)).chunk(2)


def _cut_taps(first: Tensor, second: Tensor) -> Tensor:
    """Return what the 3x3 convolution takes for each pixel, (3, 2 N, 34, 32, 9): plane, first ones and second ones."""
    own, other = torch.cat([first, second]), torch.cat([second, first])
    rows = torch.cat([own, torch.zeros_like(own[:, :, :1]), other[:, :, -1:], other[:, :, :1]], 2)
    taps = functional.pad(rows, (1, 1))[:, :, _ROW_TAPS.to(rows.device, non_blocking=True)]
    return taps.unfold(-1, 3, 1).permute(1, 0, 2, 4, 3, 5).flatten(-2)


def _halve(block: nn.Module, x: Tensor, slope: float) -> Tensor:
    """Apply a residual block to tables of windows, (2 N, rows, columns, C)."""
    folding = _Folding(x, block.training)
    weights, biases = zip(folding.fold(block.residual[:4]), folding.fold(block.shortcut[:2]), strict=True)
    pooled = _HalvedProduct.apply(x, torch.cat(weights, 1)) + torch.cat(biases)
    residual, shortcut = functional.leaky_relu_(pooled, slope).chunk(2, -1)
    return residual + shortcut


class _Folding:
    """Multiplies linear layers and batch normalisations into one map, with the statistics that ``x`` gives them.

    Args:
        x: tables of windows (2 N, rows, columns, C).
        training: take the statistics from x, and keep them as running ones; else those are used.
    """

    def __init__(self, x: Tensor, training: bool):
        self.training = training
        if training:
            self.count = 2 * x[:, 2:].shape[:3].numel()  # of pixels in all stacks
            self.mean, moment = _Moments.apply(x)
            self.covariance = moment - torch.outer(self.mean, self.mean)

    def fold(self, layers: nn.Sequential) -> tuple[Tensor, Tensor]:
        """Return weight (C, outputs) and bias (outputs,) of convolutions with a normalisation behind each."""
        weight = bias = None
        for conv, norm in zip(layers[::2], layers[1::2], strict=True):
            own = conv.weight.flatten(1).t()
            weight, bias = (own, conv.bias) if weight is None else (weight @ own, bias @ own + conv.bias)
            mean, variance = self._find_statistics(norm, weight, bias)
            scale = norm.weight * torch.rsqrt(variance + norm.eps)
            weight, bias = weight * scale, (bias - mean) * scale + norm.bias
        return weight, bias

    def _find_statistics(self, norm: nn.BatchNorm2d, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        if not self.training:
            return norm.running_mean, norm.running_var
        mean = self.mean @ weight + bias
        variance = ((self.covariance @ weight) * weight).sum(0).clamp_min(0)
        with torch.no_grad():
            norm.num_batches_tracked += 1
            norm.running_mean.lerp_(mean, norm.momentum)
            norm.running_var.lerp_(variance * (self.count / (self.count - 1)), norm.momentum)
        return mean, variance


class _Moments(torch.autograd.Function):
    """The mean (C,) and the mean of x x^T, (C, C), over the pixels of all stacks."""

    @staticmethod
    def forward(ctx, x: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(x)
        ctx.count = 2 * x[:, 2:].shape[:3].numel()
        edges = torch.cat([x[:, :2], x[:, -2:]], 1).flatten(0, 2)  # once, the others twice
        x = x.flatten(0, 2)
        return (2 * x.sum(0) - edges.sum(0)) / ctx.count, (2 * (x.t() @ x) - edges.t() @ edges) / ctx.count

    @staticmethod
    def backward(ctx, mean_grad: Tensor, moment_grad: Tensor) -> Tensor | None:
        if not ctx.needs_input_grad[0]:
            return None
        (x,) = ctx.saved_tensors
        grad = x @ ((moment_grad + moment_grad.t()) * (2 / ctx.count)) + mean_grad * (2 / ctx.count)
        grad[:, :2] *= 0.5
        grad[:, -2:] *= 0.5
        return grad


class _HalvedProduct(torch.autograd.Function):
    """The maximum of 2x2 pixels of ``x @ weight``, a few windows at a time: the product is never there as a whole."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.winners, pooled = [], []
        for part in x.split(_chunk(x)):
            halved, rows = _take_larger(_pair_rows(part @ weight))
            halved, columns = _take_larger(_pair_columns(halved))
            ctx.winners.append((rows, columns))
            pooled.append(halved)
        return torch.cat(pooled)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        x_grad, weight_grad = torch.empty_like(x), torch.zeros_like(weight)
        parts = zip(*(tensor.split(_chunk(x)) for tensor in (x, x_grad, grad)), ctx.winners, strict=True)
        for part, part_grad, halved_grad, (rows, columns) in parts:
            rows_grad = halved_grad.new_empty(rows.shape)
            _give_to_larger(_pair_columns(rows_grad), halved_grad, columns)
            product_grad = halved_grad.new_empty(*part.shape[:3], weight.shape[1])
            _give_to_larger(_pair_rows(product_grad), rows_grad, rows)
            product_grad = product_grad.flatten(0, 2)
            torch.mm(product_grad, weight.t(), out=part_grad.flatten(0, 2))
            weight_grad.addmm_(part.flatten(0, 2).t(), product_grad)
        return x_grad, weight_grad


def _chunk(x: Tensor) -> int:
    return CHUNK if x.device.type == "cpu" else len(x)


def _pair_rows(x: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return the rows of tables (n, rows, columns, C) that are halved: both first ones with the third, and so on."""
    inner = x[:, 3:-3]
    return [(x[:, :2], x[:, 2:3]), (inner[:, ::2], inner[:, 1::2]), (x[:, -2:], x[:, -3:-2])]


def _pair_columns(x: Tensor) -> list[tuple[Tensor, Tensor]]:
    return [(x[:, :, ::2], x[:, :, 1::2])]


def _take_larger(pairs: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Return the maxima of pairs, one pair below the other, and where the second of a pair is the larger one."""
    lengths = [first.shape[1] for first, _ in pairs]
    count, _, *rest = pairs[0][0].shape
    largest = pairs[0][0].new_empty(count, sum(lengths), *rest)
    is_second = torch.empty_like(largest, dtype=torch.bool)
    parts = zip(pairs, largest.split(lengths, 1), is_second.split(lengths, 1), strict=True)
    for (first, second), part, mask in parts:
        torch.maximum(first, second, out=part)
        torch.lt(first, second, out=mask)
    return largest, is_second


def _give_to_larger(pairs: list[tuple[Tensor, Tensor]], grad: Tensor, is_second: Tensor) -> None:
    """Fill pairs with the gradient of ``_take_larger``."""
    lengths = [first.shape[1] for first, _ in pairs]
    parts = zip(pairs, grad.split(lengths, 1), is_second.split(lengths, 1), strict=True)
    for (first, second), part, mask in parts:
        if first.shape == second.shape:
            torch.mul(part, mask, out=second)
            torch.sub(part, second, out=first)
        else:
            share = part * mask
            torch.sub(part, share, out=first)
            torch.sum(share, 1, keepdim=True, out=second)
