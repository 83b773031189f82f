"""Measure how fast PMF pairs are made, in pairs/s, from starting the processes to the last whole file.

    python scripts/bench_pmf.py --images ../shared/data/segmentation
    python scripts/bench_pmf.py --images ../shared/data/segmentation --jobs 1 2 4 --mask spread --kernel disk

Each row makes all pairs anew in a temporary folder. The load is that of the whole machine in the minute before; on a
machine that others use too, the processor time of a pair tells more than the pairs/s.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data.synthesis.blur import KERNELS
from data.synthesis.label_sources import find_sources
from data.synthesis.pmf import MASKS, Settings
from data.synthesis.pmf_folder import plan_targets
from data.synthesis.writer import write_triplets
from options.option_parser import OptionParser
from options.types import choice, whole_number
from util.launch import run_script
from util.logger import log


def processor_seconds() -> float:
    """Return the processor time of this process and of those it started that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def main() -> None:
    """Make the pairs once for each number of processes and print a row for each."""
    parser = OptionParser(description=__doc__, prog="bench_pmf.py")
    group = parser.group("run")
    group.add_argument("-h", "--help", action="help", help="show this and stop")
    group.add_argument("--images", type=Path, required=True, help="folder of photographs, or the root of a dataset")
    group.add_argument("--labels", help="folder of label maps, or 'none' (default: what the layout below --images has)")
    group.add_argument(
        "--jobs", type=whole_number(1, 1024), nargs="+", default=[1, 2], help="numbers of processes to try"
    )
    group.add_argument("--per_image", type=whole_number(1, 10000), default=1, help="pairs per photograph")
    group.add_argument("--side", type=whole_number(16, 8192), default=256, help="width and height of a pair, pixels")
    group.add_argument("--mask", type=choice("mix", *MASKS), default="mix", help="mix|hard|feather|spread")
    group.add_argument("--kernel", type=choice("mix", *KERNELS), default="mix", help="mix|gaussian|disk")
    opt = parser.parse_strictly(sys.argv[1:])

    sources = find_sources(opt.images, opt.labels, "train")
    settings = Settings(size=(opt.side, opt.side), mask=opt.mask, kernel=opt.kernel)
    log(
        f"{len(sources.photographs)} photographs ({sources.layout}), {opt.side}x{opt.side}, mask {opt.mask}, "
        f"kernel {opt.kernel}, {len(os.sched_getaffinity(0))} cores"
    )
    for jobs in opt.jobs:
        with tempfile.TemporaryDirectory() as folder:
            targets = plan_targets(sources.photographs, opt.per_image, Path(folder))
            before = processor_seconds()
            report = write_triplets(targets, settings, jobs=jobs, title=f"{jobs} jobs")
            cost = (processor_seconds() - before) / max(1, report.written)
        log(
            f"{jobs:3d} jobs: {report.written / report.seconds:7.1f} pairs/s "
            f"({report.written} pairs in {report.seconds:.1f} s, {cost * 1e3:.0f} ms of processor time each, "
            f"load {os.getloadavg()[0]:.1f})"
        )


if __name__ == "__main__":
    run_script(main)
