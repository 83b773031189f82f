"""The options of ``evaluate.py``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import data
from options import saved_options
from options.base_options import add_asking_options
from options.data_options import add_data_options, check_data_options, find_mode
from options.listing import list_registry
from options.option_parser import OptionParser
from options.scoring_options import add_scoring_options, check_scoring_options
from options.types import check_folder_name, choice
from util.errors import UserError
from util.logger import log


class EvaluateOptions:
    """Says whose pictures are compared, on which sources, by which metrics. No model is involved."""

    description = (
        "Score anybody's fused images against the sources of a data set, and rank the methods.\n\n"
        "  python evaluate.py --dataroot datasets/TNO --fused ours=results/PMF_R2GAN/test_latest other=/some/folder\n\n"
        "Each folder holds a method's pictures, called like their pairs. RESULTS_DIR/NAME/DATASET_PHASE gets the\n"
        "gallery (index.html), leaderboard.html, metrics.csv, metrics.json, table.md, table.tex and images/."
    )

    def parse(self, argv: list[str] | None = None) -> argparse.Namespace:
        """Return the resolved options of ``argv`` (by default the process's own); torch is not loaded.

        Raises:
            UserError: an unknown flag, dataset or metric, or a value out of range.
            SystemExit: after ``--help``, ``--list`` and ``--print_options``, with status 0.
        """
        argv = sys.argv[1:] if argv is None else argv
        parser = OptionParser(
            usage="%(prog)s --dataroot FOLDER --fused NAME=FOLDER [NAME=FOLDER ...] [options]",
            description=self.description,
        )
        self.add_options(parser)
        first, _ = parser.parse_known_args(argv)
        if first.list:
            log("\n".join(list_registry(first.list)))
            raise SystemExit(0)
        mode = first.dataset_mode if first.help else find_mode(first)
        if mode != "auto":
            data.find_dataset(mode).modify_commandline_options(parser, is_train=False)
        if first.help:
            log(parser.format_help().rstrip())
            raise SystemExit(0)
        opt = parser.parse_strictly(argv)
        opt.given = sorted(parser.explicit(argv))
        self.finish(opt)
        if opt.print_options:
            log(saved_options.describe(opt, parser))
            raise SystemExit(0)
        self.parser = parser
        return opt

    def add_options(self, parser: OptionParser) -> None:
        """Declare the options of an evaluation."""
        run = parser.group("run")
        add_asking_options(run)
        run.add_argument(
            "--name", default="evaluation", help="name of the comparison: its files are in RESULTS_DIR/NAME"
        )
        add_data_options(parser, is_train=False)
        fused = parser.group("fused images")
        fused.add_argument(
            "--fused",
            type=named_folder,
            action="extend",
            nargs="+",
            default=[],
            metavar="NAME=FOLDER",
            help="a method's name and the folder of its pictures, for one method or more (required)",
        )
        fused.add_argument(
            "--resize",
            type=choice("off", "sources", "fused"),
            default="off",
            help="where a picture and its sources differ in size: off refuses, sources resizes these to the picture, "
            "fused resizes the picture to these; the tables then say so",
        )
        add_scoring_options(parser)
        # A data set is opened as it is: nothing is cut, resized, flipped or drawn at random.
        parser.set_defaults(preprocess="none", load_size=0, crop_size=0, no_flip=True, flip_vertical=False)
        parser.set_defaults(rotate="none", seed=0, gpu_ids=[])

    def finish(self, opt: argparse.Namespace) -> None:
        """Check what no single option can."""
        check_folder_name("--name", opt.name)
        check_data_options(opt)
        check_scoring_options(opt)
        if not opt.fused:
            raise UserError("no fused images are named: give --fused NAME=FOLDER, for one method or more")
        names = [name for name, _ in opt.fused]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise UserError(f"--fused names {', '.join(twice)} twice; each method needs a name of its own")


def named_folder(text: str) -> tuple[str, Path]:
    """Accept NAME=FOLDER."""
    name, sign, folder = text.partition("=")
    if not (sign and name.strip() and folder):
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME=FOLDER, a method's name and the folder of its pictures")
    # A name in letters of another encoding is shown with question marks; the folder keeps its bytes.
    name = name.strip().encode("utf-8", "replace").decode("utf-8")
    return name, Path(folder).expanduser().absolute()
