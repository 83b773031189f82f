"""Write a fixed set of patches for the blur classifier: blocks of photographs, sharp above blurred, without any loss.

    python scripts/make_blur_patches.py --images coco/val2017 --out datasets/BlurPatches --limit 300
    python scripts/make_blur_patches.py --images photographs --out datasets/BlurPatches --hold_out 0.2

Writes OUT/PHASE/NAME_kNN.png, of one photograph and one kernel of NN pixels: blocks of 32x32 side by side, the sharp
ones in the upper half, the channels being gray, Gx and Gy. train.py takes the folder by --val_dataroot (and to train on
by --dataroot, though blocks made on the fly never repeat). With the --hold_out of the training, --phase val holds the
photographs that the training leaves out, and --phase train the others. The same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from data.blur_patches_dataset import RECORD, find_folder, hold_out, name_prepared
from data.check import measure_files
from data.pairing import list_images
from data.synthesis.blur_patches import BLOCK, KERNELS, cut_blocks, lay_out, list_places, make_planes, read_gray
from options.option_parser import OptionParser
from options.types import choice, real_number, whole_number
from util.errors import UserError, some
from util.files import atomic_write
from util.image_io import write_image
from util.jobs import count_cores, map_jobs
from util.launch import run_script
from util.logger import log, warn


def build_parser() -> OptionParser:
    """Declare the options."""
    parser = OptionParser(description=__doc__, prog="make_blur_patches.py")
    group = parser.group("what goes in and out")
    group.add_argument("-h", "--help", action="help", help="show this and stop")
    group.add_argument(
        "--images", type=Path, required=True, metavar="FOLDER", help="sharp photographs, in it or images"
    )
    group.add_argument("--out", type=Path, default=Path("datasets/BlurPatches"), metavar="FOLDER", help="set to make")
    group.add_argument(
        "--phase", type=choice("val", "train"), default="val", help="part of the set to make: val, train"
    )
    group.add_argument(
        "--hold_out", type=real_number(0, 0.9), default=0.0, metavar="SHARE",
        help="share of the photographs that is for val, by their names; 0: all for either part",
    )  # fmt: skip
    group.add_argument("--limit", type=whole_number(1), metavar="N", help="photographs to use, the first ones (all)")
    group.add_argument("--skip_bad", action="store_true", help="go on without photographs that cannot be used")
    group.add_argument("--overwrite", action="store_true", help="remove patches that were made with other settings")
    group = parser.group("which patches")
    group.add_argument(
        "--kernels",
        type=whole_number(3, 63),
        nargs="+",
        default=list(KERNELS),
        metavar="PIXELS",
        help="of the blur, odd",
    )
    group.add_argument(
        "--one_kernel",
        action="store_true",
        help="one kernel for each photograph, by lots, as published; else every one",
    )
    group.add_argument(
        "--per_photo", type=whole_number(1), metavar="N", help="blocks of each photograph, by lots (all)"
    )
    group.add_argument(
        "--min_std", type=real_number(0, 128), default=0.0, metavar="LEVELS", help="leave out blocks that deviate less"
    )
    group.add_argument("--seed", type=whole_number(0), default=0, metavar="N", help="decides all lots but --hold_out's")
    group = parser.group("run")
    group.add_argument("--jobs", type=whole_number(1, 1024), default=count_cores(), metavar="N", help="processes")
    return parser


def main() -> None:
    opt = build_parser().parse_strictly(sys.argv[1:])
    even = [kernel for kernel in opt.kernels if kernel % 2 == 0]
    if even:
        raise UserError(f"--kernels {even[0]}: a kernel has a middle, so its side is odd, such as 9 11 13 15")
    if not opt.images.is_dir():
        raise UserError(f"--images {opt.images}: no such folder")
    files = hold_out(list_photographs(opt), opt.hold_out, wanted=opt.phase == "val" or not opt.hold_out)
    files = check_photographs(files[: opt.limit], opt)
    folder = opt.out / opt.phase
    claim_folder(folder, opt)
    with closing(map_jobs(write_patches, (folder, opt), list(enumerate(files)), opt.jobs)) as done:
        counts = [sum(column) for column in zip(*done, strict=True)]
    log(f"{folder}: {counts[0]} new files and {counts[1]} that were there, of {len(files)} photographs")


def list_photographs(opt: argparse.Namespace) -> list[Path]:
    """Return the photographs below ``--images``."""
    return list_images(find_folder(opt.images, opt.phase))


def check_photographs(files: list[Path], opt: argparse.Namespace) -> list[Path]:
    """Return the photographs that can be used.

    Raises:
        UserError: some are broken or smaller than a block and ``--skip_bad`` was not given, or none is left.
    """
    findings = measure_files(files, "auto")
    bad = [
        found if isinstance(found, str) else "{} has {}x{} pixels, a block 32x32".format(path, *found)
        for path, found in findings.items()
        if isinstance(found, str) or min(found) < BLOCK
    ]
    if bad and not opt.skip_bad:
        raise UserError(f"{some(bad, 3)}; mend this, or go on without them with --skip_bad")
    if bad:
        warn(f"--skip_bad left out {len(bad)} photographs, the first: {bad[0]}")
    good = [path for path, found in findings.items() if not isinstance(found, str) and min(found) >= BLOCK]
    if not good:
        raise UserError(f"no photograph of {opt.images} is left (--hold_out {opt.hold_out:g}, --phase {opt.phase})")
    return good


def claim_folder(folder: Path, opt: argparse.Namespace) -> None:
    """Note the settings in the folder; refuse one whose files were made with others.

    Raises:
        UserError: without ``--overwrite``.
    """
    names = ("hold_out", "limit", "kernels", "one_kernel", "per_photo", "min_std", "seed")
    record = {"images": str(opt.images.resolve()), **{name: getattr(opt, name) for name in names}}
    path = folder / RECORD
    if path.is_file() and json.loads(path.read_text("utf-8")) != record:
        if not opt.overwrite:
            raise UserError(f"{folder} holds patches made with other settings: name another --out, or give --overwrite")
        for old in folder.glob("*_k[0-9][0-9].png"):
            old.unlink()
    elif not path.is_file() and folder.is_dir() and any(folder.iterdir()):
        raise UserError(f"{folder} holds files that are no patches of this script: name another --out")
    atomic_write(path, json.dumps(record, indent=1) + "\n")


def write_patches(common: tuple[Path, argparse.Namespace], item: tuple[int, Path]) -> tuple[int, int]:
    """Write the files of one photograph; returns how many are new and how many were there: for ``map_jobs``."""
    (folder, opt), (index, path) = common, item
    rng = np.random.default_rng((opt.seed, index))
    kernels = [int(rng.choice(opt.kernels))] if opt.one_kernel else opt.kernels
    gray = read_gray(path)
    places = choose_places(gray, opt, rng)
    written = 0
    for kernel in kernels if len(places[0]) else ():
        target = folder / f"{name_prepared(path, kernel)}.png"
        if not target.is_file():
            rows = [lay_out(cut_blocks(planes, *places)) for planes in make_planes(gray, kernel)]
            write_image(target, np.concatenate(rows, axis=1).transpose(1, 2, 0))
            written += 1
    return written, len(kernels) - written


def choose_places(gray: np.ndarray, opt: argparse.Namespace, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the upper left corners of the blocks to take, in order."""
    rows, columns = list_places(*gray.shape)
    kept = np.flatnonzero(cut_blocks(gray[None], rows, columns).std((1, 2, 3)) >= opt.min_std)
    if opt.per_photo is not None and opt.per_photo < len(kept):
        kept = np.sort(rng.choice(kept, opt.per_photo, replace=False))
    return rows[kept], columns[kept]


if __name__ == "__main__":
    run_script(main)
