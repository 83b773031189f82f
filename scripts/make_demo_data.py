"""Make the demo's data from the photographs that scikit-image carries in its wheel; nothing is downloaded.

    python scripts/make_demo_data.py
    python scripts/make_demo_data.py --out /tmp/demo --jobs 4

Writes strips [A | B | ground truth]: OUT/train (128x128, crops of the training photographs) and OUT/test (whole
photographs that training never sees, among them a stereo scene defocused by its measured depth), and contact sheets of
both. The same command gives the same files, and goes on where it was killed.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data.synthesis.contact_sheet import choose_rows, write_contact_sheet
from data.synthesis.label_sources import Photograph
from data.synthesis.pmf import Settings, round_pixels
from data.synthesis.pmf_folder import Target, check_place, claim_folder, is_whole_png, plan_targets
from data.synthesis.stereo import render_focus_pair
from data.synthesis.writer import Report, encode_strip, load_photo, write_triplets
from options.option_parser import OptionParser
from options.types import whole_number
from util.errors import UserError
from util.files import atomic_write
from util.launch import run_script
from util.logger import log, warn

# Photographs with colour and detail, and how many pairs each gives. No photograph is on both sides. Training has a
# portrait with cloth, skin and metal, a still life and a tissue section; test has a cat, a night scene and the
# motorcycle. (The wheel's star field has no outlines to put masks along, its retina hardly any detail.)
TRAIN_PHOTOGRAPHS = {"astronaut.png": 220, "coffee.png": 180, "ihc.png": 80}
TEST_PHOTOGRAPHS = {"chelsea.png": 2, "rocket.jpg": 1}
STEREO_IMAGE, STEREO_DISPARITY, STEREO_NAME = "motorcycle_left.png", "motorcycle_disp.npz", "motorcycle"

TRAIN_SETTINGS = Settings(size=(128, 128), blur_sigma=(2.0, 8.0))
# Whole photographs in their own size, blurred as a lens does, and strongly: a network that has learned for minutes
# rebuilds an image well enough to beat sources that lack much, not sources that lack little.
TEST_SETTINGS = Settings(size=None, resize="squash", mask="spread", kernel="disk", blur_sigma=(6.0, 9.0))
STEREO_RADIUS = 16.0  # pixels, the largest circle of confusion


def find_photographs() -> Path:
    """Return scikit-image's folder of photographs.

    Raises:
        UserError: this build of scikit-image carries fewer of them.
    """
    import skimage

    folder = Path(skimage.__file__).parent / "data"
    wanted = [*TRAIN_PHOTOGRAPHS, *TEST_PHOTOGRAPHS, STEREO_IMAGE, STEREO_DISPARITY]
    missing = [name for name in wanted if not (folder / name).is_file()]
    if missing:
        raise UserError(
            f"scikit-image {skimage.__version__} does not carry {', '.join(missing)} in {folder}; "
            "install the wheel of a version from 0.24 on"
        )
    return folder


def make_part(
    folder: Path, out: Path, phase: str, photographs: dict[str, int], settings: Settings, jobs: int
) -> Report:
    """Make the strips of one phase and its contact sheet."""
    check_place(out, phase)
    claim_folder(out, phase, "", {**dataclasses.asdict(settings), "photographs": photographs})
    targets: list[Target] = []
    for name, variants in photographs.items():
        photograph = Photograph(Path(name).stem, folder / name, None)
        targets += plan_targets([photograph], variants, out / phase)
    report = write_triplets(targets, settings, jobs=jobs, title=f"{phase} pairs")
    for reason, count in report.dropped.items():
        warn(f"{count} {phase} pairs were not made: {reason}")
    rows = choose_rows(targets, settings)
    if phase == "test":
        report.written += write_stereo_strip(folder, out / phase / f"{STEREO_NAME}.png")
        caption = f"{STEREO_NAME}: A focused near, B far, by the measured depth, radius up to {STEREO_RADIUS:g}"
        rows.append((caption, (out / phase / f"{STEREO_NAME}.png",)))
    write_contact_sheet(out / f"contact_sheet_{phase}.jpg", rows)
    return report


def write_stereo_strip(folder: Path, file: Path) -> int:
    """Write the motorcycle focused near and far; return the number of strips made (0 where it was there)."""
    if is_whole_png(file):
        return 0
    photo = load_photo(folder / STEREO_IMAGE)
    with np.load(folder / STEREO_DISPARITY) as archive:
        disparity = archive["arr_0"]
    near, far = render_focus_pair(photo, disparity, STEREO_RADIUS)
    atomic_write(file, encode_strip([round_pixels(near), round_pixels(far), photo]))
    return 1


def main() -> None:
    """Make both parts and say where they are."""
    parser = OptionParser(description=__doc__, prog="make_demo_data.py")
    group = parser.group("run")
    group.add_argument("-h", "--help", action="help", help="show this and stop")
    group.add_argument("--out", type=Path, default=Path("datasets/demo"), help="folder to make")
    group.add_argument("--jobs", type=whole_number(1, 1024), default=len(os.sched_getaffinity(0)), help="processes")
    opt = parser.parse_strictly(sys.argv[1:])

    cv2.setNumThreads(len(os.sched_getaffinity(0)))
    folder = find_photographs()
    train = make_part(folder, opt.out, "train", TRAIN_PHOTOGRAPHS, TRAIN_SETTINGS, opt.jobs)
    test = make_part(folder, opt.out, "test", TEST_PHOTOGRAPHS, TEST_SETTINGS, opt.jobs)
    counts = [len(list((opt.out / phase).glob("*.png"))) for phase in ("train", "test")]
    log(
        f"{opt.out}: {counts[0]} pairs for training, {counts[1]} for the test, "
        f"{train.written + test.written} of them new"
    )


if __name__ == "__main__":
    run_script(main)
