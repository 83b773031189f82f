"""Fusion2Void: fusion of focus distances without a ground truth, taught by inpainting.

H. Lin, Y. Lin, J. Xia, L. Fan, F. Li, Y. Wang, X. Ding, IEEE TCSVT 2024. Blocks of both sources are hidden, and a
second network restores them with the help of the fused image: what is sharp is hardest to invent, so the fused image
learns to carry it. docs/methods/fusion2void.md tells what is whose.
"""

from __future__ import annotations

import argparse

from models import networks
from models.base_model import BaseModel
from models.optimisers import make_adam
from models.pyramid import fuse_pyramids
from options.types import real_number, whole_number
from util.errors import UserError
from util.lazy import torch
from util.tiling import Tiling

WARMUP_LEVELS = 4
OFFICIAL_PREFIXES = {"F": "FusionNet.", "R": "RecNet."}


class Fusion2VoidModel(BaseModel):
    """L = w mean(|F - A| |F - B|) + mean |rec_A - A| + mean |rec_B - B|, in RGB, one step of both networks.

    The first term is 0 where a pixel equals that of either source. Source of all values: the authors' training code.
    ``--warmup_updates`` [ours] begins with w mean |F - L|, where L takes the larger coefficients of both sources'
    Laplacian pyramids: as long as the fused image is soft it is nearer to the blurred source, and the first term would
    pull it there for good.
    Its rate goes up and down by updates (``--lr_policy cosine_wave``, the default); once down over all epochs, which
    was probably meant, is ``--lr_policy cosine``.
    """

    title = "Fusion2Void (2024): multi-focus fusion taught by inpainting"
    inference_networks = ("F",)
    loss_names = ("fidelity", "rec_A", "rec_B")
    logged_names = ("share_A",)
    visual_names = ("A", "B", "mask", "masked_A", "masked_B", "fused", "rec_A", "rec_B", "choice")

    @staticmethod
    def modify_commandline_options(parser, is_train: bool):
        parser.group("model").add_argument(
            "--f2v_features",
            type=whole_number(1, 1024),
            default=32,
            metavar="N",
            help="channels of Fusion2Void's layers",
        )
        if is_train:
            parser.set_defaults(
                lr=2e-4, lr_min=2e-6, beta1=0.9, lr_policy="cosine_wave", ema=0.996, n_epochs=1000, n_epochs_decay=0,
                accumulate=2, preprocess="none", save_epoch_freq=100,
            )  # fmt: skip
            training = parser.group("training")
            training.add_argument(
                "--lambda_fidelity",
                type=real_number(0),
                default=10.0,
                metavar="WEIGHT",
                help="weight of |fused - A| |fused - B|",
            )
            training.add_argument(
                "--warmup_updates",
                type=whole_number(0),
                default=0,
                metavar="N",
                help="first updates in which the fused image learns what a Laplacian pyramid makes of the sources "
                "instead; for short trainings, which else may end with the blurred source everywhere",
            )
            training.add_argument(
                "--mask_block",
                type=whole_number(1),
                default=8,
                metavar="PIXELS",
                help="side of the blocks that are hidden from the network that restores",
            )
            training.add_argument(
                "--mask_ratio",
                type=real_number(0, 1),
                default=0.7,
                metavar="SHARE",
                help="share of the blocks that are hidden",
            )
        return parser

    @staticmethod
    def check_training_size(width: int, height: int, what: str, opt: argparse.Namespace) -> None:
        """Refuse a training image that is smaller than a block of the mask."""
        if min(width, height) < opt.mask_block:
            raise UserError(
                f"{what} is smaller than --mask_block {opt.mask_block}: leave it out, or give smaller blocks"
            )

    @staticmethod
    def find_tiling(opt: argparse.Namespace) -> Tiling:
        # 3x3 convolutions: 1 + 5 x 2 for a source, 1 + 3 x 2 + 1 for both.
        return Tiling(reach=19, side=512)

    @staticmethod
    def translate_weights(weights: dict[str, torch.Tensor], opt: argparse.Namespace) -> dict[str, dict]:
        """Return both networks of the authors' file, whose names begin with ``FusionNet.`` and ``RecNet.``.

        Raises:
            UserError: no name does.
        """
        if not any(key.startswith(OFFICIAL_PREFIXES["F"]) for key in weights):
            raise UserError("the file of --weights holds no FusionNet: it is not of Fusion2Void's authors")
        return {
            name: {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}
            for name, prefix in OFFICIAL_PREFIXES.items()
        }

    def __init__(self, opt: argparse.Namespace):
        super().__init__(opt)
        wanted = {"F": "fusion2void", "R": "fusion2void_rec"} if self.is_train else {"F": "fusion2void"}
        for name, network in wanted.items():
            network = self.register_network(name, networks.build(network, features=opt.f2v_features))
            if self.is_train:
                self.register_optimizer(name, make_adam(network, opt))

    def optimize_parameters(self) -> None:
        a, b = self.A, self.B
        in_order, restored_in_order = torch.rand(2) < 0.5
        self.mask = draw_mask(a, self.opt.mask_block, self.opt.mask_ratio)
        self.masked_A, self.masked_B = a * self.mask, b * self.mask
        with self.autocast():
            fused = self.net_F(a, b) if in_order else self.net_F(b, a)
            if restored_in_order:
                rec_a, rec_b = self.net_R(self.masked_A, self.masked_B, fused)
            else:
                rec_b, rec_a = self.net_R(self.masked_B, self.masked_A, fused)
        distance = torch.nn.functional.l1_loss
        self.fused, self.rec_A, self.rec_B = fused.float(), rec_a.float(), rec_b.float()
        if self.schedule.updates < self.opt.warmup_updates:
            fidelity = distance(self.fused, fuse_pyramids(a, b, WARMUP_LEVELS))
        else:
            fidelity = ((self.fused - a).abs() * (self.fused - b).abs()).mean()
        terms = {
            "fidelity": self.opt.lambda_fidelity * fidelity,
            "rec_A": distance(self.rec_A, a),
            "rec_B": distance(self.rec_B, b),
        }
        self.backward(sum(terms.values()))
        for name in self.optimizers:
            self.step(name)
        for name, term in terms.items():
            setattr(self, f"loss_{name}", term.detach())
        self.value_share_A = choose_source(self.fused.detach(), a, b).mean()

    def fuse(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        fused = self.net_F.fuse(a, b).float()
        self.keep_for_maps(a, b, fused)
        return fused

    def explain(self, a: torch.Tensor, b: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return where the fused image is nearer to A (white) and where to B (black)."""
        fused = self.take_kept(a, b)
        return {"choice": choose_source(self.fuse(a, b) if fused is None else fused, a, b)}

    def compute_visuals(self) -> None:
        self.choice = choose_source(self.fused, self.A, self.B)


def draw_mask(image: torch.Tensor, block: int, ratio: float) -> torch.Tensor:
    """Return a mask (1, 1, H, W) for a batch (N, C, H, W): 1 is visible, a block is hidden with probability ``ratio``.

    Where the sides are no multiples of the block the grid is stretched over them, nearest neighbour, as the authors do.
    """
    height, width = image.shape[-2:]
    grid = torch.rand(1, 1, height // block, width // block, device=image.device) >= ratio
    return torch.nn.functional.interpolate(grid.float(), (height, width), mode="nearest")


def choose_source(fused: torch.Tensor, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return (N, 1, H, W): 1 where the fused image is nearer to ``a``, 0 to ``b``, 0.5 where they are equally near."""
    to_a, to_b = ((fused - source).abs().sum(1, keepdim=True) for source in (a, b))
    return 0.5 * (1 + torch.sign(to_b - to_a))
