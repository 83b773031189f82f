"""Make a PMF (Paired Multi-Focus) training set from photographs, with label maps or without.

    python scripts/make_pmf.py --images ../shared/data/segmentation --out datasets/PMF
    python scripts/make_pmf.py --images cityscapes --out datasets/PMF --phase val --limit 200
    python scripts/make_pmf.py --images photos --labels none --out datasets/PMF --per_image 4 --size 320x256
    python scripts/make_pmf.py --images ADEChallengeData2016 --out datasets/PMF_official --legacy

Writes OUT/PHASE/NAME.png, strips [A | B | ground truth], and OUT/contact_sheet_PHASE.jpg to look at. Killed at any
moment, the same command goes on where it stopped. Layouts that are recognised below --images: Cityscapes, Mapillary
Vistas, COCO-stuff, ADE20K, BSDS, and folders called images and labels; any other two folders are paired by stem.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data.synthesis.blur import KERNELS
from data.synthesis.contact_sheet import choose_rows, write_contact_sheet
from data.synthesis.label_maps import SEGMENTERS
from data.synthesis.label_sources import PHASES, Photograph, find_sources
from data.synthesis.pmf import LEGACY_SIZE, MASKS, Settings, make_generator
from data.synthesis.pmf_folder import check_place, claim_folder, plan_targets
from data.synthesis.writer import write_triplets
from options.option_parser import OptionParser
from options.types import choice, real_number, whole_number
from util.errors import UserError
from util.launch import run_script
from util.logger import log, warn

# What the official rule fixes, so that --legacy refuses to have it given.
FIXED_BY_LEGACY = ("size", "resize", "mask", "kernel", "blur_sigma", "per_image")


def picture_size(text: str) -> tuple[int, int] | None:
    """Accept WIDTHxHEIGHT from 16 to 8192, or 'own' (None) for the photographs' own sizes."""
    if text == "own":
        return None
    match = re.fullmatch(r"(\d+)[xX](\d+)", text)
    if not match or not all(16 <= int(side) <= 8192 for side in match.groups()):
        raise argparse.ArgumentTypeError(
            f"'{text}' is not a size: give WIDTHxHEIGHT such as 256x256, each from 16 to 8192, "
            "or 'own' for the photographs' own sizes"
        )
    return int(match[1]), int(match[2])


def file_prefix(text: str) -> str:
    """Accept what can begin a file name."""
    if not re.fullmatch(r"(?:\w[\w.-]*)?", text):
        raise argparse.ArgumentTypeError(f"'{text}' cannot begin a file name: letters, digits, '_', '-' and '.' can")
    return text


def build_parser() -> OptionParser:
    """Declare the options."""
    parser = OptionParser(description=__doc__, prog="make_pmf.py")
    group = parser.group("what goes in and out")
    group.add_argument("-h", "--help", action="help", help="show this and stop")
    group.add_argument("--images", type=Path, required=True, help="folder of photographs, or the root of a dataset")
    group.add_argument(
        "--labels",
        help="folder of label maps, or 'none' to find regions in the photographs themselves "
        "(default: what the layout below --images has)",
    )
    group.add_argument(
        "--out", type=Path, default=Path("datasets/PMF"), help="folder of the set to make or to go on with"
    )
    group.add_argument(
        "--phase", type=choice(*PHASES), default="train", help="train|val|test: part of the set, and split to take"
    )
    group.add_argument(
        "--layout",
        type=choice("strips", "triplets"),
        default="strips",
        help="strips|triplets: one file [A | B | GT], or a file in each of the folders A, B, GT",
    )
    group.add_argument(
        "--prefix", type=file_prefix, default="", help="begins the new names, to bring several sources into one set"
    )
    group.add_argument("--limit", type=whole_number(1), help="photographs to use, an even sample (default: all)")
    group.add_argument("--per_image", type=whole_number(1, 10000), help="pairs per photograph (default: 1)")
    group.add_argument(
        "--overwrite", action="store_true", help="remove what was made with other settings and begin anew"
    )
    group.add_argument(
        "--skip_bad", action="store_true", help="go on without files that have no partner or cannot be decoded"
    )

    group = parser.group("how the pairs look")
    group.add_argument(
        "--legacy",
        action="store_true",
        help="the official rule: 256x256, label colours resized bilinearly, the first half of them blurred "
        "by a Gaussian of 35x35 pixels behind a hard mask",
    )
    group.add_argument("--size", type=picture_size, help="WIDTHxHEIGHT in pixels, or 'own' (default: 256x256)")
    group.add_argument(
        "--resize",
        type=choice("crop", "squash"),
        help="crop|squash: a random part of the photograph in the new shape, or all of it (default: crop)",
    )
    group.add_argument(
        "--mask",
        type=choice("mix", *MASKS),
        help="hard|feather|spread, or mix: hard edges, soft ones, blur of "
        "near things that spreads over the border as a lens makes it, or a mixture (default: mix)",
    )
    group.add_argument("--kernel", type=choice("mix", *KERNELS), help="gaussian|disk, or mix (default: mix)")
    group.add_argument(
        "--blur_sigma",
        type=real_number(0.3, 100),
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="range of the blur's standard deviation in output pixels; a disk has twice that as radius (default: 2 6)",
    )
    group.add_argument(
        "--segmenter",
        type=choice(*SEGMENTERS),
        default="felzenszwalb",
        help="felzenszwalb|slic: how regions are found without label maps",
    )

    group = parser.group("run")
    group.add_argument("--seed", type=whole_number(0), default=0, help="with a photograph's name it decides its pairs")
    group.add_argument("--jobs", type=whole_number(1, 1024), default=len(os.sched_getaffinity(0)), help="processes")
    return parser


def resolve_settings(opt: argparse.Namespace) -> Settings:
    """Turn the options into settings; refuse what contradicts ``--legacy``."""
    given = {name: getattr(opt, name) for name in FIXED_BY_LEGACY if getattr(opt, name) is not None}
    if opt.legacy and given:
        raise UserError(
            f"--legacy is the official rule, which fixes what --{next(iter(given))} sets; leave out one of the two"
        )
    if opt.legacy:
        return Settings(
            legacy=True,
            size=LEGACY_SIZE,
            resize="squash",
            mask="hard",
            kernel="gaussian",
            blur_sigma=(5.6, 5.6),
            segmenter=opt.segmenter,
        )
    given.pop("per_image", None)
    if opt.blur_sigma and opt.blur_sigma[0] > opt.blur_sigma[1]:
        raise UserError(
            f"--blur_sigma {opt.blur_sigma[0]:g} {opt.blur_sigma[1]:g}: the first number is the smaller one"
        )
    if opt.blur_sigma:
        given["blur_sigma"] = tuple(opt.blur_sigma)
    # --size own is None, which a default of None cannot be told from: the parser's own record tells.
    if "size" in opt.given:
        given["size"] = opt.size
    return Settings(segmenter=opt.segmenter, seed=opt.seed, **given)


def take_sample(photographs: list[Photograph], limit: int | None, seed: int) -> list[Photograph]:
    """Take ``limit`` photographs by drawing lots with their names, so that a larger limit only adds some."""
    if limit is None or limit >= len(photographs):
        return photographs
    lots = {
        photograph: make_generator(Settings(seed=seed), photograph.name, 2**31).random() for photograph in photographs
    }
    chosen = set(sorted(photographs, key=lots.get)[:limit])
    return [photograph for photograph in photographs if photograph in chosen]


def main() -> None:
    """Find the photographs, make the pairs, draw the contact sheet, and say what was done."""
    parser = build_parser()
    opt = parser.parse_strictly(sys.argv[1:])
    opt.given = parser.explicit(sys.argv[1:])
    settings = resolve_settings(opt)
    check_place(opt.out, opt.phase)
    sources = find_sources(opt.images, opt.labels, opt.phase, skip_bad=opt.skip_bad)
    photographs = take_sample(sources.photographs, opt.limit, opt.seed)
    log(
        f"{sources.layout}: {len(photographs)} of {len(sources.photographs)} photographs in {sources.images}, "
        + (f"label maps in {sources.labels}" if sources.labels else f"regions found by {opt.segmenter}")
    )

    per_image = opt.per_image or 1
    record = {
        **dataclasses.asdict(settings),
        "per_image": per_image,
        "layout": opt.layout,
        "images": str(sources.images.resolve()),
        "labels": str(sources.labels.resolve()) if sources.labels else None,
    }
    claim_folder(opt.out, opt.phase, opt.prefix, record, overwrite=opt.overwrite)
    targets = plan_targets(photographs, per_image, opt.out / opt.phase, layout=opt.layout, prefix=opt.prefix)
    report = write_triplets(targets, settings, jobs=opt.jobs, skip_bad=opt.skip_bad, title=f"{opt.phase} pairs")

    speed = f", {report.written / report.seconds:.1f} pairs/s" if report.written else ""
    log(f"{opt.out / opt.phase}: {report.written} new pairs, {report.kept} that were there{speed}")
    for reason, count in report.dropped.items():
        warn(f"{count} pairs were not made: {reason}")
    bad = sources.skipped + report.bad
    if bad:
        warn(f"--skip_bad left out {len(bad)} bad files, the first: {bad[0]}")
    rows = choose_rows(targets, settings)
    if not rows:
        raise UserError(f"not one pair could be made from {sources.images}; see the reasons above")
    log(f"to look at: {write_contact_sheet(opt.out / f'contact_sheet_{opt.phase}.jpg', rows)}")


if __name__ == "__main__":
    run_script(main)
