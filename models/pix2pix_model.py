"""``--model pix2pix``, as R2GAN's published commands have it: another name for R2GAN, with pix2pix's flags."""

from __future__ import annotations

import argparse

from models.r2gan_model import R2GANModel
from util.logger import log


class Pix2PixModel(R2GANModel):
    """R2GAN under the name of the framework's model that its authors changed; says so once."""

    title = "another name for r2gan, as its published commands spell it (--netG R2GAN_generator)"

    @staticmethod
    def modify_commandline_options(parser, is_train: bool):
        R2GANModel.modify_commandline_options(parser, is_train)
        accepted = parser.group("accepted for users of pix2pix, in the one meaning that R2GAN has")
        flags = {
            "direction": ("AtoB", "both sources go to the fused image, and nothing leads back"),
            "input_nc": ("3", "gray sources reach the network in three equal channels"),
            "output_nc": ("3", "a gray result is written with one channel by itself"),
        }
        if is_train:
            flags["pool_size"] = ("0", "the discriminator sees the newest images alone")
        for name, (value, reason) in flags.items():
            accepted.add_argument(f"--{name}", type=_only(value, reason), metavar=value, help=f"{value} only: {reason}")
        return parser

    def __init__(self, opt: argparse.Namespace):
        super().__init__(opt)
        log("--model pix2pix with --netG R2GAN_generator is R2GAN: --model r2gan does the same")


def _only(value: str, reason: str):
    """Accept ``value`` alone; anything else would change what the flag's user expects."""

    def parse(text: str) -> str:
        if text.lower() != value.lower():
            raise argparse.ArgumentTypeError(f"'{text}' has no meaning for R2GAN, only {value}: {reason}")
        return value

    return parse
