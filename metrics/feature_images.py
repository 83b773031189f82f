"""The feature images that feature mutual information compares: gradient, edges, cosine and wavelet transform.

Each function maps gray levels, float64 (N, H, W), to a float64 feature image. They follow the functions of MATLAB with
which published values were computed.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from metrics.filters import sobel
from util.lazy import torch

_MEYER_TAPS = 102
_BLOCK = 64  # rows of a band made at once


def horizontal_gradient(images):
    """Difference along rows (MATLAB's ``gradient``): half of right minus left, one-sided at the borders."""
    return torch.gradient(images, dim=-1)[0] if images.shape[-1] > 1 else torch.zeros_like(images)


def sobel_edges(images):
    """Map of edges, 1 on an edge and 0 elsewhere (MATLAB's ``edge``, its default method).

    A pixel lies on an edge where the squared Sobel gradient exceeds four times its mean and is a maximum along the
    direction, row or column, in which levels change more; beyond the border the gradient counts as 0.
    """
    padded = torch.nn.functional.pad(images[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    horizontal, vertical = sobel(padded)  # whole numbers: all comparisons below are exact
    power = horizontal.square() + vertical.square()
    framed = torch.nn.functional.pad(power, (1, 1, 1, 1))
    left, right = framed[:, 1:-1, :-2], framed[:, 1:-1, 2:]
    above, below = framed[:, :-2, 1:-1], framed[:, 2:, 1:-1]
    steep = horizontal.abs() - vertical.abs()
    ridge = ((steep >= 0) & (left <= power) & (power > right)) | ((steep <= 0) & (above <= power) & (power > below))
    threshold = 4 * power.mean(dim=(-2, -1), keepdim=True)
    return (ridge & (power > threshold)).to(torch.float64)


def cosine_transform(images):
    """Orthonormal two-dimensional DCT-II of the whole image (MATLAB's ``dct2``)."""
    return _transform_rows(_transform_rows(images).mT.contiguous()).mT.contiguous()


def _transform_rows(images):
    # Even samples, then odd ones backwards: the DCT is the FFT of that order, turned by a quarter of a sample
    # (Makhoul, IEEE Trans. ASSP 28(1), 1980). The half spectrum holds all of it: index n - k is the conjugate of k.
    length = images.shape[-1]
    reordered = torch.cat([images[..., ::2], images[..., 1::2].flip(-1)], dim=-1)
    index = torch.arange(length // 2 + 1, dtype=torch.float64, device=images.device)
    turned = torch.fft.rfft(reordered) * torch.polar(torch.full_like(index, math.sqrt(2 / length)),
                                                     -math.pi / (2 * length) * index)
    coefficients = torch.cat([turned.real, -turned.imag[..., 1:(length + 1) // 2].flip(-1)], dim=-1)
    coefficients[..., 0] /= math.sqrt(2)
    return coefficients


def meyer_mosaic(images):
    """The four bands of a one-level discrete Meyer transform side by side, rescaled to [0, 1].

    (N, H, W) -> (N, 2 ((H + 101) // 2), 2 ((W + 101) // 2)): approximation and horizontal detail above, vertical and
    diagonal detail below (MATLAB's ``dwt2`` with 'dmey', half-point symmetric border).
    """
    mosaics = []
    for image in images:
        low, high = (band.mT.contiguous() for band in _analyse(image.mT.contiguous()))
        mosaic = torch.cat([torch.cat(tuple(_analyse(band)), dim=1) for band in (low, high)])
        low, high = torch.aminmax(mosaic)
        # Without need in exact arithmetic, as each window is rescaled again. It makes bands below 1e-16 of the range
        # flat, and so keeps what is left of them by rounding out of the score.
        mosaics.append((mosaic - low) / (high - low) if high > low else torch.ones_like(mosaic))
    return torch.stack(mosaics)


def _analyse(image):
    """Filter and decimate the columns of (H, W): low and high band, (2, (H + 101) // 2, W)."""
    height, width = image.shape
    rows = (height + _MEYER_TAPS - 1) // 2
    blocks = -(-rows // _BLOCK)
    position = torch.arange(2 - _MEYER_TAPS, 2 * _BLOCK * blocks, device=image.device) % (2 * height)
    extended = image[torch.minimum(position, 2 * height - 1 - position)]
    # Both bands of a block of rows are one matrix product: several times as fast as a sum over shifted rows.
    filters = torch.zeros(2, _BLOCK, 2 * (_BLOCK - 1) + _MEYER_TAPS, dtype=torch.float64)
    for row in range(_BLOCK):
        filters[:, row, 2 * row:2 * row + _MEYER_TAPS] = torch.tensor(meyer_filters(), dtype=torch.float64)
    filters = filters.to(image.device).flatten(0, 1)
    bands = image.new_empty(2, _BLOCK * blocks, width)
    for block in range(blocks):
        start = 2 * _BLOCK * block
        product = filters @ extended[start:start + filters.shape[1]]
        bands[:, _BLOCK * block:_BLOCK * (block + 1)] = product.view(2, _BLOCK, width)
    return bands[:, :rows]


@lru_cache
def meyer_filters() -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the low-pass and the high-pass filter of 102 taps, to be correlated with a signal.

    The low-pass filter is the inverse Fourier transform of Meyer's window, cut to 101 taps and scaled to the sum of
    sqrt(2). The spectrum is sampled at 472 frequencies: so the taps come nearest, to 5e-12, to the table of MATLAB
    (PyWavelets has 62 taps for the same wavelet, and other scores). Source: Meyer, Wavelets and Operators, 1992;
    Daubechies, Ten Lectures on Wavelets, 1992, section 4.2.
    """
    frequency = np.abs(np.fft.fftfreq(472))  # in cycles per sample; the window falls from 1/6 to 1/3
    x = np.clip(6 * frequency - 1, 0, 1)
    window = np.cos(np.pi / 2 * x**4 * (35 - 84 * x + 70 * x**2 - 20 * x**3))
    window[frequency >= 1 / 3] = 0
    half = np.fft.ifft(window).real[:_MEYER_TAPS // 2]
    taps = np.concatenate([half[:0:-1], half])
    taps *= math.sqrt(2) / taps.sum()
    low = np.append(taps, 0.0)
    high = np.append(0.0, taps * -((-1.0) ** np.arange(_MEYER_TAPS - 1)))
    return tuple(low.tolist()), tuple(high.tolist())
