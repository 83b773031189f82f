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
    filters = make_filters(*fused.shape[-2:], fused.device)
    for images in zip(a, b, fused, strict=True):
        if images[-1].min() == images[-1].max():
            values.append(fused.new_full((), math.nan))
        else:
            values.append(_quality(*(phase_congruency(image, filters) for image in images)))
    return torch.stack(values)


def _quality(maps_a, maps_b, maps_fused):
    """Compare the maps (3, H, W) of the sources and of the fused image."""
    height, width = maps_fused.shape[1:]
    margin = _WINDOW // 2
    totals, features = maps_fused.new_zeros(3), maps_fused.new_zeros(())
    for start, stop in row_strips(height, width // 2):
        top, bottom = max(0, start - margin), min(height, stop + margin)
        frame = (margin, margin, margin - start + top, margin - bottom + stop)

        def mean(strip, frame=frame):
            return gaussian_mean(torch.nn.functional.pad(strip, frame), _WINDOW, _SIGMA)

        first = maps_a[0, top:bottom], maps_b[0, top:bottom]
        a_leads = first[0] > first[1]
        chosen = [strip > _FEATURE for strip in (*first, torch.maximum(*first))]
        inner = [mask[start - top:stop - top] for mask in chosen]
        features += inner[2].sum()
        # One map at a time: it stays in the cache while the window slides.
        for kind, (map_a, map_b, fused) in enumerate(zip(maps_a, maps_b, maps_fused, strict=True)):
            map_a, map_b, fused = map_a[top:bottom], map_b[top:bottom], fused[top:bottom]
            mean_fused = mean(fused)
            variance_fused = mean(fused.square()) - mean_fused.square()
            best = None
            for source, mask, inside in zip((map_a, map_b, torch.where(a_leads, map_a, map_b)), chosen, inner,
                                            strict=True):
                source = source * mask
                mean_source = mean(source)
                variance = mean(source.square()) - mean_source.square()
                covariance = mean(source * fused) - mean_source * mean_fused
                correlation = (covariance + _STABILISER) / ((variance * variance_fused).abs().sqrt() + _STABILISER)
                best = correlation * inside if best is None else torch.maximum(best, correlation * inside)
            totals[kind] += best.sum()
    return (totals / features).prod()


def phase_congruency(image, filters):
    """Find features by Kovesi's phase congruency.

    Args:
        image: float64 (H, W).
        filters: ``make_filters`` for this size.

    Returns:
        float64 (3, H, W): the phase congruency over all orientations, 0 to 1, and the maximum (edge) and minimum
        (corner) moment of its covariance over the orientations.
    """
    height, width = image.shape
    spectrum = torch.fft.rfft2(image)
    bands, directions, low_passes = filters
    part, filtered = torch.empty_like(bands[0]), torch.empty_like(spectrum)
    responses = image.new_empty(2, len(bands), height, width)  # even and odd
    energy, amplitude, squares, difference, mixed = image.new_zeros(5, height, width)
    for angle in _ANGLES:
        even, odd = _halves(angle, directions, low_passes)
        for scale, band in enumerate(bands):
            torch.mul(spectrum, torch.mul(even, band, out=part), out=filtered)
            torch.fft.irfft2(filtered, s=(height, width), out=responses[0, scale])
            # The odd response is imaginary: turned by -i, it is the transform of a half spectrum, too.
            torch.mul(spectrum, torch.mul(odd, band, out=part), out=filtered).mul_(-1j)
            torch.fft.irfft2(filtered, s=(height, width), out=responses[1, scale])
        threshold = _noise_threshold(responses[:, 0], _noise_gain(bands, even, odd, width))
        for start, stop in row_strips(height, 2 * width):
            rows = slice(start, stop)
            strength, total = _energy(responses[:, :, rows], threshold)
            energy[rows] += strength
            amplitude[rows] += total
            square = strength.div_(total.clamp_min(1e-300)).square_()
            squares[rows] += square
            difference[rows].add_(square, alpha=math.cos(2 * angle))
            mixed[rows].add_(square, alpha=math.sin(2 * angle))
    del responses
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


def _noise_threshold(responses, gain):
    """Energy that noise alone would reach: two deviations above its mean, both from the median at the finest scale."""
    even, odd = responses
    powers = even.square().addcmul_(odd, odd).flatten().cpu().numpy()
    # Five times as fast as numpy's median, which partitions a copy and looks for nan.
    middle = powers.size // 2
    powers.partition(middle)
    median = float(powers[middle] if powers.size % 2 else (powers[:middle].max() + powers[middle]) / 2)
    # The squared response to noise has a chi-square distribution of two degrees of freedom, its root Rayleigh's.
    rayleigh = (median / math.log(2) * gain).sqrt()
    # The factor 1.7 is empirical: the estimate belongs to an energy that is defined in another way.
    return rayleigh * (math.sqrt(math.pi / 2) + 2 * math.sqrt(2 - math.pi / 2)) / 1.7


def _noise_gain(bands, even, odd, width: int):
    """Energy that white noise has in all scales together, even parts only, by that in the finest scale."""
    def plane_sum(energies):
        # The half spectrum holds each column of the plane twice, but for those that are their own opposites.
        columns = energies.sum(0).mul_(2)
        columns[0] /= 2
        if width % 2 == 0:
            columns[-1] /= 2
        return columns.sum()

    return (plane_sum((bands.sum(0) * even).square_())
            / plane_sum(torch.addcmul(even * even, odd, odd).mul_(bands[0]).mul_(bands[0])))


def make_filters(height: int, width: int, device):
    """Return what the filters of all images of a size are made of, over the half spectrum (H, W // 2 + 1).

    Returns:
        Log-Gabor filters over the radius, one for each wavelength; the direction of each bin, and of the opposite one;
        the low-pass filter there, and at the opposite one unless it is the same. Float64 (4, ...), (2, ...) and
        (2 or 1, ...).
    """
    vertical, horizontal = _grid(height, width, device)
    radius = (vertical.square() + horizontal.square()).sqrt()
    radius[0, 0] = 1
    logarithm = radius.log()
    bands = torch.stack([(logarithm + math.log(wavelength)).square_().div_(-2 * math.log(0.55) ** 2).exp_()
                         for wavelength in _WAVELENGTHS])
    bands[:, 0, 0] = 0
    directions, low_passes = [], []
    for mirrored in (False, True):
        vertical, horizontal = _grid(height, width, device, mirrored=mirrored)
        directions.append(torch.atan2(-vertical, horizontal))
        if not mirrored or height % 2 or width % 2:
            vertical, horizontal = _grid(height, width, device, low_pass=True, mirrored=mirrored)
            low_passes.append((vertical.square() + horizontal.square()).div_(0.45**2).pow_(15).add_(1).reciprocal_())
    return bands, torch.stack(directions), torch.stack(low_passes)


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


def _halves(angle: float, directions, low_passes):
    """Even and odd part of the filter over the direction, with the low-pass filter in it: each (H, W // 2 + 1)."""
    # The smaller of d and 2 pi - d is pi - |d - pi|: all in one buffer.
    distance = (directions - angle).abs_().sub_(math.pi).abs_().sub_(math.pi)
    here, opposite = distance.square_().div_(-2 * _ANGULAR_DEVIATION**2).exp_().mul_(low_passes)
    return (here + opposite).div_(2), (here - opposite).div_(2)
