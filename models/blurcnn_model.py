"""The blur-classifier pipeline: enhance, let a classifier vote which source is sharper, blend, lift local contrast.

"A deep learning and image enhancement based pipeline for infrared and visible image fusion", Neurocomputing 2024, doi
10.1016/j.neucom.2024.127353. docs/methods/blurcnn.md tells what is the authors' and what ours.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from models import networks
from models.base_model import BaseModel
from models.optimisers import make_sgd
from models.sharpness import decide, enhance, pipeline, retinex
from models.sharpness.blend import WITHOUT_ZEROS
from options.types import choice, real_number, whole_number
from util import distributed
from util.errors import UserError
from util.lazy import torch

BLOCK = decide.WINDOW
FLAT_BELOW = 2.0  # gray levels: a block of a smaller deviation shows no sharpness


class BlurCNNModel(BaseModel):
    """A is infrared, B visible, on luminance. C, an EResNet, learns from blocks of photographs which of two is sharp.

    Loss: cross entropy of both orders, [sharp; blurred] being class 0 and [blurred; sharp] class 1. SGD, 2e-4 times 0.9
    each epoch, momentum 0.9, weight decay 5e-4, batches of 64 stacks, 30 epochs: those of the authors' sibling project
    and of the predecessor ECNN.
    """

    title = "blur-classifier pipeline (2024): enhancement, votes for the sharper source, blend and Retinex; luminance"
    color_mode = "luma"
    channels = 1
    inference_networks = ("C",)
    loss_names = ("C",)
    logged_names = ("accuracy",)
    visual_names = ("sharp", "blurred", "verdict")

    @staticmethod
    def modify_commandline_options(parser, is_train: bool):
        model = parser.group("model")
        model.add_argument(
            "--no_enhance",
            action="store_true",
            help="leave the sources as they are: no range compression of the visible, no stretch of the infrared image",
        )
        model.add_argument(
            "--work_size",
            type=choice(str(pipeline.PARITY_SIZE), "native"),
            default=str(pipeline.PARITY_SIZE),
            help="fuse at 456x456 as the authors' code does, the result being brought back to the sources' size, or at "
            "the sources' own size (native)",
        )
        model.add_argument(
            "--classifier_infrared",
            type=choice("original", "enhanced"),
            default="original",
            help="the infrared image that the classifier compares with the enhanced visible one: original (the "
            "authors' code) or enhanced (their paper)",
        )
        model.add_argument(
            "--grey_everywhere",
            action="store_true",
            help="give the classifier the gray plane in place of both gradients, as the authors' test code does",
        )
        model.add_argument(
            "--vote_stride",
            type=whole_number(1, decide.WINDOW),
            default=8,
            metavar="PIXELS",
            help="from one window of 32x32 to the next",
        )
        model.add_argument(
            "--blend",
            type=choice("hard", "soft"),
            default="hard",
            help="hard (votes and distances, as the authors' code) or soft (the mean probability of each pixel)",
        )
        model.add_argument(
            "--edt_without_zeros",
            type=choice(*WITHOUT_ZEROS),
            default="mean",
            help="distance to the nearest black pixel where there is none: mean (that of the other weights), zero, or "
            "corner (what the authors' code gets from SciPy)",
        )
        model.add_argument("--no_retinex", action="store_true", help="leave out the single-scale Retinex at the end")
        model.add_argument(
            "--retinex_sigma",
            type=real_number(1, 10000),
            default=retinex.SIGMA,
            metavar="PIXELS",
            help="of the Retinex's Gaussian",
        )
        if is_train:
            parser.set_defaults(
                dataset_mode="blur_patches", val_dataset_mode="blur_patches",
                lr=2e-4, beta1=0.9, lr_policy="exponential", lr_gamma=0.9, n_epochs=30, n_epochs_decay=0, batch_size=2,
            )  # fmt: skip
            parser.group("training").add_argument(
                "--weight_decay",
                type=real_number(0, 1),
                default=5e-4,
                metavar="X",
                help="of SGD; --beta1 is its momentum",
            )
        return parser

    @staticmethod
    def check_dataset(dataset, opt: argparse.Namespace) -> None:
        """Refuse pairs in training and patches at test.

        Raises:
            UserError: the data set is of the wrong kind.
        """
        patches = dataset.holds_patches
        if opt.is_train and not patches:
            raise UserError(
                f"--model blurcnn learns from single photographs, not from pairs ({dataset.title}): give a folder of "
                "sharp photographs and --dataset_mode blur_patches"
            )
        if patches and not opt.is_train:
            raise UserError(
                "--dataset_mode blur_patches holds patches, and test.py fuses pairs: name pairs with --dataroot, or "
                "score the classifier with scripts/score_blur_patches.py"
            )

    @staticmethod
    def translate_weights(weights: dict[str, torch.Tensor], opt: argparse.Namespace) -> dict[str, dict]:
        """Return a plain state of EResNet as it is: our names are those of the authors' test code."""
        return {"C": {key.removeprefix("module."): value for key, value in weights.items()}}

    def __init__(self, opt: argparse.Namespace):
        super().__init__(opt)
        network = self.register_network("C", networks.build("eresnet"))
        self.settings = pipeline.Settings(
            enhance=not opt.no_enhance,
            work_size=0 if opt.work_size == "native" else int(opt.work_size),
            classifier_infrared=opt.classifier_infrared,
            grey_everywhere=opt.grey_everywhere,
            stride=opt.vote_stride,
            blend=opt.blend,
            without_zeros=opt.edt_without_zeros,
            retinex_sigma=0.0 if opt.no_retinex else opt.retinex_sigma,
        )
        if self.is_train:
            self.register_optimizer("C", make_sgd(network, opt))

    # Training ----------------------------------------------------------------------------------------------------

    def set_input(self, batch: dict) -> None:
        """Take blocks: ``A`` sharp and ``B`` blurred, (N, 3, 32, 32 P) in [0, 1], planes gray, Gx and Gy."""
        super().set_input(batch)
        self.first, self.second = (split_blocks(planes) for planes in (self.A, self.B))

    def optimize_parameters(self) -> None:
        with self.autocast():
            sharp_first, blurred_first = self.net_C.compare(self.first, self.second)
        logits = torch.cat([sharp_first, blurred_first]).float()
        classes = torch.arange(2, device=self.device).repeat_interleave(len(sharp_first))
        loss = torch.nn.functional.cross_entropy(logits, classes)
        self.backward(loss)
        self.step("C")
        self.loss_C = loss.detach()
        self.logits = logits.detach()
        self.value_accuracy = (self.logits.argmax(1) == classes).float().mean()

    def compute_visuals(self) -> None:
        """Show the blocks of each photograph in a row, and how surely the classifier was right (white) of them."""
        self.sharp, self.blurred = self.A[:, :1], self.B[:, :1]
        right = self._trust(*self.logits.chunk(2)).view(len(self.A), 1, 1, -1)
        self.verdict = right.repeat_interleave(BLOCK, 3).expand(-1, -1, BLOCK, -1)

    def validate(self, loader: Iterable[dict]) -> dict[str, float]:
        """Return the share of stacks that are told right: where blocks are not flat, in all, by kernel, flat ones.

        A stack is flat where the sharp block deviates by less than 2 gray levels. Both orders of a block count.

        Returns:
            {"accuracy": ..., "accuracy_all": ..., "accuracy_k9": ..., ..., "accuracy_flat": ...}, each from 0 to 1;
            those of which there is no block are left out. The kernels' are of blocks that are not flat.
        """
        counts: dict[str, list[int]] = {}
        with torch.inference_mode(), self.evaluating():
            for batch in loader:
                self.set_input(batch)
                with self.autocast():
                    sharp_first, blurred_first = self.net_C.compare(self.first, self.second)
                right = (sharp_first.argmax(1) == 0).int() + (blurred_first.argmax(1) == 1).int()
                levels = 255 * self.A[:, 0].unflatten(-1, (-1, BLOCK)).transpose(1, 2).flatten(0, 1)
                flat = levels.std((1, 2), correction=0) < FLAT_BELOW
                per_photo = len(flat) // len(self.A)
                kernels = batch["kernel"].to(flat.device).repeat_interleave(per_photo)
                groups = {"": ~flat, "_all": torch.ones_like(flat)}
                groups |= {f"_k{kernel}": ~flat & (kernels == kernel) for kernel in kernels.unique().tolist()}
                groups["_flat"] = flat
                for name, members in groups.items():
                    found = counts.setdefault(f"accuracy{name}", [0, 0])
                    found[0] += int(right[members].sum())
                    found[1] += 2 * int(members.sum())
        totals: dict[str, list[int]] = {}
        for part in distributed.gather([counts]):
            for name, (right, total) in part.items():
                before = totals.get(name, (0, 0))
                totals[name] = [before[0] + right, before[1] + total]
        by_kernel = sorted((name for name in totals if "_k" in name), key=lambda name: int(name.rpartition("_k")[2]))
        order = ("accuracy", "accuracy_all", *by_kernel, "accuracy_flat")
        return {name: totals[name][0] / totals[name][1] for name in order if name in totals and totals[name][1]}

    # Fusing ------------------------------------------------------------------------------------------------------

    def run_stages(self, a: torch.Tensor, b: torch.Tensor) -> pipeline.Stages:
        """Return all stages of one pair, (1, 1, H, W) in [0, 1] each: a infrared, b visible."""
        levels = (enhance.round_levels(255 * image.float()) for image in (b, a))
        with torch.autocast(self.device.type, enabled=False):
            return pipeline.run_pipeline(*levels, self._compare_windows, self.settings)

    def fuse(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        stages = self._run_each(a, b)
        self.keep_for_maps(a, b, stages)
        return torch.cat([bring_back(stage.fused / 255, a.shape[-2:]) for stage in stages])

    def explain(self, a: torch.Tensor, b: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the enhanced sources, the votes (white: visible), the decision, and the fusion before the Retinex."""
        stages = self.take_kept(a, b) or self._run_each(a, b)
        maps = {
            "infrared": [stage.infrared / 255 for stage in stages],
            "visible": [stage.visible / 255 for stage in stages],
            "votes": [stage.votes for stage in stages],
            "decision": [stage.chosen.float() for stage in stages],
            "before_retinex": [stage.blended / 255 for stage in stages],
        }
        return {name: torch.cat([bring_back(one, a.shape[-2:]) for one in images]) for name, images in maps.items()}

    def _run_each(self, a: torch.Tensor, b: torch.Tensor) -> list[pipeline.Stages]:
        # One by one: every stage is of a whole image, and what a pair becomes may not depend on its neighbours.
        return [self.run_stages(*pair) for pair in zip(a.split(1), b.split(1), strict=True)]

    def _compare_windows(self, first: torch.Tensor, second: torch.Tensor, stride: int) -> torch.Tensor:
        with self.autocast():
            return self.net_C.compare_windows(first, second, stride)

    @staticmethod
    def _trust(sharp_first: torch.Tensor, blurred_first: torch.Tensor) -> torch.Tensor:
        """Return the mean probability of the right classes, in [0, 1]."""
        return (sharp_first.softmax(1)[:, 0] + blurred_first.softmax(1)[:, 1]) / 2


def split_blocks(planes: torch.Tensor) -> torch.Tensor:
    """Cut rows of blocks (N, 3, 32, 32 P) in [0, 1] into (N P, 3, 32, 32), in the classifier's units."""
    blocks = planes.unflatten(3, (-1, BLOCK)).permute(0, 3, 1, 2, 4).flatten(0, 1)
    return decide.normalise(255 * blocks)


def bring_back(image: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Resize a result (N, 1, H, W) to the size (height, width) of its sources."""
    if image.shape[-2:] == size:
        return image
    return torch.nn.functional.interpolate(image, size=size, mode="bilinear", antialias=True)
