"""The options that say which images are read: shared by training, testing and evaluating."""

from __future__ import annotations

import argparse
import contextlib
import math
import os
from pathlib import Path

import data
from options.option_parser import OptionParser
from options.types import choice, whole_number
from util.errors import UserError

CPU_COUNT = os.cpu_count() or 1


def add_data_options(parser: OptionParser, is_train: bool) -> None:
    """Declare where the images are and how they are checked."""
    images = parser.group("data")
    images.add_argument(
        "--dataroot",
        metavar="FOLDER",
        help="folder of the data set; the images are in DATAROOT/PHASE or in it (required)",
    )
    images.add_argument(
        "--dataset_mode",
        type=dataset_name,
        default="auto",
        metavar="NAME",
        help="layout of the data set; auto recognises it (--list datasets)",
    )
    images.add_argument("--phase", default="train" if is_train else "test", help="the part of the data set to read")
    images.add_argument(
        "--dir_A", metavar="FOLDER", help="own folder of the first sources (absolute, or inside DATAROOT)"
    )
    images.add_argument("--dir_B", metavar="FOLDER", help="own folder of the second sources")
    images.add_argument("--dir_GT", metavar="FOLDER", help="own folder of the ground truth, where there is one")
    images.add_argument(
        "--panels",
        type=choice("0", "2", "3"),
        default="0",
        help="images in one strip: 2 for [A|B], 3 for [A|B|GT], 0 to judge by the shape",
    )
    images.add_argument(
        "--max_dataset_size",
        type=whole_number(1, infinite=True),
        default=math.inf,
        metavar="PAIRS",
        help="use the first pairs only",
    )
    images.add_argument(
        "--skip_bad", action="store_true", help="go on without pairs that are broken, and count them at the end"
    )
    images.add_argument(
        "--check",
        type=choice("auto", "full", "quick"),
        default="auto",
        help="before starting, decode every file (full) or read headers and tails (quick); "
        "auto: full up to 2,000 files",
    )


def add_loading_options(parser: OptionParser) -> None:
    """Declare how batches are made of the images."""
    images = parser.group("data")
    images.add_argument(
        "--batch_size",
        "--batchSize",
        type=whole_number(1, 65536),
        default=1,
        metavar="N",
        help="pairs in a batch, per process",
    )
    images.add_argument(
        "--num_threads",
        "--nThreads",
        type=whole_number(0, 256),
        default=min(4, CPU_COUNT),
        metavar="N",
        help="loader processes, per process; 0 loads in the main one",
    )
    images.add_argument("--serial_batches", action="store_true", help="take the pairs in order instead of at random")


def add_shape_options(parser: OptionParser, is_train: bool) -> None:
    """Declare what size the images get and how they are varied."""
    shape = parser.group("augmentation")
    shape.add_argument(
        "--preprocess",
        "--resize_or_crop",
        default="crop" if is_train else "none",
        type=choice("resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "resize", "none"),
        help="resize_and_crop, crop, scale_width, scale_width_and_crop, resize or none",
    )
    shape.add_argument(
        "--load_size",
        "--loadSize",
        type=whole_number(0, 65536),
        default=0,
        metavar="PIXELS",
        help="side (or width) to scale to first, 0 for none; at test, N fuses at N x N (R2GAN's own protocol: 256)",
    )
    shape.add_argument(
        "--crop_size",
        "--fineSize",
        type=whole_number(1, 65536),
        default=256,
        metavar="PIXELS",
        help="side of the square crop",
    )
    shape.add_argument("--no_flip", action="store_true", help="no random left-right flip")
    shape.add_argument("--flip_vertical", action="store_true", help="random upside-down flip as well")
    shape.add_argument(
        "--rotate", type=choice("none", "quarter"), default="none", help="random quarter turns: none or quarter"
    )


def dataset_name(text: str) -> str:
    """Accept ``auto`` or the name of a registered data set, whatever its case."""
    if text.lower() == "auto":
        return "auto"
    data.find_dataset(text)
    return text.lower()


def find_mode(opt: argparse.Namespace) -> str:
    """Return the layout of the data, recognised where it is ``auto``: it may have options of its own."""
    if opt.dataset_mode == "auto" and opt.dataroot is not None and Path(opt.dataroot).is_dir():
        asked = argparse.Namespace(**{**vars(opt), "panels": int(opt.panels)})
        with contextlib.suppress(UserError):  # opening the data set says it again, after all flags are read
            return data.detect_dataset(opt.dataroot, opt.phase, asked)
    return opt.dataset_mode


def check_data_options(opt: argparse.Namespace) -> None:
    """Check the folders and fill in what follows from others.

    Raises:
        UserError: no folder is named, or one is not there.
    """
    opt.panels = int(opt.panels)
    if opt.dataroot is None:
        if not (opt.dir_A and opt.dir_B):
            raise UserError("no images are named: give --dataroot FOLDER, or --dir_A and --dir_B")
    else:
        opt.dataroot = str(Path(opt.dataroot).expanduser().absolute())
        if not Path(opt.dataroot).is_dir():
            raise UserError(f"--dataroot {opt.dataroot}: no such folder")
    if bool(opt.dir_A) != bool(opt.dir_B):
        raise UserError("--dir_A and --dir_B go together: one of them is missing")
