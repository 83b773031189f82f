"""Q_P: are the edges and corners of the sources, found by phase congruency, those of the fused image?"""

from __future__ import annotations

import math

from metrics.filters import gaussian_mean
from metrics.registry import metric
from metrics.shared import row_strips
from util.lazy import torch

_WAVELENGTHS = tuple(3 * 2.1**scale for scale in range(4))  # in pixels
_ANGLES = tuple(index * math.pi / 6 for index in range(6))
_ANGULAR_DEVIATION = math.pi / 6 / 1.2
_EPSILON = 1e-4  # keeps quotients of responses, in gray levels, from 0/0
_FEATURE = 0.1  # a pixel is a feature where its phase congruency exceeds this
_WINDOW, _SIGMA, _STABILISER = 11, 1.5, 1e-4  # of the local correlation


@metric(name="Q_P", title="phase congruency metric", direction="up", low=-1, high=1,
        formula="product over phase congruency, maximum and minimum moment of the mean local correlation of the "
                "fused image's map with the best of A's, B's and their maximum, over the sources' features",
        source="Zhao, Laganiere and Liu, Performance assessment of combinative pixel-level image fusion based on an "
               "absolute feature measurement, IJICIC 3(6A), 2007; phase congruency: Kovesi, Image Features from Phase "
               "Congruency, Videre 1(3), 1999",
        variant="the toolbox of Liu 2012: 4 scales from a wavelength of 3 pixels, 6 orientations, window of 11 with "
                "zeros beyond the border; an odd side shifts the low-pass by one bin, as there",
        needs="sources", smallest=_WINDOW,
        undefined="the fused image is flat, or no pixel of the sources has a phase congruency above 0.1")
def phase_congruency_quality(a, b, fused):
    values = []
    for images in zip(a, b, fused, strict=True):
        if images[-1].min() == images[-1].max():
            values.append(fused.new_full((), math.nan))
        else:
            values.append(_quality(*map(phase_congruency, images)))
    return torch.stack(values)


def _quality(maps_a, maps_b, maps_fused):
    """Compare the maps (3, H, W) of the sources and of the fused image."""
    height, width = maps_fused.shape[1:]
    margin = _WINDOW // 2
    totals, features = maps_fused.new_zeros(3), maps_fused.new_zeros(())
    for start, stop in row_strips(height, 4 * width):
        top, bottom = max(0, start - margin), min(height, stop + margin)
        frame = (margin, margin, margin - start + top, margin - bottom + stop)
        strip_a, strip_b, strip_fused = (maps[:, top:bottom] for maps in (maps_a, maps_b, maps_fused))
        maximum = torch.where(strip_a[0] > strip_b[0], strip_a, strip_b)
        sources = torch.stack([strip_a, strip_b, maximum])
        chosen = sources[:, :1] > _FEATURE  # (3, 1, h, W)
        sources = sources * chosen
        moments = torch.cat([sources, sources.square(), sources * strip_fused,
                             strip_fused[None], strip_fused[None].square()])
        means = gaussian_mean(torch.nn.functional.pad(moments, frame), _WINDOW, _SIGMA)
        mean, square, product, (mean_fused, square_fused) = means.split([3, 3, 3, 2])
        variance, variance_fused = square - mean.square(), square_fused - mean_fused.square()
        covariance = product - mean * mean_fused
        correlation = (covariance + _STABILISER) / ((variance * variance_fused).abs().sqrt() + _STABILISER)
        inner = chosen[:, :, start - top:stop - top]
        totals += (correlation * inner).amax(0).sum(dim=(-2, -1))
        features += inner[2].sum()
    return (totals / features).prod()


def phase_congruency(image):
    """Find features by Kovesi's phase congruency.

    Args:
        image: float64 (H, W).

    Returns:
        float64 (3, H, W): the phase congruency over all orientations, 0 to 1, and the maximum (edge) and minimum
        (corner) moment of its covariance over the orientations.
    """
    height, width = image.shape
    spectrum = torch.fft.rfft2(image)
    bands = _radial_bands(height, width, image.device)
    responses = image.new_empty(2, len(_WAVELENGTHS), height, width)  # even and odd
    energy, amplitude, squares, difference, mixed = image.new_zeros(5, height, width)
    for angle in _ANGLES:
        halves = _half_planes(angle, height, width, image.device)
        for part, half in enumerate(halves):
            # The odd response is imaginary: turned by -i, it is the transform of a half spectrum, too.
            turned = (spectrum if part == 0 else spectrum * -1j) * half
            for scale, band in enumerate(bands):
                torch.fft.irfft2(turned * band, s=(height, width), out=responses[part, scale])
        threshold = _noise_threshold(responses[:, 0], bands, halves, width)
        for start, stop in row_strips(height, 8 * width):
            rows = slice(start, stop)
            strength, total = _energy(responses[:, :, rows], threshold)
            energy[rows] += strength
            amplitude[rows] += total
            square = strength.div_(total.clamp_min(1e-300)).square_()
            squares[rows] += square
            difference[rows].add_(square, alpha=math.cos(2 * angle))
            mixed[rows].add_(square, alpha=math.sin(2 * angle))
    # The moments are the eigenvalues of the covariance of (PC cos, PC sin) times two over the orientations: but for
    # the mixed term, of which Kovesi's code takes a quarter, and all published values with it.
    spread = torch.hypot(difference, mixed.div_(4)).div_(len(_ANGLES)).add_(_EPSILON / 2)
    half_trace = squares.div_(len(_ANGLES))
    return torch.stack([energy / (amplitude + _EPSILON), half_trace + spread, half_trace - spread])


def _energy(responses, threshold):
    """Return the weighted local energy above the noise, and the sum of amplitudes, of an orientation, each (h, W)."""
    even, odd = responses
    amplitudes = torch.addcmul(even * even, odd, odd).sqrt_()
    total, largest = amplitudes.sum(0), amplitudes.amax(0)
    sum_even, sum_odd = even.sum(0), odd.sum(0)
    power = torch.addcmul(sum_even * sum_even, sum_odd, sum_odd)
    length = power.sqrt().add_(_EPSILON)
    # Along the mean phase less across it: Energy = sum of A (cos d - |sin d|), d from the mean phase.
    across = torch.addcmul(even * sum_odd, odd, sum_even, value=-1).abs_().sum(0)
    energy = power.sub_(across).div_(length).sub_(threshold).clamp_min_(0)
    # A feature shows at many scales: fewer than half of them count little.
    width = total / (largest + _EPSILON) / len(_WAVELENGTHS)
    return energy * torch.sigmoid(10 * (width - 0.5)), total


def _noise_threshold(responses, bands, halves, width: int):
    """Energy that noise alone would reach: two deviations above its mean, both from the median at the finest scale."""
    power = torch.addcmul(responses[0].square(), responses[1], responses[1]).flatten()
    middle = power.numel() // 2
    median = power.kthvalue(middle + 1).values
    if power.numel() % 2 == 0:
        below = power[power < median]
        median = (median + (below.amax() if below.numel() == middle else median)) / 2
    # All energies of the filters in the plane, of which the half spectrum holds all but the first column twice.
    def plane_sum(energies):
        twice = energies.sum(0).mul_(2)
        twice[0] /= 2
        if width % 2 == 0:
            twice[-1] /= 2
        return twice.sum()

    even, odd = halves
    noise = plane_sum((bands.sum(0) * even).square_()) / plane_sum((even.square() + odd.square()) * bands[0].square())
    # The squared energy of noise has a chi-square distribution of two degrees of freedom, and its root Rayleigh's.
    rayleigh = (median / math.log(2) * noise).sqrt()
    return rayleigh * (math.sqrt(math.pi / 2) + 2 * math.sqrt(2 - math.pi / 2)) / 1.7


def _grid(height: int, width: int, device, *, low_pass: bool = False, mirrored: bool = False):
    """Vertical (H, 1) and horizontal (1, W // 2 + 1) frequencies of the half spectrum, in cycles per pixel.

    Args:
        low_pass: of the low-pass filter, whose grid lies one bin off where a side is odd.
        mirrored: of the opposite bins.
    """
    axes = []
    for side in (height, width):
        index = torch.arange(side, dtype=torch.float64, device=device)
        index = torch.where(index < (side + 1) // 2, index, index - side)
        odd = side % 2
        frequency = index.roll(-odd) / side if low_pass else index / (side - odd)
        axes.append(frequency.flip(0).roll(1) if mirrored else frequency)
    return axes[0][:, None], axes[1][None, :width // 2 + 1]


def _radial_bands(height: int, width: int, device):
    """Log-Gabor filters over the radius: (4, H, W // 2 + 1)."""
    vertical, horizontal = _grid(height, width, device)
    radius = (vertical.square() + horizontal.square()).sqrt()
    radius[0, 0] = 1
    logarithm = radius.log()
    bands = torch.stack([torch.exp((logarithm + math.log(wavelength)).square() / (-2 * math.log(0.55) ** 2))
                         for wavelength in _WAVELENGTHS])
    bands[:, 0, 0] = 0
    return bands


def _half_planes(angle: float, height: int, width: int, device):
    """Even and odd part, each (H, W // 2 + 1), of the filter over the direction, with the low-pass filter in it."""
    sides = []
    for mirrored in (False, True):
        vertical, horizontal = _grid(height, width, device, mirrored=mirrored)
        distance = (torch.atan2(-vertical, horizontal) - angle).abs_()
        distance = torch.minimum(distance, 2 * math.pi - distance)
        side = distance.square_().div_(-2 * _ANGULAR_DEVIATION**2).exp_()
        vertical, horizontal = _grid(height, width, device, low_pass=True, mirrored=mirrored)
        radius = (vertical.square() + horizontal.square()).div_(0.45**2)
        sides.append(side.div_(radius.pow_(15).add_(1)))
    return (sides[0] + sides[1]) / 2, (sides[0] - sides[1]) / 2
