"""The options of ``scripts/app.py``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from options.option_parser import OptionParser
from options.types import gpu_list, real_number, whole_number
from util.errors import UserError
from util.files import REPOSITORY
from util.logger import log

LOCAL = "127.0.0.1"
DESCRIPTION = """Serve a page on which one drops two images and gets the fused one.

  python scripts/app.py
  python scripts/app.py --checkpoints_dir checkpoints --port 8060

It offers every trained run of CHECKPOINTS_DIR and every method that needs no training."""


def build_parser() -> OptionParser:
    """Declare where the page is served, from which runs, and what it takes."""
    parser = OptionParser(usage="%(prog)s [options]", description=DESCRIPTION)
    page = parser.group("page")
    page.add_argument("-h", "--help", action="store_true", help="show every option and stop")
    page.add_argument("--host", default=LOCAL, metavar="ADDRESS",
                      help="address to listen on; 0.0.0.0 opens the page to the network")  # fmt: skip
    page.add_argument("--port", type=whole_number(0, 65535), default=8050, metavar="N", help="0 takes a free one")
    run = parser.group("run")
    run.add_argument("--checkpoints_dir", default=str(REPOSITORY / "checkpoints"), metavar="FOLDER",
                     help="where trained runs are kept")  # fmt: skip
    run.add_argument("--gpu_ids", type=gpu_list, default="auto", metavar="ID",
                     help="auto: the first GPU, else the CPU; -1: the CPU; 1: that GPU")  # fmt: skip
    run.add_argument("--cached_models", type=whole_number(1, 64), default=2, metavar="N",
                     help="models kept ready, those used last")  # fmt: skip
    limits = parser.group("limits")
    limits.add_argument("--max_megapixels", type=real_number(0, 1000, above=True), default=3.0, metavar="X",
                        help="largest image; memory grows with it (R2GAN: 1 GB at 0.3 megapixels)")  # fmt: skip
    limits.add_argument("--max_megabytes", type=whole_number(1, 1024), default=32, metavar="N", help="largest file")
    limits.add_argument("--max_waiting", type=whole_number(0, 1000), default=8, metavar="N",
                        help="pairs that may wait while one is being fused")  # fmt: skip
    return parser


def parse_app_options(argv: list[str] | None = None) -> argparse.Namespace:
    """Return the resolved options of ``argv`` (by default the process's own).

    Raises:
        UserError: an unknown flag or a value out of range.
        SystemExit: after ``--help``, with status 0.
    """
    parser = build_parser()
    opt = parser.parse_strictly(sys.argv[1:] if argv is None else argv)
    if opt.help:
        log(parser.format_help().rstrip())
        raise SystemExit(0)
    opt.checkpoints_dir = str(Path(opt.checkpoints_dir).expanduser().absolute())
    if opt.checkpoints_dir != parser.get_default("checkpoints_dir") and not Path(opt.checkpoints_dir).is_dir():
        raise UserError(f"--checkpoints_dir {opt.checkpoints_dir}: no such folder")
    if len(opt.gpu_ids) > 1 and opt.gpu_ids != "auto":
        raise UserError("--gpu_ids names several GPUs, and the page fuses one pair at a time: name one")
    return opt
