"""R2GAN: a generator trained on multi-focus pairs that fuses any pair, guided by rebuilding its sources.

A. Chahi, M. Kas, I. Kajo, Y. Ruichek, Applied Intelligence 2025. docs/methods/r2gan.md tells what is the paper's, what
the authors' code's and what ours.
"""

from __future__ import annotations

import argparse

from models import networks
from models.base_model import BaseModel
from models.losses import GANLoss, gradient_penalty
from models.optimisers import make_adam
from options.types import real_number, whole_number
from util import color
from util.errors import UserError
from util.lazy import torch
from util.tiling import Tiling


class R2GANModel(BaseModel):
    """L_G = GAN + lambda_L1 |fused - GT| + lambda_rec (|rec_A - A| + |rec_B - B|), means over the network's [-1, 1]."""

    title = "R2GAN (2025): GAN on multi-focus pairs, guided by rebuilding both sources; fuses any pair"
    size_multiple = 4
    smallest_side = 8  # below it a quarter-size feature map has no neighbour to reflect
    needs_gt = True
    loss_names = ("G_GAN", "G_L1", "G_rec_A", "G_rec_B", "D_real", "D_fake")
    visual_names = ("A", "B", "fused", "GT", "rec_A", "rec_B")

    @staticmethod
    def modify_commandline_options(parser, is_train: bool):
        parser.set_defaults(netG="r2gan_generator", netD="pixel", norm="batch")
        model = parser.group("model")
        model.add_argument(
            "--n_blocks",
            type=whole_number(1, 64),
            default=6,
            metavar="N",
            help="residual blocks of the encoder: 6 in the authors' code, 9 in the paper's figures",
        )
        model.add_argument(
            "--untied_decoders",
            action="store_true",
            help="three decoders, as the paper draws them; the authors' code has one for all",
        )
        if is_train:
            parser.set_defaults(gan_mode="vanilla", preprocess="resize_and_crop", load_size=256, crop_size=256)
            training = parser.group("training")
            training.add_argument(
                "--lambda_L1",
                type=real_number(0),
                default=100.0,
                metavar="WEIGHT",
                help="weight of |fused - ground truth|; the adversarial term has 1",
            )
            training.add_argument(
                "--lambda_rec",
                type=real_number(0),
                metavar="WEIGHT",
                help="weight of each source's |rebuilt - source| (default: that of --lambda_L1)",
            )
            training.add_argument(
                "--lambda_gp",
                type=real_number(0),
                default=10.0,
                metavar="WEIGHT",
                help="weight of the gradient penalty of --gan_mode wgangp",
            )
        return parser

    @staticmethod
    def check_options(opt: argparse.Namespace) -> None:
        """Refuse what cannot be built or trained, before any network is.

        Raises:
            UserError: --netG or --netD is no network for it, or the training crop has a size that does not fit them.
        """
        if opt.netG.lower() != "r2gan_generator":
            raise UserError(f"--netG {opt.netG} is no generator of --model {opt.model}: give R2GAN_generator")
        if not opt.is_train:
            return
        networks.find_network(opt.netD, "discriminator")
        if "crop" in opt.preprocess:
            R2GANModel.check_training_size(opt.crop_size, opt.crop_size, f"--crop_size {opt.crop_size}", opt)

    @staticmethod
    def check_training_size(width: int, height: int, what: str, opt: argparse.Namespace) -> None:
        """Refuse a training image that the networks of ``opt`` cannot take; ``what`` begins the sentence.

        Raises:
            UserError: a side is no multiple of 4 or too short.
        """
        depth = {"pixel": 0, "basic": 3}.get(opt.netD, opt.n_layers_D)
        # Each strided layer of a PatchGAN halves a side, and two more take one pixel each: one must be left.
        smallest = max(R2GANModel.smallest_side, 3 * 2**depth if depth else 0)
        if width % R2GANModel.size_multiple or height % R2GANModel.size_multiple or min(width, height) < smallest:
            raise UserError(
                f"{what} cannot be trained on with --netD {opt.netD}: sides must be multiples of "
                f"{R2GANModel.size_multiple}, {smallest} pixels or more; use --preprocess resize_and_crop "
                "with such a --crop_size"
            )

    @staticmethod
    def find_tiling(opt: argparse.Namespace) -> Tiling:
        # 7x7, two halvings and a head take 3 + 1 + 2 + 3, two doublings 4 + 2, each block two pixels at a quarter.
        window = 256 if opt.norm == "instance" else 0
        return Tiling(reach=15 + 8 * opt.n_blocks, side=1000, multiple=4, window=window)

    @staticmethod
    def translate_weights(weights: dict, opt: argparse.Namespace) -> dict[str, dict]:
        """Return the generator of a ``latest_net_G.pth`` that the authors' code has trained.

        Raises:
            UserError: a name in it is none of theirs.
        """
        from models.networks.r2gan import translate_official_state

        try:
            return {"G": translate_official_state(weights, tie_decoders=not opt.untied_decoders)}
        except KeyError as error:
            raise UserError(
                f"--weights {opt.weights} holds {error}, which is no name in the R2GAN authors' generator; a run of "
                "yours is named by --name, without --weights"
            ) from None

    def __init__(self, opt: argparse.Namespace):
        super().__init__(opt)
        self.color_mode = opt.color
        generator = networks.build(
            opt.netG,
            ngf=opt.ngf,
            n_blocks=opt.n_blocks,
            norm=opt.norm,
            use_dropout=not opt.no_dropout,
            tie_decoders=not opt.untied_decoders,
        )
        if not self.is_train:
            self.register_network("G", generator)
            return

        from models.networks.init import initialise

        depth = {"n_layers": opt.n_layers_D} if opt.netD == "n_layers" else {}
        discriminator = networks.build(opt.netD, ndf=opt.ndf, norm=opt.norm, **depth)
        for name, network in (("G", generator), ("D", discriminator)):
            network = self.register_network(name, initialise(network, opt.init_type, opt.init_gain))
            self.register_optimizer(name, make_adam(network, opt))
        self.criterion_GAN = GANLoss(opt.gan_mode)
        self.lambda_rec = opt.lambda_L1 if opt.lambda_rec is None else opt.lambda_rec
        if opt.gan_mode == "wgangp":
            self.loss_names = (*self.loss_names, "D_GP")

    def set_input(self, batch: dict) -> None:
        """Take a batch; with ``--color luma`` the network learns on luminance, in three equal channels."""
        super().set_input(batch)
        if self.color_mode == "luma":
            gray = (color.luma(image) for image in (self.A, self.B, self.GT))
            self.A, self.B, self.GT = (image.expand(-1, self.channels, -1, -1) for image in gray)

    def optimize_parameters(self) -> None:
        """Update D on the fused image as it is, then G against that D; the generator runs once."""
        real_a, real_b, real = (2 * image - 1 for image in (self.A, self.B, self.GT))
        with self.autocast():
            self.output = self.net_G(real_a, real_b)
        fused = self.output.fused
        self._learn_discriminator(fused.detach(), real)
        self._learn_generator(real_a, real_b, real)

    def fuse(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        height, width = a.shape[-2:]
        padding = (0, max(0, self.smallest_side - width), 0, max(0, self.smallest_side - height))
        if any(padding):
            a, b = (torch.nn.functional.pad(image, padding, mode="replicate") for image in (a, b))
        fused = self.net_G.fuse(2 * a - 1, 2 * b - 1)[..., :height, :width]
        return (fused.float() + 1) / 2  # in bf16 the sum would round to half a gray level

    def compute_visuals(self) -> None:
        self.fused, self.rec_A, self.rec_B = ((image.float() + 1) / 2 for image in self.output)

    def _learn_discriminator(self, fused: torch.Tensor, real: torch.Tensor) -> None:
        self.set_requires_grad(self.net_D, True)
        with self.autocast():
            verdicts_fake, verdicts_real = self.net_D(fused), self.net_D(real)
        fake, true = self.criterion_GAN(verdicts_fake, False), self.criterion_GAN(verdicts_real, True)
        loss = (fake + true) / 2
        if self.opt.gan_mode == "wgangp":
            # Its own forward method, not a call: compiled code cannot be differentiated twice.
            penalty = gradient_penalty(self.net_D.forward, real, fused)
            loss = loss + self.opt.lambda_gp * penalty
            self.loss_D_GP = penalty.detach()
        self.backward(loss)
        self.step("D")
        self.loss_D_fake, self.loss_D_real = fake.detach(), true.detach()

    def _learn_generator(self, real_a: torch.Tensor, real_b: torch.Tensor, real: torch.Tensor) -> None:
        self.set_requires_grad(self.net_D, False)
        with self.autocast():
            verdicts = self.net_D(self.output.fused)
        distance = torch.nn.functional.l1_loss
        terms = {
            "G_GAN": self.criterion_GAN(verdicts, True),
            "G_L1": self.opt.lambda_L1 * distance(self.output.fused.float(), real),
            "G_rec_A": self.lambda_rec * distance(self.output.rec_a.float(), real_a),
            "G_rec_B": self.lambda_rec * distance(self.output.rec_b.float(), real_b),
        }
        self.backward(sum(terms.values()))
        self.step("G")
        for name, term in terms.items():
            setattr(self, f"loss_{name}", term.detach())
