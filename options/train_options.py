"""The options of ``train.py``."""

from __future__ import annotations

import argparse
from pathlib import Path

import metrics
import models
from options import saved_options
from options.base_options import BaseOptions
from options.data_options import dataset_name
from options.option_parser import OptionParser
from options.types import choice, real_number, whole_number
from util.errors import UserError


class TrainOptions(BaseOptions):
    """Adds the schedule, the optimiser, saving, validation and the windows to watch a run through."""

    is_train = True
    description = (
        "Train a fusion method.\n\n"
        "  python train.py --dataroot datasets/PMF --model r2gan --name PMF_R2GAN --batch_size 8\n"
        "  python train.py --continue_train --name PMF_R2GAN        go on where the run was stopped"
    )

    def add_options(self, parser: OptionParser) -> None:
        super().add_options(parser)
        images = parser.group("data")
        images.add_argument(
            "--more_dataroots",
            nargs="+",
            default=[],
            metavar="FOLDER",
            help="further data sets to train on together with --dataroot, their layouts recognised",
        )
        images.add_argument(
            "--samples_per_pair",
            type=whole_number(1, 65536),
            default=1,
            metavar="N",
            help="times that an epoch takes each pair, each time with another random crop",
        )
        training = parser.group("training")
        training.add_argument(
            "--continue_train",
            action="store_true",
            help="go on where the run stopped, with all its options; only what is given here changes",
        )
        training.add_argument(
            "--overwrite",
            action="store_true",
            help="start again in a folder that already holds a run, and delete that run",
        )
        training.add_argument(
            "--n_epochs",
            "--niter",
            type=whole_number(0),
            default=100,
            metavar="EPOCHS",
            help="epochs at the first learning rate",
        )
        training.add_argument(
            "--n_epochs_decay",
            "--niter_decay",
            type=whole_number(0),
            default=100,
            metavar="EPOCHS",
            help="epochs of decay to zero",
        )
        training.add_argument(
            "--epoch_count", type=whole_number(1), default=1, metavar="EPOCH", help="number of the first epoch"
        )
        training.add_argument(
            "--max_steps",
            type=whole_number(1, infinite=True),
            default=float("inf"),
            metavar="UPDATES",
            help="end after this many updates",
        )
        training.add_argument(
            "--lr", type=real_number(0, above=True), default=0.0002, metavar="RATE", help="first learning rate of Adam"
        )
        training.add_argument(
            "--beta1", type=real_number(0, 0.9999), default=0.5, metavar="X", help="first momentum of Adam"
        )
        training.add_argument(
            "--gan_mode",
            type=choice("vanilla", "lsgan", "wgangp"),
            default="vanilla",
            help="adversarial loss: vanilla, lsgan or wgangp",
        )
        training.add_argument(
            "--lr_policy",
            type=choice("linear", "step", "plateau", "cosine", "cosine_wave", "exponential"),
            default="linear",
            help="learning rate: linear (constant, then to zero), step, plateau (of the validation score), cosine "
            "(over all epochs), cosine_wave (down and up again, by updates) or exponential",
        )
        training.add_argument(
            "--lr_decay_iters",
            type=whole_number(1),
            default=50,
            metavar="EPOCHS",
            help="epochs between the drops of --lr_policy step",
        )
        training.add_argument(
            "--lr_gamma",
            type=real_number(0, 1, above=True),
            default=0.75,
            metavar="X",
            help="factor of each epoch's rate with --lr_policy exponential; 0.75 in SeAFusion and A2RNet",
        )
        training.add_argument(
            "--lr_min",
            type=real_number(0),
            default=0.0,
            metavar="RATE",
            help="lowest learning rate of --lr_policy cosine and cosine_wave",
        )
        training.add_argument(
            "--lr_half_wave",
            type=whole_number(1),
            default=1000,
            metavar="UPDATES",
            help="updates from the highest to the lowest rate of --lr_policy cosine_wave",
        )
        training.add_argument(
            "--amp",
            type=choice("off", "bf16", "fp16"),
            default="off",
            help="mixed precision: off, bf16 or fp16 (fp16 needs a GPU)",
        )
        training.add_argument(
            "--compile", action="store_true", help="compile the networks (torch.compile): slow to start, then faster"
        )
        training.add_argument(
            "--channels_last", action="store_true", help="keep images in channels-last memory order"
        )
        training.add_argument(
            "--accumulate", type=whole_number(1, 65536), default=1, metavar="N", help="batches that one update gathers"
        )
        training.add_argument(
            "--clip_grad",
            type=real_number(0),
            default=0.0,
            metavar="NORM",
            help="largest norm of a gradient, 0 for no limit",
        )
        training.add_argument(
            "--ema",
            type=real_number(0, 0.999999),
            default=0.0,
            metavar="DECAY",
            help="keep a moving average of the weights and save it as the network, 0 for none; 0.999 is usual",
        )
        training.add_argument(
            "--save_latest_freq",
            type=whole_number(1),
            default=5000,
            metavar="IMAGES",
            help="images between two saves of the newest state",
        )
        training.add_argument(
            "--save_epoch_freq",
            type=whole_number(1),
            default=5,
            metavar="EPOCHS",
            help="epochs between two kept snapshots",
        )
        training.add_argument(
            "--val_dataroot", metavar="FOLDER", help="data set to validate on (DATAROOT/val, DATAROOT/test or itself)"
        )
        training.add_argument(
            "--val_dataset_mode", type=dataset_name, default="auto", metavar="NAME", help="its layout"
        )
        training.add_argument("--val_phase", default="val", help="its part")
        training.add_argument(
            "--val_freq", type=whole_number(1), default=1, metavar="EPOCHS", help="epochs between two validations"
        )
        training.add_argument(
            "--val_metric",
            default="auto",
            metavar="NAME",
            help="metric that decides which networks are kept as best_net_*.pth; "
            "auto: PSNR_GT with a ground truth, else MI",
        )

        watching = parser.group("watching")
        watching.add_argument(
            "--print_freq",
            type=whole_number(1),
            default=100,
            metavar="IMAGES",
            help="images between two lines of losses",
        )
        watching.add_argument(
            "--display_freq",
            type=whole_number(1),
            default=400,
            metavar="IMAGES",
            help="images between two pictures in Visdom",
        )
        watching.add_argument(
            "--update_html_freq",
            type=whole_number(1),
            default=1000,
            metavar="IMAGES",
            help="images between two pictures in web/index.html",
        )
        watching.add_argument(
            "--display_id", type=int, default=1, metavar="N", help="first window in Visdom; 0 or less: no Visdom"
        )
        watching.add_argument("--display_server", default="http://localhost", metavar="URL", help="Visdom server")
        watching.add_argument(
            "--display_port", type=whole_number(1, 65535), default=8097, metavar="PORT", help="its port"
        )
        watching.add_argument("--display_env", default="main", metavar="NAME", help="Visdom environment")
        watching.add_argument(
            "--display_winsize",
            type=whole_number(32, 8192),
            default=256,
            metavar="PIXELS",
            help="size of a Visdom picture",
        )
        watching.add_argument(
            "--display_ncols",
            type=whole_number(0, 64),
            default=4,
            metavar="N",
            help="pictures in a row, 0: a window for each",
        )
        watching.add_argument("--no_html", action="store_true", help="no page in checkpoints/NAME/web")
        watching.add_argument(
            "--tensorboard",
            action="store_true",
            help="write TensorBoard events to checkpoints/NAME/tensorboard as well",
        )

    def read_stored(self, first: argparse.Namespace, given: set[str]) -> dict:
        if not first.continue_train:
            return {}
        if (Path(first.checkpoints_dir) / first.name / "train_opt.json").is_file() or "dataroot" not in given:
            return saved_options.read(first.checkpoints_dir, first.name)
        return {}  # nothing was started yet: a script that always says --continue_train begins here

    def inherited(self, parser: OptionParser, stored: dict) -> dict:
        known = {action.dest for action in parser._actions}
        return {name: value for name, value in stored.items() if name in known}

    def finish(self, opt: argparse.Namespace, parser: OptionParser) -> None:
        if not models.find_model(opt.model).learns():
            raise UserError(
                f"--model {opt.model} has nothing to learn: fuse with it at once by python test.py --model {opt.model}"
            )
        super().finish(opt, parser)
        if opt.continue_train and opt.overwrite:
            raise UserError("--continue_train and --overwrite contradict each other: give one of them")
        opt.more_dataroots = [str(Path(folder).expanduser().absolute()) for folder in opt.more_dataroots]
        for folder in opt.more_dataroots:
            if not Path(folder).is_dir():
                raise UserError(f"--more_dataroots {folder}: no such folder")
        if opt.lr_min > opt.lr:
            raise UserError(f"--lr_min {opt.lr_min:g} is above the first learning rate, --lr {opt.lr:g}: lower it")
        if opt.val_dataroot is not None:
            opt.val_dataroot = str(Path(opt.val_dataroot).expanduser().absolute())
        if opt.val_metric != "auto":
            metrics.find_metric(opt.val_metric)
        if opt.n_epochs + opt.n_epochs_decay < opt.epoch_count:
            raise UserError(
                f"--n_epochs {opt.n_epochs} and --n_epochs_decay {opt.n_epochs_decay} end before epoch "
                f"{opt.epoch_count}: nothing is left to train"
            )
        for name in sorted(parser.destinations("model")) if opt.stored else ():
            if name in opt.stored and getattr(opt, name) != opt.stored[name]:
                raise UserError(
                    f"{parser.flag_of(name)} {getattr(opt, name)} was given, but {opt.run_dir} was begun with "
                    f"{opt.stored[name]}: leave the flag out to go on, or choose another --name"
                )
        state = Path(opt.run_dir) / "latest_train_state.pth"
        if state.exists() and not (opt.continue_train or opt.overwrite or opt.print_options):
            raise UserError(
                f"{opt.run_dir} already holds a run: go on with --continue_train, choose another --name, "
                "or delete it with --overwrite"
            )
