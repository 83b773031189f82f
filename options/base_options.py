"""The options that training and testing share, and how a command line becomes ``opt``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import data
import models
from options import saved_options
from options.data_options import add_data_options, add_loading_options, add_shape_options, check_data_options, find_mode
from options.listing import KINDS, list_registry
from options.option_parser import OptionParser
from options.types import check_folder_name, choice, gpu_list, real_number, whole_number
from util.errors import UserError
from util.files import REPOSITORY
from util.logger import log


def add_asking_options(group) -> None:
    """Declare the flags that show something and stop."""
    group.add_argument("-h", "--help", action="store_true", help="show every option and stop")
    group.add_argument(
        "--list", type=choice(*KINDS), metavar="KIND", help=f"list what there is and stop: {', '.join(KINDS)}"
    )
    group.add_argument("--print_options", action="store_true", help="show the resolved options and stop")


class BaseOptions:
    """Gathers options in layers: base, model, dataset, then what the run stored, then what the command line says.

    ``parse`` loads neither torch nor any network, so ``--help`` and every refusal answer at once.
    """

    is_train = False
    description = ""
    usage = "--dataroot FOLDER --name NAME"

    def parse(self, argv: list[str] | None = None) -> argparse.Namespace:
        """Return the resolved options of ``argv`` (by default the process's own).

        Raises:
            UserError: an unknown flag, model or dataset, a value out of range, or a run that is not there.
            SystemExit: after ``--help``, ``--list`` and ``--print_options``, with status 0.
        """
        argv = sys.argv[1:] if argv is None else argv
        parser = OptionParser(usage=f"%(prog)s {self.usage} [options]", description=self.description)
        self.add_options(parser)
        first, _ = parser.parse_known_args(argv)
        given = parser.explicit(argv)
        if first.list:
            log("\n".join(list_registry(first.list)))
            raise SystemExit(0)

        stored = {} if first.help else self.read_stored(first, given)
        model = models.find_model(first.model if "model" in given else stored.get("model", first.model))
        model.modify_commandline_options(parser, self.is_train)
        first, _ = parser.parse_known_args(argv)  # a method may have a data set of its own
        mode = self.find_mode(parser, first, given, stored)
        if mode != "auto":
            data.find_dataset(mode).modify_commandline_options(parser, self.is_train)
        if first.help:
            log(parser.format_help().rstrip())
            raise SystemExit(0)

        parser.set_defaults(**self.inherited(parser, stored))
        opt = parser.parse_strictly(argv)
        opt.is_train = self.is_train
        opt.given = sorted(parser.explicit(argv))
        # What the run was trained with, for telling a user which flag makes its weights unfit.
        opt.stored = {name: value for name, value in stored.items() if name in parser.destinations("model")}
        self.finish(opt, parser)
        if opt.print_options:
            log(saved_options.describe(opt, parser))
            raise SystemExit(0)
        self.parser = parser
        return opt

    def find_mode(self, parser: OptionParser, first: argparse.Namespace, given: set[str], stored: dict) -> str:
        """Return the layout of the data, recognised where it is ``auto``: it may have options of its own."""
        stored = self.inherited(parser, stored)
        asked = {name: value if name in given else stored.get(name, value) for name, value in vars(first).items()}
        return asked["dataset_mode"] if first.help else find_mode(argparse.Namespace(**asked))

    def read_stored(self, first: argparse.Namespace, given: set[str]) -> dict:
        """Return the options that the run stored when it was trained; {} where none are to be used."""
        return {}

    def inherited(self, parser: OptionParser, stored: dict) -> dict:
        """Return those stored options that become this command's defaults: the ones that describe the networks."""
        names = parser.destinations("model")
        return {name: value for name, value in stored.items() if name in names}

    def add_options(self, parser: OptionParser) -> None:
        """Declare the options of every command."""
        self.add_run_options(parser)
        add_data_options(parser, self.is_train)
        add_loading_options(parser)
        add_shape_options(parser, self.is_train)
        self.add_model_options(parser)

    @staticmethod
    def add_run_options(parser: OptionParser) -> None:
        """Declare where a run is kept and how it is computed."""
        run = parser.group("run")
        add_asking_options(run)
        run.add_argument(
            "--name", default="experiment_name", help="name of the run: its files are in CHECKPOINTS_DIR/NAME"
        )
        run.add_argument("--suffix", default="", help="appended to the name, with options filled in: {model}_{netG}")
        run.add_argument(
            "--checkpoints_dir", default=str(REPOSITORY / "checkpoints"), metavar="FOLDER", help="where runs are kept"
        )
        run.add_argument(
            "--gpu_ids",
            type=gpu_list,
            default="auto",
            metavar="IDS",
            help="auto: the first GPU, else the CPU; -1: the CPU; 0,1: one process on each of these GPUs",
        )
        run.add_argument(
            "--seed",
            type=whole_number(0, 2**31 - 1),
            default=0,
            metavar="N",
            help="two runs with one seed on one machine are equal",
        )
        run.add_argument("--verbose", action="store_true", help="print the networks")

    @staticmethod
    def add_model_options(parser: OptionParser) -> None:
        """Declare what describes the networks; the method adds its own."""
        model = parser.group("model")
        model.add_argument("--model", type=str.lower, default="r2gan", metavar="NAME", help="method (--list models)")
        model.add_argument(
            "--netG",
            "--which_model_netG",
            type=str.lower,
            default="r2gan_generator",
            metavar="NAME",
            help="generator (--list networks)",
        )
        model.add_argument(
            "--netD",
            "--which_model_netD",
            type=str.lower,
            default="pixel",
            metavar="NAME",
            help="discriminator: pixel, basic or n_layers",
        )
        model.add_argument(
            "--ngf", type=whole_number(1, 1024), default=64, metavar="N", help="channels of the generator's first layer"
        )
        model.add_argument(
            "--ndf",
            type=whole_number(1, 1024),
            default=64,
            metavar="N",
            help="channels of the discriminator's first layer",
        )
        model.add_argument(
            "--n_layers_D", type=whole_number(1, 8), default=3, metavar="N", help="layers of --netD n_layers"
        )
        model.add_argument(
            "--norm",
            type=choice("batch", "instance", "none"),
            default="batch",
            help="normalisation: batch, instance or none",
        )
        model.add_argument(
            "--init_type",
            type=choice("normal", "xavier", "kaiming", "orthogonal"),
            default="normal",
            help="how weights begin",
        )
        model.add_argument(
            "--init_gain", type=real_number(0, above=True), default=0.02, metavar="X", help="scale of the first weights"
        )
        model.add_argument("--no_dropout", action="store_true", help="no dropout in the generator")
        model.add_argument(
            "--color",
            type=choice("rgb", "luma"),
            default="rgb",
            help="rgb: the network fuses the three channels as they are, as R2GAN's authors do (two gray sources give "
            "a gray image); luma: it fuses the luminance, and the chroma of the sources is merged and put back",
        )

    @staticmethod
    def find_run(opt: argparse.Namespace) -> None:
        """Check the run's name and set ``opt.run_dir``, its folder."""
        check_folder_name("--name", opt.name)
        opt.checkpoints_dir = str(Path(opt.checkpoints_dir).expanduser().absolute())
        opt.run_dir = str(Path(opt.checkpoints_dir) / opt.name)

    def finish(self, opt: argparse.Namespace, parser: OptionParser) -> None:
        """Check what no single option can, and fill in what follows from others."""
        if opt.suffix:
            try:
                opt.name = f"{opt.name}_{opt.suffix.format(**vars(opt))}"
            except (KeyError, IndexError, ValueError) as error:
                raise UserError(f"--suffix '{opt.suffix}' has a field that is no option: {error}") from None
        self.find_run(opt)
        check_data_options(opt)
        if (
            opt.preprocess in ("resize", "resize_and_crop", "scale_width", "scale_width_and_crop")
            and opt.load_size == 0
        ):
            opt.load_size = opt.crop_size
        if "crop" in opt.preprocess and 0 < opt.load_size < opt.crop_size:
            raise UserError(
                f"--load_size {opt.load_size} is smaller than --crop_size {opt.crop_size}: a crop cannot be "
                "larger than its image"
            )
        models.find_model(opt.model).check_options(opt)
