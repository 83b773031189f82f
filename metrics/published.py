"""Definitions of levels, steps and errors that are kept to reproduce published tables, faults included.

Each name says whose it is. What is wrong with each, and how far it is from FuseLab's own: docs/metrics.md.
"""

from __future__ import annotations

import functools
import math

from metrics.correlation import pearson
from metrics.fidelity import PEAK, decibels, mean_squared_error, squared_error
from metrics.histograms import (
    count_pairs,
    covariance,
    entropy,
    histogram,
    joint_histogram,
    levels_of,
    marginals,
    variance,
)
from metrics.information import fused_entropy, mutual_information, shared_information
from metrics.registry import metric
from metrics.statistics import average_gradient, definition, squared_steps, standard_deviation
from util.lazy import torch

published = functools.partial(metric, compat=True)

VIFB = "code of VIFB: Zhang, Ye, Xiao, CVPR Workshops 2020"
TANG = "code of Linfeng Tang's evaluation scripts (SeAFusion, PIAFusion, SwinFusion and others)"
NESTFUSE = "code of NestFuse: Li, Wu, Durrani, IEEE Trans. Instrumentation and Measurement 69(12), 2020"
CDDFUSE = "code of CDDFuse: Zhao et al., CVPR 2023"
ZOO = "code of IVIF_ZOO (Jinyuan Liu et al.)"
EYOB = "MATLAB code that goes with DenseFuse and later papers"


@published(name="MI_nats", title="mutual information, natural logarithm", direction="up", low=0, high=16 * math.log(2),
           unit="nat", needs="sources", formula="ln(2) MI", source=f"{VIFB}; {CDDFUSE}", variant="0.693 of MI in bits")
def shared_information_in_nats(a, b, fused):
    return shared_information(a, b, fused) * math.log(2)


@published(name="MI_tang", title="mutual information with levels 254 and 255 merged", direction="up", low=0, high=16,
           unit="bit", needs="sources", formula="I(A;F) + I(B;F), I = H(X) + H(Y) - H'(X,Y)", source=TANG,
           variant="8-bit indices saturate: in the joint histogram, and there alone, level 255 counts as 254; too high")
def shared_information_with_merged_levels(a, b, fused):
    total = 0
    for source in (a, b):
        joint = joint_histogram(source, fused)
        of_source, of_fused = map(entropy, marginals(joint))
        merged = joint.clone()
        merged[:, 254] += merged[:, 255]
        merged[:, :, 254] += merged[:, :, 255]
        total = total + (of_source + of_fused - entropy(merged[:, :255, :255])).clamp(min=0)
    return total


@published(name="MI_2EN", title="twice the entropy, called mutual information", direction="up", low=0, high=16,
           unit="bit", needs="fused", formula="2 H(F)", source=f"{NESTFUSE}; {EYOB}",
           variant="what analysis_MI of these scripts returns; the sources do not enter")
def twice_the_entropy(fused):
    return 2 * fused_entropy(fused)


@published(name="Q_MI_zoo", title="mutual information by the sources' entropies", direction="up", low=0, high=4,
           needs="sources", formula="2 [I(A;F) + I(B;F)] / (H(A) + H(B))", source=ZOO,
           variant="called NMI there, but not Hossny's", undefined="both sources are flat")
def information_by_entropy_of_sources(a, b, fused):
    both = entropy(histogram(a)) + entropy(histogram(b))
    shares = 2 * (mutual_information(a, fused) + mutual_information(b, fused)) / both
    return torch.where(both > 0, shares.clamp(max=4), math.nan)


@published(name="SD_uint8", title="standard deviation in saturating 8-bit arithmetic", direction="up", low=0,
           high=math.sqrt(PEAK), unit="gray levels", needs="fused",
           formula="sqrt(mean(min(255, max(0, round(F - mean F))^2)))", source=f"{TANG}, before October 2023",
           variant="levels below the mean count 0 and squares stop at 255: never above 15.97")
def saturated_deviation(fused):
    counts = histogram(fused)
    levels = levels_of(counts)
    mean = (counts * levels).sum(dim=1, keepdim=True) / counts.sum(dim=1, keepdim=True)
    above = (levels - mean + 0.5).floor().clamp(min=0)
    return ((counts * above.square().clamp(max=PEAK)).sum(dim=1) / counts.sum(dim=1)).sqrt()


@published(name="SD_sample", title="standard deviation of a sample", direction="up", low=0, high=math.inf,
           unit="gray levels", needs="fused", formula="sqrt(sum((F - mean F)^2) / (H W - 1))", source=EYOB,
           variant="divided by the number of pixels less one", undefined="the image is one pixel")
def sample_deviation(fused):
    pixels = fused[0].numel()
    freedom = pixels - 1 or math.nan
    return (variance(histogram(fused)) * pixels / freedom).sqrt()


@published(name="SD_nestfuse", title="root of the sum of squared deviations", direction="up", low=0, high=math.inf,
           needs="fused", formula="sqrt(sum((F - mean F)^2)) / 255", source=NESTFUSE,
           variant="levels 0..1 and no division by the number of pixels: grows with the image")
def root_of_summed_deviations(fused):
    return standard_deviation(fused) / PEAK * math.sqrt(fused[0].numel())


@published(name="SF_mean", title="spatial frequency, means over the steps", direction="up", low=0,
           high=PEAK * math.sqrt(2), unit="gray levels", needs="fused",
           formula="sqrt(mean of squared horizontal steps + mean of squared vertical steps)",
           source=f"{CDDFUSE}; {TANG}", variant="each sum divided by the number of its steps: 0.1 to 0.4 % above SF",
           smallest=2)
def spatial_frequency_of_means(fused):
    height, width = fused.shape[1:]
    vertical, horizontal = squared_steps(fused)
    return (vertical / ((height - 1) * width) + horizontal / (height * (width - 1))).sqrt()


@published(name="SF_unit", title="spatial frequency, means over the steps, levels 0..1", direction="up", low=0,
           high=math.sqrt(2), needs="fused", formula="SF_mean / 255", source=f"{TANG}, before October 2023",
           variant="of levels 0..1: 0.03 to 0.1 in papers", smallest=2)
def spatial_frequency_of_unit_levels(fused):
    return spatial_frequency_of_means(fused) / PEAK


@published(name="AG_mean", title="average gradient, mean over all pixels", direction="up", low=0, high=PEAK,
           unit="gray levels", needs="fused", formula="mean sqrt((Fx^2 + Fy^2) / 2)", source=f"{CDDFUSE}; {ZOO}",
           variant="divided by H W, not (H-1)(W-1): 0.7 % below AG at 280x280", smallest=2)
def average_gradient_over_pixels(fused):
    return average_gradient(fused) * _inner_share(fused)


@published(name="DF_MN", title="definition, mean over all pixels", direction="up", low=0, high=PEAK,
           unit="gray levels", needs="fused", formula="sum sqrt((Fx^2 + Fy^2) / 2) / (H W)", source=EYOB,
           variant="divided by H W, not (H-1)(W-1); called AverageGradient there", smallest=2)
def definition_over_pixels(fused):
    return definition(fused) * _inner_share(fused)


def _inner_share(images) -> float:
    height, width = images.shape[1:]
    return (height - 1) * (width - 1) / (height * width)


@published(name="MSE_unit", title="mean squared error to the sources, levels 0..1", direction="down", low=0, high=1,
           needs="sources", formula="MSE / 65025", source=f"{TANG}; {ZOO}", variant="of levels 0..1")
def mean_squared_error_of_unit_levels(a, b, fused):
    return mean_squared_error(a, b, fused) / PEAK**2


@published(name="RMSE_vifb", title="root of the summed squared errors by the number of pixels", direction="down", low=0,
           high=PEAK, unit="gray levels", needs="sources",
           formula="[sqrt(sum (F - A)^2) + sqrt(sum (F - B)^2)] / (2 H W)", source=VIFB,
           variant="the root of the sum, not of the mean: depends on the size of the image, 0.05 to 0.7 in tables")
def root_error_of_vifb(a, b, fused):
    return (squared_error(a, fused).sqrt() + squared_error(b, fused).sqrt()) / (2 * math.sqrt(fused[0].numel()))


@published(name="PSNR_vifb", title="peak signal-to-noise ratio of VIFB's RMSE", direction="up", low=0, high=math.inf,
           unit="dB", needs="sources", formula="20 log10(255 / sqrt(RMSE_vifb))", source=VIFB,
           variant="the root of a root, which depends on the size of the image: 50 to 60 dB in tables")
def peak_ratio_of_vifb(a, b, fused):
    return decibels(root_error_of_vifb(a, b, fused))


@published(name="PSNR_tang", title="peak signal-to-noise ratio with two scales", direction="up",
           low=20 * math.log10(PEAK), high=math.inf, unit="dB", needs="sources", formula="10 log10(255^2 / MSE_unit)",
           source=f"{TANG}; {ZOO}", variant="errors of levels 0..1 with the peak of 0..255: 48.13 dB above PSNR")
def peak_ratio_with_two_scales(a, b, fused):
    return decibels(mean_squared_error_of_unit_levels(a, b, fused))


@published(name="PSNR_maxF", title="peak signal-to-noise ratio, peak max F", direction="up", low=-math.inf,
           high=math.inf, unit="dB", needs="sources", formula="10 log10(max(F)^2 / MSE)", source=CDDFUSE,
           variant="a darker fused image scores less; inf for equal images", undefined="A, B and F are black")
def peak_ratio_of_brightest(a, b, fused):
    return decibels(mean_squared_error(a, b, fused), fused.amax(dim=(1, 2)))


@published(name="PSNR_meandb", title="mean of the peak signal-to-noise ratios", direction="up", low=0, high=math.inf,
           unit="dB", needs="sources", formula="mean of 10 log10(255^2 / mean((F - X)^2)) over X = A, B",
           source="code of dungdz67/Image-Fusion-Metric",
           variant="decibels are averaged, not errors; inf where F equals one source")
def mean_of_peak_ratios(a, b, fused):
    return (decibels(squared_error(a, fused)) + decibels(squared_error(b, fused))) / 2


@published(name="SCD_uint8", title="sum of the correlations of saturated differences", direction="up", low=-2, high=2,
           needs="sources", formula="r(max(F - B, 0), A) + r(max(F - A, 0), B)", source=EYOB,
           variant="8-bit differences lose all that is negative: up to 0.5 off SCD",
           undefined="a source is flat, or F is at most as bright as a source, or brighter by a constant")
def correlations_of_saturated_differences(a, b, fused):
    total = 0
    for source, other in ((a, b), (b, a)):
        joint = count_pairs((fused - other).clamp_(min=0), source)
        total = total + pearson(covariance(joint), *map(variance, marginals(joint)))
    return total
