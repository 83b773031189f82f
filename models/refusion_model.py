"""ReFusion: a light transformer taught by a loss that is itself learned, by how well the sources can be rebuilt.

H. Bai, Z. Zhao, J. Zhang, Y. Wu, L. Deng, Y. Cui, B. Jiang, S. Xu, IJCV 2024. docs/methods/refusion.md tells what is
the paper's, what the authors' code's and what ours.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from models import networks
from models.base_model import BaseModel
from models.losses import sobel_magnitude
from models.optimisers import make_adam
from options.types import choice, real_number, whole_number
from util import color, distributed
from util.errors import UserError
from util.lazy import torch
from util.logger import warn
from util.tiling import Tiling

TASKS = {"ivif": "infrared-visible", "mif": "medical", "mfif": "multi-focus", "meif": "multi-exposure"}


class ReFusionModel(BaseModel):
    """F fuses, P proposes the weights of F's loss, R rebuilds the sources from the fused image.

    An epoch has two phases. In the first (the prelude) P alone learns: F takes a virtual step down its loss on one
    batch, and P follows what that did to the rebuilding loss on the next. In the second F and R learn, P stays.
    """

    title = "ReFusion (2024): a transformer whose loss is meta-learned from rebuilding the sources; luminance"
    color_mode = "luma"
    channels = 1
    inference_networks = ("F",)
    explain_networks = ("P",)
    loss_names = ("F_int", "F_grad", "R_int", "R_grad")
    logged_names = ("W_mean", "W_std", "V_mean", "V_std")
    visual_names = ("A", "B", "fused", "W", "V", "rec_A", "rec_B")

    @staticmethod
    def modify_commandline_options(parser, is_train: bool):
        parser.set_defaults(netG="refusion")
        model = parser.group("model")
        model.add_argument(
            "--task",
            type=choice(*TASKS),
            default="ivif",
            help="what is fused, and in which order: ivif (infrared, visible), mif (CT, PET or SPECT; MRI), mfif "
            "(near, far) or meif (under, over); with --weights FOLDER it chooses the file ReFusion_TASK.pth",
        )
        model.add_argument(
            "--no_stretch",
            action="store_true",
            help="leave the fused luminance as it is; the authors stretch each image to the full range",
        )
        if is_train:
            parser.set_defaults(
                batch_size=2, crop_size=128, lr=1e-4, beta1=0.9, lr_policy="step", lr_decay_iters=10,
                n_epochs=50, n_epochs_decay=0,
            )  # fmt: skip
            training = parser.group("training")
            training.add_argument(
                "--meta_steps",
                type=whole_number(1),
                default=600,
                metavar="N",
                help="most meta-steps of an epoch's first phase, of two batches each",
            )
            training.add_argument(
                "--meta_accumulation",
                type=whole_number(1, 1024),
                default=2,
                metavar="N",
                help="meta-steps whose gradients make one step of the loss proposal module",
            )
            training.add_argument(
                "--lr_P",
                type=real_number(0, above=True),
                metavar="RATE",
                help="how far a step moves the weight of the loss proposal module that it moves most (default: --lr)",
            )
            training.add_argument(
                "--no_swap", action="store_true", help="do not add every pair in the other order to its batch"
            )
            training.add_argument(
                "--no_ramp", action="store_true", help="weigh the gradient term by 1, not by the share of epochs begun"
            )
            training.add_argument(
                "--legacy_accumulate",
                action="store_true",
                help="for an ablation: let the inner loss's own gradient leak into the proposal module's step, as it "
                "does in the training code in circulation",
            )
        return parser

    @staticmethod
    def check_options(opt: argparse.Namespace) -> None:
        if opt.netG != "refusion":
            raise UserError(f"--netG {opt.netG} is no network of --model {opt.model}: leave the flag out")
        weights = getattr(opt, "weights", None)
        if weights and Path(weights).is_dir():
            opt.weights = str(Path(weights) / f"ReFusion_{opt.task.upper()}.pth")

    @staticmethod
    def check_dataset(dataset, opt: argparse.Namespace) -> None:
        if dataset.task not in ("any", TASKS[opt.task]):
            suited = next((task for task, name in TASKS.items() if name == dataset.task), None)
            warn(
                f"the pairs are {dataset.task} ones and --task is {opt.task} ({TASKS[opt.task]}), which wants networks "
                f"of its own; --task {suited} fits them"
            )

    @staticmethod
    def find_tiling(opt: argparse.Namespace) -> Tiling:
        # 3x3 convolutions: one in front, two in each of four blocks and in the cross attention, two at the end. Sums
        # over pixels, by which channels attend to each other, are those of windows.
        return Tiling(reach=13, side=512, window=256, margin=12)

    @staticmethod
    def translate_weights(weights: dict, opt: argparse.Namespace) -> dict[str, dict]:
        from models.networks.refusion import translate_official_state

        return {"F": translate_official_state(weights)}

    def __init__(self, opt: argparse.Namespace):
        super().__init__(opt)
        from models.networks.refusion import LossProposalModule, SourceReconstructionModule

        self.register_network("F", networks.build(opt.netG))
        if self.is_train or not opt.no_maps:
            self.register_network("P", LossProposalModule())
        if not self.is_train:
            return

        from models.meta_learning import MaxNormalisedDescent

        self.register_network("R", SourceReconstructionModule())
        for name in ("F", "R"):
            self.register_optimizer(name, make_adam(self.networks[name], opt))
        self.register_optimizer("P", MaxNormalisedDescent(self.net_P.parameters(), opt.lr_P or opt.lr))

    def set_input(self, batch: dict) -> None:
        """Take a batch: luminance in whole gray levels, and each pair in both orders unless ``--no_swap``.

        Whatever order F sees, R is to rebuild A and B, in that order.
        """
        super().set_input(batch)
        a, b = ((255 * color.luma(image)).round() / 255 for image in (self.A, self.B))
        swap = not self.opt.no_swap
        self.first, self.second = (torch.cat([a, b]), torch.cat([b, a])) if swap else (a, b)
        self.targets = (torch.cat([a, a]), torch.cat([b, b])) if swap else (a, b)
        # Derived from the sources alone: once for all losses.
        self.gradients = sobel_magnitude(self.first), sobel_magnitude(self.second)
        self.target_gradients = tuple(sobel_magnitude(target) for target in self.targets)

    # Training --------------------------------------------------------------------------------------------------------

    def count_prelude(self, batches: int) -> int:
        """Return the batches of the phase in which P learns: a multiple of those of one step of P, at least one."""
        step = 2 * self.opt.meta_accumulation
        return max(1, min(2 * self.opt.meta_steps, batches) // step) * step

    @property
    def learns_loss(self) -> bool:
        """Whether this batch belongs to the phase in which P learns."""
        return self.batches_seen < self.prelude

    def batches_per_update(self) -> int:
        return 2 * self.opt.meta_accumulation if self.learns_loss else super().batches_per_update()

    def optimize_parameters(self) -> None:
        if not self.learns_loss:
            self._learn_fusion()
        elif self.gathered % 2:
            self._take_virtual_steps()
        else:
            self._learn_loss()

    def _take_virtual_steps(self) -> None:
        """Let F and R take a virtual step on this batch (meta-train), and keep what P's gradient will need."""
        from models.meta_learning import take_virtual_step

        rate = self.optimizer_F.param_groups[0]["lr"]
        inputs = self.first, self.second
        weights = self.net_P(*inputs, *self.gradients)
        fused = self.net_F(*inputs)
        learned_loss = self._bind_fusion_loss(weights)
        loss = self._record_fusion_loss(learned_loss, fused)
        if self.opt.legacy_accumulate and self.gathered > 1:
            self._add_to_proposal(torch.autograd.grad(loss, list(self.net_P.parameters()), retain_graph=True))
        step = take_virtual_step(self.net_F, loss, rate, keep_graph=True)
        self.meta = (inputs, learned_loss, step)
        rebuilt = self.net_R(fused.detach())
        self.step_R = take_virtual_step(self.net_R, self._measure_rebuilding(rebuilt), rate)

    def _learn_loss(self) -> None:
        """Ask how well this batch (meta-test) is rebuilt after the virtual steps, and let P follow the answer."""
        from models.meta_learning import find_meta_gradient, functional_call

        inputs, learned_loss, step = self.meta
        fused = functional_call(self.net_F, step.weights, (self.first, self.second))
        rebuilt = functional_call(self.net_R, self.step_R.weights, (fused,))
        loss = self._measure_rebuilding(rebuilt)
        parameters = list(self.net_P.parameters())
        gradient = find_meta_gradient(self.net_F, inputs, learned_loss, step, loss, parameters)
        self._add_to_proposal([part / self.opt.meta_accumulation for part in gradient])
        self.meta = self.step_R = None
        if self.updating:
            distributed.all_reduce_gradients(parameters)
            self.optimizer_P.step()
            self.optimizer_P.zero_grad(set_to_none=True)

    def _learn_fusion(self) -> None:
        """Move F down the loss that P proposes, and R down the rebuilding loss; nothing flows from R to F."""
        inputs = self.first, self.second
        with self.autocast():
            with torch.no_grad():
                weights = self.net_P(*inputs, *self.gradients)
            fused = self.net_F(*inputs)
            rebuilt = self.net_R(fused.detach())
        learned_loss = self._bind_fusion_loss([weight.float() for weight in weights])
        self.backward(self._record_fusion_loss(learned_loss, fused.float()))
        self.step("F")
        self.backward(self._measure_rebuilding(rebuilt.float()))
        self.step("R")

    def _add_to_proposal(self, gradients) -> None:
        for parameter, gradient in zip(self.net_P.parameters(), gradients, strict=True):
            parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient

    def _bind_fusion_loss(self, weights):
        """Return the learned loss of this batch, as P weighs it, and log how it does."""
        for name, weight in zip("WV", weights, strict=True):
            of_a = weight[:, 0].detach()
            setattr(self, f"value_{name}_mean", of_a.mean())
            setattr(self, f"value_{name}_std", of_a.std((-2, -1), correction=0).mean())
        epochs = self.opt.n_epochs + self.opt.n_epochs_decay
        share = 1.0 if self.opt.no_ramp else min(1.0, self.epoch / epochs)
        return LearnedLoss((self.first, self.second), self.gradients, *weights, share)

    def _record_fusion_loss(self, learned_loss: LearnedLoss, fused):
        intensity, gradient = learned_loss.terms(fused)
        self.loss_F_int, self.loss_F_grad = intensity.detach(), gradient.detach()
        return intensity + learned_loss.share * gradient

    def _measure_rebuilding(self, rebuilt):
        """Return L_r, the mean square of the worse source's error in intensity and in gradient."""
        intensity, gradient = (
            _take_worse(sources, parts)
            for sources, parts in (
                (self.targets, rebuilt.split(1, 1)),
                (self.target_gradients, [sobel_magnitude(part) for part in rebuilt.split(1, 1)]),
            )
        )
        self.loss_R_int, self.loss_R_grad = intensity.detach(), gradient.detach()
        return intensity + gradient

    # Pictures --------------------------------------------------------------------------------------------------------

    def fuse(self, a, b):
        return self.net_F.fuse(a, b).float()

    def finish(self, fused):
        return fused if self.opt.no_stretch else color.stretch(fused)

    def explain(self, a, b) -> dict:
        """Return what the learned loss asks of A: the share W of its intensity and V of its gradient (1 - them: B)."""
        if "P" not in self.networks:
            return {}
        w, v = self.net_P(a, b, sobel_magnitude(a), sobel_magnitude(b))
        return {"W": w[:, :1], "V": v[:, :1]}

    def compute_visuals(self) -> None:
        count = len(self.A)
        a, b = self.first[:count], self.second[:count]
        self.fused = self.net_F(a, b)
        self.W, self.V = self.explain(a, b).values()
        self.rec_A, self.rec_B = self.net_R(self.fused).split(1, 1)


@dataclass(frozen=True)
class LearnedLoss:
    """L_f = L_int + share * L_grad: distances of the fused image to both sources, weighted pixel by pixel by P.

    Attributes:
        sources, gradients: (A, B) and their Sobel magnitudes, (N, 1, H, W) each.
        w, v: weights of the intensities and of the gradients, (N, 2, H, W); they multiply the difference that is
            squared.
        share: weight of the gradient term.
    """

    sources: tuple
    gradients: tuple
    w: torch.Tensor
    v: torch.Tensor
    share: float

    def terms(self, fused) -> tuple:
        """Return L_int and L_grad of ``fused`` (N, 1, H, W)."""
        return _weigh(self.w, self.sources, fused), _weigh(self.v, self.gradients, sobel_magnitude(fused))

    def __call__(self, fused):
        intensity, gradient = self.terms(fused)
        return intensity + self.share * gradient


def _weigh(weights, sources, fused):
    return sum(((w * (source - fused)) ** 2).mean() for w, source in zip(weights.split(1, 1), sources, strict=True))


def _take_worse(sources, rebuilt):
    first, second = ((source - part).abs() for source, part in zip(sources, rebuilt, strict=True))
    return (torch.maximum(first, second) ** 2).mean()
