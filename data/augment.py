"""Resizing, cropping and augmentation of A, B and GT together.

Torchvision is loaded where something is resized or padded alone: that takes as long as loading torch does.

``--preprocess`` has CycleGAN's names and meaning, but ``none`` keeps every size (the framework pads for the network).
"""

from __future__ import annotations

import argparse

import numpy as np

from util.errors import UserError
from util.image_io import to_float
from util.lazy import torch

_CROPPING = ("resize_and_crop", "crop", "scale_width_and_crop")


class JointTransform:
    """One geometry for all images of a sample, every time the same for the same seed, epoch and index.

    Args:
        opt: preprocess, load_size and crop_size (pixels; 0 is off), no_flip, flip_vertical, rotate, seed.
        augment: random crops, flips and rotations. Without it crops are central and nothing is turned, and
            ``--preprocess none`` with a ``--load_size`` resizes to that square (the official R2GAN protocol).

    Raises:
        UserError: the preprocessing needs a size that is off.
    """

    def __init__(self, opt: argparse.Namespace, augment: bool):
        self.preprocess = opt.preprocess
        self.load_size = opt.load_size
        self.crop_size = opt.crop_size if opt.preprocess in _CROPPING else 0
        if self.preprocess == "none" and self.load_size and not augment:
            self.preprocess = "resize"
        if self.preprocess in ("resize", "scale_width", "scale_width_and_crop") and not self.load_size:
            raise UserError(f"--preprocess {self.preprocess} needs --load_size N (pixels), which is 0 (off)")
        if self.preprocess in _CROPPING and not self.crop_size:
            raise UserError(f"--preprocess {self.preprocess} needs --crop_size N (pixels), which is 0 (off)")
        self.augment = augment
        self.flip_horizontal = augment and not opt.no_flip
        self.flip_vertical = augment and opt.flip_vertical
        self.rotate = augment and opt.rotate == "quarter"
        self.seed = opt.seed
        self.minimum_height = opt.crop_size

    def output_size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) in pixels of what a source of that size becomes."""
        return (self.crop_size, self.crop_size) if self.crop_size else self._resized(width, height)

    def __call__(self, images: list[np.ndarray], epoch: int, index: int) -> torch.Tensor:
        """Transform the images of one sample.

        Args:
            images: K arrays of one size as ``util.image_io.read_pixels`` gives them, (H, W) or (H, W, 3).
            epoch, index: with the seed, all that randomness depends on.

        Returns:
            float32 (K, 3, h, w) in [0, 1].
        """
        if any(image.dtype != np.uint8 for image in images):
            images = [to_float(image) for image in images]
        # Five numbers are drawn whatever the flags are, so that one flag does not change what another does.
        drawn = np.random.default_rng((self.seed, epoch, index)).random(5) if self.augment else np.full(5, 0.5)
        stack = torch.stack([self._resize_and_crop(_to_tensor(image), drawn[:2]) for image in images])
        if self.flip_horizontal and drawn[2] < 0.5:
            stack = stack.flip(-1)
        if self.flip_vertical and drawn[3] < 0.5:
            stack = stack.flip(-2)
        if self.rotate:
            turns = int(drawn[4] * 4)
            if stack.shape[-1] != stack.shape[-2]:
                turns -= turns % 2  # a quarter would change the size, and a batch has one
            stack = torch.rot90(stack, turns, (-2, -1))  # exact, where a rotation by an angle would interpolate
        # Laid out before it is scaled: bytes are a quarter of the floats to move.
        stack = stack.contiguous()
        return stack.to(torch.float32).div_(255) if stack.dtype == torch.uint8 else stack

    def _resized(self, width: int, height: int) -> tuple[int, int]:
        if self.preprocess == "resize" or (self.preprocess == "resize_and_crop" and self.load_size):
            return self.load_size, self.load_size
        if self.preprocess in ("scale_width", "scale_width_and_crop"):
            # As CycleGAN: never lower than the crop, and untouched where the width is right already.
            if width == self.load_size and height >= self.minimum_height:
                return width, height
            return self.load_size, int(max(self.load_size * height / width, self.minimum_height, 1))
        return width, height

    def _resize_and_crop(self, image: torch.Tensor, place: np.ndarray) -> torch.Tensor:
        """(1 or 3, H, W) to (3, h, w); ``place`` in [0, 1) says where between top and bottom, left and right."""
        height, width = image.shape[-2:]
        new_width, new_height = self._resized(width, height)
        if (new_width, new_height) != (width, height):
            from torchvision.transforms.v2 import InterpolationMode, functional

            image = functional.resize(
                image, [new_height, new_width], interpolation=InterpolationMode.BICUBIC, antialias=True
            )
            if image.is_floating_point():
                image = image.clamp(0, 1)  # bicubic overshoots at edges; 8 bit is clipped by its type
        if self.crop_size:
            image = reflect_up_to(image, self.crop_size, self.crop_size)
            height, width = image.shape[-2:]
            top = int(place[0] * (height - self.crop_size + 1))
            left = int(place[1] * (width - self.crop_size + 1))
            image = image[:, top : top + self.crop_size, left : left + self.crop_size]
        return image.expand(3, -1, -1)


def reflect_up_to(image: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Reflect an image (C, H, W) on all sides until it is at least that high and wide, however small it was."""
    if image.shape[-2] >= height and image.shape[-1] >= width:
        return image
    from torchvision.transforms.v2 import functional

    while image.shape[-2] < height or image.shape[-1] < width:
        sides = []
        for have, want in ((image.shape[-1], width), (image.shape[-2], height)):
            lack = max(want - have, 0)
            # One reflection adds less than the image's own length on each side; a line of one pixel only repeats.
            limit = max(have - 1, 1)
            sides.append((min(lack // 2, limit), min(lack - lack // 2, limit)))
        (left, right), (top, bottom) = sides
        mode = "reflect" if min(image.shape[-2:]) > 1 else "edge"
        image = functional.pad(image, [left, top, right, bottom], padding_mode=mode)
    return image


def _to_tensor(image: np.ndarray) -> torch.Tensor:
    """(H, W) or (H, W, 3) to a view (1 or 3, H, W)."""
    tensor = torch.from_numpy(np.ascontiguousarray(image))
    return tensor[None] if tensor.dim() == 2 else tensor.permute(2, 0, 1)
