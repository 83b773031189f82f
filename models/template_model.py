"""A method in one file, small enough to read and real enough to train: the pattern for a new one.

Copy it to ``models/NAME_model.py`` with the class ``NAMEModel``, and ``--model NAME`` is there; docs/adding_a_model.md
goes through it. Importing the file must not load torch (``--help`` answers at once), so a network with a class of its
own goes to ``models/networks/NAME.py`` and is made with ``models.networks.build``.
"""

from __future__ import annotations

import argparse

from models.base_model import BaseModel
from models.optimisers import make_adam
from options.types import real_number, whole_number
from util import color
from util.lazy import torch
from util.tiling import Tiling


class TemplateModel(BaseModel):
    """Two convolutions on luminance that learn the ground truth or, without one, the brighter of the two sources."""

    title = "a pattern for new methods"  # its line in --list models
    color_mode = "luma"  # the framework splits off the colour before fuse() and puts it back after
    channels = 1  # so fuse() gets (N, 1, H, W)
    size_multiple = 1  # any size fits: a network with two halvings would say 4 and be given padded images
    needs_gt = False  # True would refuse to train on a data set without a ground truth
    loss_names = ("G_L1",)  # self.loss_G_L1, logged and drawn
    visual_names = ("A", "B", "fused", "GT")  # self.A and so on, shown while it trains

    @staticmethod
    def modify_commandline_options(parser, is_train: bool):
        """Add the method's flags. Those in the group "model" are stored with the run and taken over by test.py."""
        parser.group("model").add_argument(
            "--template_features",
            type=whole_number(1, 1024),
            default=16,
            metavar="N",
            help="channels between the two convolutions",
        )
        if is_train:
            parser.set_defaults(lr=0.001, beta1=0.9)  # an option of the framework with another default
            parser.group("training").add_argument(
                "--lambda_L1", type=real_number(0), default=1.0, metavar="WEIGHT", help="weight of |fused - target|"
            )
        return parser

    @staticmethod
    def find_tiling(opt: argparse.Namespace) -> Tiling:
        """Say how far a pixel of a source reaches: with two 3x3 convolutions, two pixels. Huge pictures need it."""
        return Tiling(reach=2)

    def __init__(self, opt: argparse.Namespace):
        super().__init__(opt)
        convolution = torch.nn.Conv2d
        network = torch.nn.Sequential(
            convolution(2 * self.channels, opt.template_features, 3, padding=1, padding_mode="replicate"),
            torch.nn.ReLU(),
            convolution(opt.template_features, self.channels, 3, padding=1, padding_mode="replicate"),
        )
        # Moves it to the device and keeps it as self.net_G; saved as EPOCH_net_G.pth.
        self.register_network("G", network)
        if self.is_train:
            # --continue_train and the learning-rate plan know it now.
            self.register_optimizer("G", make_adam(network, opt))

    def set_input(self, batch: dict) -> None:
        """Take a batch: self.A, self.B and self.GT (None without one) are (N, 3, H, W) in [0, 1] on the device."""
        super().set_input(batch)
        self.A, self.B = color.luma(self.A), color.luma(self.B)
        self.GT = None if self.GT is None else color.luma(self.GT)

    def optimize_parameters(self) -> None:
        """Learn from the batch: forward, backward, step. A method with two networks has a step for each."""
        with self.autocast():  # --amp
            self.fused = self.fuse(self.A, self.B)
        target = torch.maximum(self.A, self.B) if self.GT is None else self.GT
        loss = self.opt.lambda_L1 * torch.nn.functional.l1_loss(self.fused.float(), target)
        self.backward(loss)  # knows --accumulate and fp16
        self.step("G")  # knows several GPUs, --clip_grad and --accumulate
        self.loss_G_L1 = loss.detach()

    def fuse(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """Fuse (N, channels, H, W) in [0, 1]. test.py calls it in evaluation mode, without gradients."""
        return (a + b) / 2 + self.net_G(torch.cat([a, b], 1))
