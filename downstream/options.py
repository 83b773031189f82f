"""The options of ``scripts/evaluate_downstream.py``."""

from __future__ import annotations

import argparse
from pathlib import Path

from downstream.networks import DETECTORS, SEGMENTERS
from downstream.tasks import TASKS
from options.evaluate_options import named_folder
from options.option_parser import OptionParser
from options.types import choice, gpu_list, real_number, whole_number


def class_names(text: str) -> int | str | tuple[str, ...]:
    """Accept a number of classes, names with commas between them, or 'torchvision'."""
    if text == "torchvision":
        return text
    if text.isdecimal():
        return whole_number(2, 255)(text)
    names = tuple(name.strip() for name in text.split(","))
    if not all(names) or len({name.casefold() for name in names}) < len(names):
        raise argparse.ArgumentTypeError(f"'{text}' is no list of names, each once, with commas between them")
    return names


def parse_options(description: str, argv: list[str]) -> argparse.Namespace:
    """Return the options of ``argv``, and in ``given`` the names of those that it gives itself.

    Raises:
        UserError: an unknown flag or a value out of range.
        SystemExit: after ``--help``, with status 0.
    """
    usage = "%(prog)s detection|segmentation --fused NAME=FOLDER [NAME=FOLDER ...] --labels PATH [options]"
    parser = OptionParser(usage=usage, description=description)
    parser.add_argument("task", type=choice(*TASKS), metavar="detection|segmentation", help="what the networks do")
    _add_data_options(parser)
    _add_network_options(parser)
    _add_training_options(parser)
    _add_run_options(parser)
    opt = parser.parse_strictly(argv)
    opt.given = parser.explicit(argv)
    return opt


def _add_data_options(parser: OptionParser) -> None:
    group = parser.group("images and labels")
    group.add_argument(
        "--fused",
        type=named_folder,
        action="extend",
        nargs="+",
        metavar="NAME=FOLDER",
        help="a method's name and the folder of its pictures, for one method or more (required)",
    )
    group.add_argument(
        "--labels",
        type=Path,
        required=True,
        metavar="PATH",
        help="detection: a json file in COCO's format or a folder of VOC's xml files; segmentation: a folder of label "
        "maps, PNG of class indices (255 is ignored)",
    )
    group.add_argument(
        "--list", type=Path, metavar="FILE", help="a text that names the scenes to use, a name a line (default: all)"
    )
    group.add_argument(
        "--skip_bad",
        action="store_true",
        help="go on without the scenes of which a method has no picture, or one that does not fit",
    )


def _add_network_options(parser: OptionParser) -> None:
    group = parser.group("networks")
    group.add_argument(
        "--model",
        type=choice(*DETECTORS, *SEGMENTERS),
        metavar="NAME",
        help=f"detection: {', '.join(DETECTORS)}; segmentation: {', '.join(SEGMENTERS)} (default: what the "
        "weights were trained as, else the first)",
    )
    group.add_argument(
        "--weights",
        type=Path,
        metavar="PATH",
        help="a file of weights for all methods, or a folder with METHOD.pth for each (default: OUT/weights); with "
        "--train a file to begin with, such as a backbone's (default: none)",
    )
    group.add_argument(
        "--classes",
        type=class_names,
        metavar="NAMES",
        help="what the networks know: names with commas between them (of a segmentation with the background first), a "
        "number (segmentation), or 'torchvision' for torchvision's own weights (default: what the weights say, else "
        "the labels)",
    )
    group.add_argument(
        "--min_size",
        type=whole_number(0, 8192),
        default=0,
        metavar="N",
        help="pixels to which a detector brings a picture's shorter side (default: torchvision's, mostly 800)",
    )


def _add_training_options(parser: OptionParser) -> None:
    group = parser.group("training")
    group.add_argument(
        "--train", action="store_true", help="train a network on each method's images; nothing is scored"
    )
    group.add_argument("--epochs", type=whole_number(1), default=300, metavar="N", help="passes over the images")
    group.add_argument("--batch_size", type=whole_number(1, 4096), default=8, metavar="N", help="images at a time")
    group.add_argument("--lr", type=real_number(0, above=True), default=0.01, metavar="X", help="highest learning rate")
    group.add_argument("--no_flip", action="store_true", help="do not mirror every second image")
    group.add_argument(
        "--overwrite", action="store_true", help="train anew where OUT/weights holds networks of other settings"
    )


def _add_run_options(parser: OptionParser) -> None:
    group = parser.group("run")
    group.add_argument("-h", "--help", action="help", help="show this and stop")
    group.add_argument(
        "--out", type=Path, default=Path("results/downstream"), metavar="FOLDER", help="where weights and tables go"
    )
    group.add_argument(
        "--gpu_ids",
        type=gpu_list,
        default="auto",
        metavar="IDS",
        help="auto: the first GPU, else the CPU; -1: the CPU; 0,1: the methods are shared out among these GPUs",
    )
    group.add_argument(
        "--seed",
        type=whole_number(0, 2**31 - 1),
        default=0,
        metavar="N",
        help="decides the first weights and the order of the images, for all methods alike",
    )
    group.add_argument(
        "--num_threads", type=whole_number(0, 256), default=4, metavar="N", help="processes that load images"
    )
    parser.set_defaults(amp="off")
