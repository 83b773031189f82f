"""The options that datasets read, as a Namespace: full resolution, no augmentation but the flip."""

from __future__ import annotations

import argparse
import math


def make_options(**changes) -> argparse.Namespace:
    """Options for a dataset; every name must be one that datasets know."""
    known = {
        "dataroot": None, "dataset_mode": "auto", "phase": "test", "dir_A": None, "dir_B": None, "dir_GT": None,
        "skip_bad": False, "check": "auto", "num_threads": 0, "batch_size": 1, "max_dataset_size": math.inf,
        "serial_batches": False, "preprocess": "none", "load_size": 0, "crop_size": 256, "no_flip": False,
        "flip_vertical": False, "rotate": "none", "panels": 0, "seed": 0, "samples_per_pair": 1,
    }  # fmt: skip
    assert changes.keys() <= known.keys()
    return argparse.Namespace(**{**known, **changes})
