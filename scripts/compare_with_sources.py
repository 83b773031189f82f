"""Compare the fused images of a test with what needs no network: the plain average, and the better of the two sources.

    python scripts/compare_with_sources.py --results results/demo/test_latest

Needs a ground truth in the results. PSNR is that of metrics.csv: of 8-bit luma, in dB.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import metrics
from util.errors import UserError
from util.image_io import read_image
from util.launch import run_script
from util.logger import log


def main() -> int | None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", required=True, metavar="FOLDER", help="folder that test.py has written")
    folder = Path(parser.parse_args().results) / "images"
    names = sorted(path.name.removesuffix("_GT.png") for path in folder.glob("*_GT.png"))
    if not names:
        raise UserError(f"{folder} holds no picture *_GT.png: test on a data set with a ground truth first (--results)")
    rows = [score_pair(folder, name) for name in names]
    width = max(map(len, [*names, "pair"]))
    log(f"{'PSNR in dB':<{width}}    fused  average  better source")
    for name, values in [*zip(names, rows, strict=True), ("mean", np.mean(rows, axis=0))]:
        log(f"{name:<{width}} {values[0]:8.2f} {values[1]:8.2f} {values[2]:14.2f}")
    return None


def score_pair(folder: Path, name: str) -> tuple[float, float, float]:
    """Return the PSNR of the fused image, of the plain average and of the better source, to the ground truth."""
    a, b, fused, truth = (
        metrics.to_gray8(read_image(folder / f"{name}_{label}.png")[0]) for label in ("A", "B", "fused", "GT")
    )
    average = (a.double() + b.double()).div(2).add(0.5).floor().to(a.dtype)
    selected = [metrics.find_metric("PSNR_GT")]
    values = [metrics.score(selected, a, b, image, truth)["PSNR_GT"] for image in (fused, average, a, b)]
    return values[0], values[1], max(values[2:])


if __name__ == "__main__":
    run_script(main)
