#!/usr/bin/env python3
"""Measure how fast training samples are loaded, in samples and images per second, for several worker counts.

    python scripts/bench_data.py                       # 64 generated strips [A|B|GT] of 768x256 pixels
    python scripts/bench_data.py --dataroot datasets/PMF --crop_size 256 --batch_size 8
    python scripts/bench_data.py --dataroot datasets/NYU-D-100 --workers 0 2 8 --seconds 10

A step waits for data where its samples per second exceed what is printed here. The first epoch after a start reads from
disk; what is measured comes after a warm-up, and so from the system's cache where the data fit into memory.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import data  # noqa: E402
from util.errors import UserError  # noqa: E402
from util.logger import fail, log  # noqa: E402

STRIPS = 64
SIDE = 256  # pixels of a panel


def main() -> int:
    options = parse()
    try:
        if options.dataroot is not None:
            measure(options, options.dataroot)
        else:
            with tempfile.TemporaryDirectory() as folder:
                write_strips(Path(folder) / "train")
                measure(options, folder)
    except UserError as error:
        fail("bench_data.py", str(error))
        return error.exit_status
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataroot", help="a dataset's folder (default: strips generated for the measurement)")
    parser.add_argument("--dataset_mode", default="auto", help="a name of --list datasets (default: %(default)s)")
    parser.add_argument("--phase", default="train", help="(default: %(default)s)")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4], help="processes (default: 1 2 4)")
    parser.add_argument("--seconds", type=float, default=4, help="measured for each count (default: %(default)s)")
    parser.add_argument("--batch_size", type=int, default=8, help="samples (default: %(default)s)")
    parser.add_argument("--crop_size", type=int, default=256, help="pixels (default: %(default)s)")
    return parser.parse_args()


def write_strips(folder: Path) -> None:
    """Write strips that compress about as photographs do: smooth noise, sharp noise on top, one half of it blurred."""
    folder.mkdir(parents=True)
    noise = np.random.default_rng(0)
    for number in range(STRIPS):
        coarse = cv2.resize(noise.random((12, 12, 3), dtype=np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        sharp = 225 * coarse + noise.normal(0, 6, (SIDE, SIDE, 3)).astype(np.float32)
        soft = cv2.GaussianBlur(sharp, (0, 0), 3)
        left = np.arange(SIDE)[None, :, None] < SIDE // 2
        strip = np.hstack([np.where(left, soft, sharp), np.where(left, sharp, soft), sharp])
        cv2.imwrite(str(folder / f"{number:05d}.png"), np.clip(strip, 0, 255).astype(np.uint8))


def measure(options: argparse.Namespace, dataroot: str) -> None:
    opt = argparse.Namespace(
        dataroot=dataroot, dataset_mode=options.dataset_mode, phase=options.phase, dir_A=None, dir_B=None, dir_GT=None,
        skip_bad=True, check="quick", panels=0, max_dataset_size=math.inf, serial_batches=False, seed=0,
        samples_per_pair=1, batch_size=options.batch_size, preprocess="crop", load_size=0, crop_size=options.crop_size,
        no_flip=False, flip_vertical=True, rotate="quarter",
    )  # fmt: skip
    dataset = data.create_dataset(opt, augment=True)
    per_sample = 3 if dataset.has_gt else 2
    log(f"{len(dataset)} samples of {per_sample} images, crops of {opt.crop_size}, batches of {opt.batch_size}")
    log("workers   samples/s   images/s")
    for opt.num_threads in options.workers:
        rate = time_loader(data.create_loader(dataset, opt, train=True), options.seconds)
        log(f"{opt.num_threads:7d} {rate:11.1f} {rate * per_sample:10.1f}")


def time_loader(loader, seconds: float) -> float:
    """Samples per second, after workers have started and filled their queues."""
    warm_up = 4 * max(1, loader.num_workers)
    samples, start, batches = 0, None, 0
    for epoch in range(1, 1_000_000):
        loader.sampler.set_position(epoch)
        for batch in loader:
            batches += 1
            if start is None:
                start = time.perf_counter() if batches >= warm_up else None
                continue
            samples += len(batch["name"])
            if time.perf_counter() - start >= seconds:
                return samples / (time.perf_counter() - start)
    return 0.0


if __name__ == "__main__":
    sys.exit(main())
