#!/usr/bin/env python3
"""Turn weights that a method's authors published into a run of FuseLab, which test.py then takes by its name.

    python scripts/import_weights.py --model refusion --task ivif --weights ReFusion_IVIF.pth --name refusion_official
    python test.py --dataroot datasets/TNO --name refusion_official

Options of the model (--task, --legacy_interleave, ...) are stored with the run. For a single test there is a shorter
way: test.py --model refusion --weights FILE. FuseLab carries no weights of others: see their licences.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import models  # noqa: E402
from options import saved_options  # noqa: E402
from options.import_options import ImportOptions  # noqa: E402
from util.launch import run_script  # noqa: E402
from util.logger import log  # noqa: E402


def main() -> None:
    options = ImportOptions()
    opt = options.parse()
    model = models.create_model(opt)
    model.load_published(Path(opt.weights))
    model.print_networks()
    model.save_networks("latest")
    saved_options.write(opt, options.parser)
    log(f"{opt.run_dir} holds them; fuse with: python test.py --dataroot FOLDER --name {opt.name}")


if __name__ == "__main__":
    run_script(main)
