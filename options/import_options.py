"""The options of ``scripts/import_weights.py``."""

from __future__ import annotations

import argparse
from pathlib import Path

import models
from options.base_options import BaseOptions
from options.option_parser import OptionParser
from util.errors import UserError


class ImportOptions(BaseOptions):
    """A run's name, a model with its options, and the file with the weights; no images."""

    description = (
        "Turn weights that a method's authors published into a run of FuseLab.\n\n"
        "  python scripts/import_weights.py --model refusion --task ivif --weights ReFusion_IVIF.pth --name official\n"
        "  python test.py --dataroot datasets/TNO --name official"
    )
    usage = "--model NAME --weights FILE --name NAME"

    def add_options(self, parser: OptionParser) -> None:
        self.add_run_options(parser)
        run = parser.group("run")
        run.add_argument("--weights", metavar="FILE", help="the authors' file (required)")
        run.add_argument("--overwrite", action="store_true", help="replace the weights of a run of that name")
        self.add_model_options(parser)
        parser.set_defaults(no_maps=True, device="cpu")

    def find_mode(self, parser: OptionParser, first: argparse.Namespace, given: set[str], stored: dict) -> str:
        return "auto"  # there are no images

    def finish(self, opt: argparse.Namespace, parser: OptionParser) -> None:
        self.find_run(opt)
        if not opt.weights or "model" not in opt.given:
            raise UserError("give --model NAME and --weights FILE, the method and the file that its authors published")
        models.find_model(opt.model).check_options(opt)
        if not Path(opt.weights).is_file():
            raise UserError(f"--weights {opt.weights}: no such file")
        if not opt.overwrite and Path(opt.run_dir).exists() and any(Path(opt.run_dir).iterdir()):
            raise UserError(f"{opt.run_dir} already holds a run: choose another --name, or replace it with --overwrite")
