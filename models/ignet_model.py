"""IGNet: graphs that exchange features between infrared and visible, trained on their maxima and on structure.

J. Li, J. Chen, J. Liu, H. Ma, ACM MM 2023. The network is the authors'; they published no training, so losses and
schedule are inferred from the first author's later code. docs/methods/ignet.md tells what is whose.
"""

from __future__ import annotations

import argparse

from models import networks
from models.base_model import BaseModel
from models.losses import sobel_magnitude, ssim
from models.optimisers import make_adam
from options.types import choice, real_number, whole_number
from util import color
from util.errors import UserError
from util.lazy import torch
from util.logger import warn
from util.tiling import Place, Tiling

# Weights of the terms intensity, gradient and ssim: those of a public derivative of A2RNet, and SeAFusion's gradient.
PRESETS = {"ignet_unit": (1.0, 1.0, 1.0), "ignet_grad10": (1.0, 10.0, 1.0)}
TERMS = ("intensity", "gradient", "ssim")


class IGNetModel(BaseModel):
    """A is infrared, B visible, on luminance: L = a L_intensity + b L_gradient + g L_ssim.

    L_intensity = mean |max(A, B) - F|, L_gradient = mean |max(S(A), S(B)) - S(F)| with the Sobel magnitude S,
    L_ssim = 1 - (SSIM(A, F) + SSIM(B, F)) / 2, of the output F as it is, unclamped. Inferred, and so is the default
    schedule (ours): Adam 1e-4, cosine over 50 epochs, batches of 8 crops of 256x256, gradients clipped at norm 1. That
    of A2RNet's script is ``--lr 1e-3 --lr_policy exponential --lr_gamma 0.75 --batch_size 4 --clip_grad 0``.
    """

    title = "IGNet (2023): infrared-visible fusion by graphs of cross-modality interaction"
    color_mode = "luma"
    channels = 1
    size_multiple = 8
    smallest_side = 16  # below it the coarsest map is one pixel, which has no batch statistics
    smallest_useful_side = 136  # below it dilation 16 finds nothing but padding on the coarsest map
    loss_names = TERMS
    visual_names = ("A", "B", "fused")

    @staticmethod
    def modify_commandline_options(parser, is_train: bool):
        model = parser.group("model")
        model.add_argument(
            "--legacy_interleave",
            action="store_true",
            help="mix up the neighbours' edge weights as the authors' code does; always with their own --weights",
        )
        model.add_argument(
            "--bn_train_mode",
            action="store_true",
            help="fuse with the batch statistics of each image, as the authors' test script does by leaving out eval()",
        )
        model.add_argument(
            "--no_stretch",
            action="store_true",
            help="leave the finished picture as it is; the authors stretch each one to the full range",
        )
        model.add_argument(
            "--salience",
            type=choice("code", "figure", "off"),
            default="code",
            help="salience module: code (product for infrared, sum for visible, as the authors' code has it), figure "
            "(product for both, as the paper draws it) or off (ablation)",
        )
        model.add_argument(
            "--graph_scales",
            type=whole_number(1, 3),
            default=3,
            metavar="N",
            help="scales that have a graph, from the coarsest on (ablation)",
        )
        model.add_argument("--no_leader", action="store_true", help="no leader nodes between scales (ablation)")
        model.add_argument(
            "--no_interaction", action="store_true", help="no interaction between the modalities (ablation)"
        )
        if is_train:
            parser.set_defaults(
                lr=1e-4, beta1=0.9, lr_policy="cosine", n_epochs=50, n_epochs_decay=0, clip_grad=1.0,
                batch_size=8, preprocess="crop", crop_size=256,
            )  # fmt: skip
            training = parser.group("training")
            training.add_argument(
                "--preset",
                type=choice(*PRESETS),
                default="ignet_unit",
                help="weights of the three terms: ignet_unit (1, 1, 1), or ignet_grad10 (1, 10, 1) for sharper edges",
            )
            meanings = ("|max(A, B) - fused|", "the same of Sobel magnitudes", "1 - SSIM")
            for term, meaning in zip(TERMS, meanings, strict=True):
                training.add_argument(
                    f"--lambda_{term}",
                    type=real_number(0),
                    metavar="WEIGHT",
                    help=f"weight of {meaning} (default: that of --preset)",
                )
        return parser

    @staticmethod
    def check_options(opt: argparse.Namespace) -> None:
        """Refuse a training crop that cannot be trained on, and warn of one that leaves a part of the network blind.

        Raises:
            UserError: the crop's side is no multiple of 8 or too short.
        """
        opt.legacy_interleave |= bool(getattr(opt, "weights", None))
        if opt.is_train and "crop" in opt.preprocess:
            IGNetModel.check_training_size(opt.crop_size, opt.crop_size, f"--crop_size {opt.crop_size}", opt)
            if opt.crop_size < IGNetModel.smallest_useful_side:
                warn(
                    f"--crop_size {opt.crop_size}: in crops under {IGNetModel.smallest_useful_side} pixels the widest "
                    "nodes see nothing of their neighbourhood; 256 or more is better"
                )

    @staticmethod
    def check_training_size(width: int, height: int, what: str, opt: argparse.Namespace) -> None:
        """Refuse a training image that the network cannot take; ``what`` begins the sentence.

        Raises:
            UserError: a side is no multiple of 8 or too short.
        """
        multiple, smallest = IGNetModel.size_multiple, IGNetModel.smallest_side
        if width % multiple or height % multiple or min(width, height) < smallest:
            raise UserError(
                f"{what} cannot be trained on: sides must be multiples of {multiple}, {smallest} pixels or more; use "
                "--preprocess crop with such a --crop_size"
            )

    @staticmethod
    def find_tiling(opt: argparse.Namespace) -> Tiling:
        # Dilation 16 at an eighth of the size reaches 128 pixels, the convolutions before and behind it 48. The means
        # by which features and nodes are gated are those of windows.
        return Tiling(reach=176, side=2000, multiple=8, window=256, margin=32)

    @staticmethod
    def translate_weights(weights: dict[str, torch.Tensor], opt: argparse.Namespace) -> dict[str, dict]:
        """Return the authors' state as it is: our names are theirs."""
        return {"G": {key.removeprefix("module."): value for key, value in weights.items()}}

    def __init__(self, opt: argparse.Namespace):
        super().__init__(opt)
        # The first weights are torch's own, as in the authors' code, and N(0, 0.01) in the gated units.
        network = networks.build(
            "ignet",
            legacy_interleave=opt.legacy_interleave,
            bn_train_mode=opt.bn_train_mode,
            salience=opt.salience,
            n_scales=opt.graph_scales,
            use_leader=not opt.no_leader,
            use_interaction=not opt.no_interaction,
        )
        if self.device.type == "cpu":  # a quarter quicker there; elsewhere --channels_last decides
            network = network.to(memory_format=torch.channels_last)
        self.register_network("G", network)
        if self.is_train:
            self.register_optimizer("G", make_adam(network, opt))
            given = (getattr(opt, f"lambda_{term}") for term in TERMS)
            self.weights = [
                preset if weight is None else weight for preset, weight in zip(PRESETS[opt.preset], given, strict=True)
            ]
            self.logged_names = tuple(f"gamma_{name}" for name in network.gammas())

    def set_input(self, batch: dict) -> None:
        """Take the luminance of a batch: ``A`` and ``B`` are (N, 1, H, W) in [0, 1]."""
        super().set_input(batch)
        self.A, self.B = color.luma(self.A), color.luma(self.B)

    def optimize_parameters(self) -> None:
        with self.autocast():
            fused = self.net_G(self.A, self.B)
        self.fused = fused.float()
        terms = self._measure(self.fused)
        self.backward(sum(terms.values()))
        self.step("G")
        for name, term in terms.items():
            setattr(self, f"loss_{name}", term.detach())
        for name, gamma in self.net_G.gammas().items():
            setattr(self, f"value_gamma_{name}", gamma.detach())

    def fuse(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return self.net_G(a, b)

    def fuse_tile(self, a: torch.Tensor, b: torch.Tensor, place: Place) -> torch.Tensor:
        return self.net_G(a, b, place)

    def postprocess(self, fused: torch.Tensor) -> torch.Tensor:
        """Stretch each finished picture, unless ``--no_stretch``."""
        return fused if self.opt.no_stretch else color.stretch(fused)

    def _measure(self, fused: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the weighted terms of the loss."""
        a, b, distance = self.A, self.B, torch.nn.functional.l1_loss
        values = (
            distance(fused, torch.maximum(a, b)),
            distance(sobel_magnitude(fused), torch.maximum(sobel_magnitude(a), sobel_magnitude(b))),
            1 - (ssim(a, fused) + ssim(b, fused)) / 2,
        )
        return {name: weight * value for name, weight, value in zip(TERMS, self.weights, values, strict=True)}
