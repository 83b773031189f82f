"""Run one stage of the blur-classifier pipeline on files: enhance, classify, blend or retinex.

    python scripts/blur_stage.py enhance --visible TNO/vis --infrared TNO/ir --out stages
    python scripts/blur_stage.py classify --visible stages/visible --infrared TNO/ir --name blurcnn --out stages
    python scripts/blur_stage.py blend --visible stages/visible --infrared stages/infrared --votes stages/votes \\
        --out stages
    python scripts/blur_stage.py retinex --images stages/blended --out stages

Each of --visible, --infrared, --votes and --images is an image or a folder of them; partners have one name, or names
that differ in a prefix or a suffix such as IR3 and VIS3. A stage writes PNG files to folders of OUT: enhance to visible
and infrared (either may be left out), classify to votes (white: visible is sharper in all windows on a pixel) and
decision, blend to blended, retinex to fused. Images keep their size.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data.layouts import INFRARED_VISIBLE, Sides, pair_folders
from data.pairing import list_images
from data.synthesis.blur_patches import read_gray
from models.sharpness import blend, enhance, pipeline, retinex
from options.option_parser import OptionParser
from options.types import choice, real_number, whole_number
from util.errors import UserError, some
from util.files import REPOSITORY
from util.image_io import write_image
from util.launch import run_script
from util.lazy import torch
from util.logger import log

WORDS = (*INFRARED_VISIBLE.a, *INFRARED_VISIBLE.b, "a", "b")  # of either source, in file names
# What a stage reads; the first of them names its results.
SOURCES = {
    "enhance": ("visible", "infrared"),
    "classify": ("visible", "infrared"),
    "blend": ("visible", "infrared", "votes"),
    "retinex": ("images",),
}


def build_parser() -> OptionParser:
    """Declare the options."""
    parser = OptionParser(description=__doc__, prog="blur_stage.py")
    parser.add_argument("stage", type=choice(*SOURCES), metavar="STAGE", help=", ".join(SOURCES))
    group = parser.group("what goes in and out")
    group.add_argument("-h", "--help", action="help", help="show this and stop")
    for name in ("visible", "infrared", "votes", "images"):
        stages = ", ".join(stage for stage, sources in SOURCES.items() if name in sources)
        group.add_argument(f"--{name}", type=Path, metavar="PATH", help=f"image or folder, for {stages}")
    group.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the results' folders go")
    group = parser.group("classify")
    group.add_argument("--name", default="blurcnn", help="trained run, in CHECKPOINTS_DIR/NAME")
    group.add_argument("--checkpoints_dir", default=str(REPOSITORY / "checkpoints"), metavar="FOLDER", help="its place")
    group.add_argument("--epoch", default="latest", help="its snapshot: latest, best, or an epoch's number")
    group.add_argument("--vote_stride", type=whole_number(1, 32), default=8, metavar="PIXELS", help="between windows")
    group.add_argument("--grey_everywhere", action="store_true", help="the gray plane in place of both gradients")
    group = parser.group("classify and blend")
    group.add_argument(
        "--blend", type=choice("hard", "soft"), default="hard", help="votes and distances, or the mean probability"
    )
    group = parser.group("blend")
    group.add_argument(
        "--edt_without_zeros", type=choice(*blend.WITHOUT_ZEROS), default="mean", help="distance to no black pixel"
    )
    group = parser.group("retinex")
    group.add_argument(
        "--retinex_sigma", type=real_number(1, 10000), default=retinex.SIGMA, metavar="PIXELS", help="of its Gaussian"
    )
    return parser


def main() -> None:
    opt = build_parser().parse_strictly(sys.argv[1:])
    files = find_files(opt)
    stages = {"enhance": enhance_pair, "blend": blend_pair, "retinex": lift}
    work = make_classifier(opt) if opt.stage == "classify" else stages[opt.stage]
    written: dict[str, int] = {}
    for paths in files:
        images = [None if path is None else read_levels(path) for path in paths]
        check_sizes(paths, images)
        stem = next(path for path in paths if path is not None).stem
        for name, image in work(opt, *images).items():
            write_image(opt.out / name / f"{stem}.png", image / 255)
            written[name] = written.get(name, 0) + 1
    log(", ".join(f"{opt.out / name}: {count} image{'s' if count > 1 else ''}" for name, count in written.items()))


# Stages: images in gray levels (1, 1, H, W) to {folder: image} -------------------------------------------------------


def enhance_pair(_, visible, infrared) -> dict[str, torch.Tensor]:
    found = {} if visible is None else {"visible": enhance.enhance_visible(visible)}
    return found if infrared is None else {**found, "infrared": enhance.enhance_infrared(infrared)}


def make_classifier(opt: argparse.Namespace):
    """Return a function that compares two images, with the weights of the run.

    Raises:
        UserError: they are not there or not those of an EResNet.
    """
    from models import networks
    from util import checkpoint

    path = Path(opt.checkpoints_dir) / opt.name / f"{opt.epoch}_net_C.pth"
    network = networks.build("eresnet")
    try:
        network.load_state_dict(checkpoint.load(path))
    except RuntimeError as error:
        raise UserError(f"{path} does not hold an EResNet: {str(error).splitlines()[-1].strip()}") from None
    network.eval().requires_grad_(False)
    settings = pipeline.Settings(stride=opt.vote_stride, grey_everywhere=opt.grey_everywhere, blend=opt.blend)

    def classify(_, visible, infrared) -> dict[str, torch.Tensor]:
        logits = pipeline.classify(visible, infrared, network.compare_windows, settings)
        votes, chosen = pipeline.vote(logits, visible.shape[-2:], settings)
        return {"votes": 255 * votes, "decision": 255 * chosen.float()}

    return classify


def blend_pair(opt: argparse.Namespace, visible, infrared, votes) -> dict[str, torch.Tensor]:
    if opt.blend == "soft":
        return {"blended": blend.blend_soft(visible, infrared, votes / 255).floor()}
    return {"blended": blend.blend_hard(visible, infrared, votes >= 127.5, opt.edt_without_zeros).floor()}


def lift(opt: argparse.Namespace, image) -> dict[str, torch.Tensor]:
    return {"fused": retinex.apply_retinex(image, opt.retinex_sigma)}


# Files ----------------------------------------------------------------------------------------------------------------


def find_files(opt: argparse.Namespace) -> list[tuple[Path | None, ...]]:
    """Return, for each result, the files that the stage reads for it.

    Raises:
        UserError: a source is not named, not there or empty, or an image has no partner.
    """
    given = [getattr(opt, name) for name in SOURCES[opt.stage]]
    if opt.stage == "enhance" and any(given):
        needed = [path for path in given if path is not None]
    else:
        missing = [name for name, path in zip(SOURCES[opt.stage], given, strict=True) if path is None]
        if missing:
            raise UserError(f"{opt.stage} needs --{' and --'.join(missing)}: an image, or a folder of images")
        needed = given
    for path in needed:
        if not path.exists():
            raise UserError(f"{path}: no such file or folder")
    if len({path.is_dir() for path in needed}) > 1:
        raise UserError(f"{some(needed)}: give images, or give folders, not one of each")
    if not needed[0].is_dir():
        return [tuple(given)]
    rows = match_folders(needed)
    return [tuple(None if path is None else next(row) for path in given) for row in map(iter, rows)]


def match_folders(folders: list[Path]) -> list[tuple[Path, ...]]:
    """Return the images of the first folder, each with its partners in the others."""
    first = list_images(folders[0])
    if not first:
        raise UserError(f"{folders[0]} holds no images")
    columns = [first]
    for folder in folders[1:]:
        found = pair_folders(folders[0], folder, None, Sides("any", WORDS, WORDS))
        if found.problems:
            raise UserError(f"{found.problems[0].item}: {found.problems[0].reason}")
        partners = {pair.a: pair.b for pair in found.pairs}
        columns.append([partners[path] for path in first])
    return list(zip(*columns, strict=True))


def read_levels(path: Path) -> torch.Tensor:
    """Read an image as luminance in gray levels, float32 (1, 1, H, W)."""
    return torch.from_numpy(read_gray(path)).float()[None, None]


def check_sizes(paths, images) -> None:
    """Refuse images of several sizes."""
    sizes = {str(path): image.shape[-2:] for path, image in zip(paths, images, strict=True) if image is not None}
    if len(set(sizes.values())) > 1:
        found = some("{} has {}x{}".format(path, *reversed(size)) for path, size in sizes.items())
        raise UserError(f"images of one scene must have one size: {found} pixels")


if __name__ == "__main__":
    run_script(main)
