"""Metrics of the distance between the fused image and a reference, level by level."""

from __future__ import annotations

import math

from metrics.histograms import differences, joint_histogram, mean_over_pixels
from metrics.registry import metric
from util.lazy import torch

PEAK = 255.0


def squared_error(first, second):
    """Return the mean squared difference of two images, (N, H, W) levels each -> (N,), in squared gray levels."""
    joint = joint_histogram(first, second)
    return mean_over_pixels(joint, differences(joint).square())


def decibels(error, peak=PEAK):
    """Return 10 log10(peak^2 / error) of a mean squared error (N,); inf where it is 0."""
    return 10 * torch.log10(peak**2 / error)


@metric(name="MSE", title="mean squared error to the sources", direction="down", low=0, high=PEAK**2,
        unit="gray levels^2", needs="sources",
        formula="[mean((F - A)^2) + mean((F - B)^2)] / 2",
        source="no one paper defines it for fusion",
        variant="mean of both sources, gray levels 0..255 (others divide by 65025)")
def mean_squared_error(a, b, fused):
    return (squared_error(a, fused) + squared_error(b, fused)) / 2


@metric(name="RMSE", title="root mean squared error to the sources", direction="down", low=0, high=PEAK,
        unit="gray levels", needs="sources",
        formula="sqrt([mean((F - A)^2) + mean((F - B)^2)] / 2)",
        source="no one paper defines it for fusion",
        variant="the root of MSE (VIFB's RMSE depends on the size of the image: RMSE_vifb)")
def root_mean_squared_error(a, b, fused):
    return mean_squared_error(a, b, fused).sqrt()


@metric(name="PSNR", title="peak signal-to-noise ratio to the sources", direction="up", low=0, high=math.inf, unit="dB",
        needs="sources",
        formula="10 log10(255^2 / MSE), MSE = [mean((F - A)^2) + mean((F - B)^2)] / 2",
        source="Huynh-Thu, Ghanbari, Electronics Letters 44(13), 2008, on the ratio and its scope",
        variant="of the averaged error, peak 255; inf where A, B and F are equal")
def peak_signal_to_noise(a, b, fused):
    return decibels(mean_squared_error(a, b, fused))


@metric(name="PSNR_GT", title="peak signal-to-noise ratio to the ground truth", direction="up", low=0, high=math.inf,
        unit="dB", needs="gt",
        formula="10 log10(255^2 / mean((F - GT)^2))",
        source="Huynh-Thu, Ghanbari, Electronics Letters 44(13), 2008, on the ratio and its scope",
        variant="against the ground truth, peak 255; inf for equal images")
def peak_signal_to_noise_gt(fused, gt):
    return decibels(squared_error(gt, fused))


@metric(name="MAE_GT", title="mean absolute error to the ground truth", direction="down", low=0, high=PEAK,
        unit="gray levels", needs="gt",
        formula="mean |F - GT|",
        source="no one paper defines it for fusion",
        variant="against the ground truth, gray levels 0..255")
def mean_absolute_error_gt(fused, gt):
    joint = joint_histogram(gt, fused)
    return mean_over_pixels(joint, differences(joint).abs())
