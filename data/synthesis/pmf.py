"""One multi-focus triplet (A, B, ground truth) from one photograph and its regions: our rule and the official one.

The official rule is Code/Generate_PMF_train_dataset.py of R2GAN (Chahi et al., Applied Intelligence 2025).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import cv2
import numpy as np

from data.synthesis.blur import KERNELS, defocus_background, defocus_foreground, join_feathered, join_hard
from data.synthesis.focus_masks import NoSplitError, draw_focus_mask

MASKS = ("hard", "feather", "spread")
MIX_OF_MASKS = (0.2, 0.2, 0.6)  # spread most often: it is what a lens does
LEGACY_SIZE = (256, 256)
CROP_TRIES = 8


@dataclass(frozen=True)
class Settings:
    """All that decides a triplet's pixels, besides the photograph, its regions, its name and the variant's number."""

    legacy: bool = False  # the official rule; of the other settings only segmenter counts then
    size: tuple[int, int] | None = (256, 256)  # width, height in pixels; None: the photograph's own
    resize: str = "crop"  # a random part of the output's shape, or 'squash': the whole photograph
    mask: str = "mix"  # one of MASKS, or 'mix': drawn for each triplet
    kernel: str = "mix"  # one of blur.KERNELS, or 'mix'
    blur_sigma: tuple[float, float] = (2.0, 6.0)  # standard deviation in output pixels, drawn for A and for B
    segmenter: str = "felzenszwalb"  # for photographs without labels
    seed: int = 0


@dataclass(frozen=True)
class Optics:
    """How one triplet is blurred."""

    mask: str
    kernel: str
    sigma_a: float
    sigma_b: float
    feather: float  # sigma of the mask's softening, pixels
    a_blurs_foreground: bool  # whether the side that A has out of focus is the near one

    def describe(self) -> str:
        near = f", {'A' if self.a_blurs_foreground else 'B'} blurs the near side" if self.mask == "spread" else ""
        return f"{self.mask}, {self.kernel}, sigma {self.sigma_a:.1f} / {self.sigma_b:.1f}{near}"


def make_generator(settings: Settings, name: str, variant: int) -> np.random.Generator:
    """Return the generator for one triplet: a function of the seed, the photograph's name and the variant alone."""
    digest = hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=16).digest()
    return np.random.default_rng([settings.seed, variant, *np.frombuffer(digest, "<u4").tolist()])


def draw_optics(settings: Settings, rng: np.random.Generator) -> Optics:
    """Draw mask kind, kernel, blur strengths and depth order; always uses up the same number of draws."""
    mask = str(rng.choice(MASKS, p=MIX_OF_MASKS))
    kernel = str(rng.choice(KERNELS))
    sigma_a, sigma_b = rng.uniform(*settings.blur_sigma, size=2)
    feather, near = rng.uniform(1.0, 3.0), rng.random() < 0.5
    return Optics(
        mask if settings.mask == "mix" else settings.mask,
        kernel if settings.kernel == "mix" else settings.kernel,
        float(sigma_a),
        float(sigma_b),
        float(feather),
        bool(near),
    )


def make_triplet(
    photo: np.ndarray, labels: np.ndarray, settings: Settings, name: str, variant: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make one triplet by our rule.

    Args:
        photo: uint8 (H, W, 3).
        labels: int (h, w) of the same view, of any size: it is sampled at the nearest pixel, never mixed.
        settings: ``size`` and all that follows there.
        name, variant: what the seed is combined with.

    Returns:
        A, B, ground truth: uint8 (height, width, 3). With hard masks every pixel of A or of B equals the ground truth.

    Raises:
        NoSplitError: the regions cannot be put on two fair sides.
    """
    rng = make_generator(settings, name, variant)
    optics = draw_optics(settings, rng)
    tries = CROP_TRIES if settings.resize == "crop" and settings.size else 1
    for attempt in range(tries):
        box = draw_box(photo.shape[:2], labels.shape, settings, rng)
        try:
            mask = draw_focus_mask(sample_labels(labels, photo.shape[:2], box, settings.size), rng)
            break
        except NoSplitError:
            if attempt == tries - 1:
                raise
    left, top, width, height = box
    truth = resize_photo(photo[top : top + height, left : left + width], settings.size)
    a, b = blur_sides(truth.astype(np.float32), mask, optics)
    return round_pixels(a), round_pixels(b), truth


def blur_sides(image: np.ndarray, mask: np.ndarray, optics: Optics) -> tuple[np.ndarray, np.ndarray]:
    """Return image A (out of focus on ``mask``) and image B (on the rest); float32 (H, W, 3) in, in [0, 255]."""
    kernel, sigma_a, sigma_b = optics.kernel, optics.sigma_a, optics.sigma_b
    if optics.mask == "hard":
        return join_hard(image, mask, kernel, sigma_a), join_hard(image, ~mask, kernel, sigma_b)
    if optics.mask == "feather":
        return (
            join_feathered(image, mask, kernel, sigma_a, optics.feather),
            join_feathered(image, ~mask, kernel, sigma_b, optics.feather),
        )
    if optics.a_blurs_foreground:
        return (defocus_foreground(image, mask, kernel, sigma_a), defocus_background(image, mask, kernel, sigma_b))
    return (defocus_background(image, ~mask, kernel, sigma_a), defocus_foreground(image, ~mask, kernel, sigma_b))


def draw_box(
    photo_size: tuple[int, int], label_size: tuple[int, int], settings: Settings, rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """Draw the part of the photograph to use: left, top, width, height in its pixels (sizes come as height, width).

    The part has the output's shape and is so large, where it can be, that neither the photograph nor its labels have to
    be enlarged.
    """
    height, width = photo_size
    if settings.resize == "squash" or settings.size is None:
        return 0, 0, width, height
    largest = min(width / settings.size[0], height / settings.size[1])  # in units of the output size
    coarse = min(1.0, label_size[0] / height, label_size[1] / width)
    scale = rng.uniform(min(largest, 1 / coarse), largest)
    box_width = min(width, max(1, round(settings.size[0] * scale)))
    box_height = min(height, max(1, round(settings.size[1] * scale)))
    return (int(rng.integers(width - box_width + 1)), int(rng.integers(height - box_height + 1)), box_width, box_height)


def sample_labels(
    labels: np.ndarray, photo_size: tuple[int, int], box: tuple[int, int, int, int], size: tuple[int, int] | None
) -> np.ndarray:
    """Sample ``labels`` (h, w) at the pixel centres of the output: nearest neighbour, int (height, width)."""
    left, top, width, height = box
    out_width, out_height = size or (width, height)
    rows = (top + (np.arange(out_height) + 0.5) * (height / out_height)) * (labels.shape[0] / photo_size[0])
    columns = (left + (np.arange(out_width) + 0.5) * (width / out_width)) * (labels.shape[1] / photo_size[1])
    return labels[rows.astype(np.intp)][:, columns.astype(np.intp)]


def resize_photo(photo: np.ndarray, size: tuple[int, int] | None) -> np.ndarray:
    """Resize uint8 (H, W, 3) to (width, height): area means when shrinking, cubic when enlarging."""
    if size is None or photo.shape[1::-1] == tuple(size):
        return np.ascontiguousarray(photo)
    shrinks = photo.shape[1] >= size[0] and photo.shape[0] >= size[1]
    return cv2.resize(photo, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


def make_legacy_triplet(photo: np.ndarray, colours: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Make a triplet by the official rule, ragged borders of the bilinearly resized label colours included.

    Args:
        photo: uint8 BGR (H, W, 3).
        colours: uint8 BGR (H, W, 3), the label map as OpenCV reads it.

    Returns:
        A (blurred on the first half of the sorted colours), B (blurred on the rest), ground truth: uint8 BGR, 256x256.
    """
    truth, colours = cv2.resize(photo, LEGACY_SIZE), cv2.resize(colours, LEGACY_SIZE)
    # One number per colour sorts as the colours do in B, G, R order.
    numbers = colours.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
    first_half = np.unique(numbers)
    first_half = first_half[: len(first_half) // 2]
    mask = np.isin(numbers, first_half)[..., None]
    blurred = cv2.GaussianBlur(truth, (35, 35), 0)
    return np.where(mask, blurred, truth), np.where(mask, truth, blurred), truth


def round_pixels(image: np.ndarray) -> np.ndarray:
    """Round float [0, 255] half up to uint8."""
    return np.clip(image + 0.5, 0, 255).astype(np.uint8)
