"""Tell what of the blur-classifier pipeline's scores is the classifier's doing, and what the Retinex's.

    python scripts/blurcnn_controls.py --dataroot datasets/TNO --name blurcnn

Fuses a data set in four ways and scores them as evaluate.py does, in one table: before_retinex and after_retinex, the
pipeline without its last stage and with it; average and average_retinex, the plain average of the same enhanced images
in the blend's place. Takes the flags of test.py. Pictures go to RESULTS_DIR/NAME/controls_DATASET_PHASE, table and page
to RESULTS_DIR/NAME_controls.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import data
import evaluate
import models
from data.pairing import make_safe
from models.blurcnn_model import bring_back
from models.sharpness import blend, pipeline
from options.evaluate_options import EvaluateOptions
from options.test_options import TestOptions
from util import color, distributed
from util.errors import UserError
from util.evaluation import open_evaluation
from util.image_io import write_image
from util.launch import run_script
from util.lazy import torch
from util.logger import log

METHODS = ("before_retinex", "after_retinex", "average", "average_retinex")
# Flags that an evaluation of the same pictures takes over.
SHARED = ("dataroot", "dataset_mode", "phase", "dir_A", "dir_B", "panels", "max_dataset_size", "check", "metrics",
          "metrics_protocol", "jobs", "results_dir")  # fmt: skip


def main() -> None:
    opt = parse()
    dataset = data.create_dataset(opt, augment=False)
    distributed.start(opt)
    models.find_model(opt.model).check_dataset(dataset, opt)
    model = models.load_model(opt)
    folder = (
        Path(opt.results_dir) / opt.name / make_safe(f"controls_{Path(opt.dataroot or opt.dir_A).name}_{opt.phase}")
    )
    for batch in data.create_loader(dataset, opt, train=False):
        for name, a, b in zip(batch["name"], batch["A"].split(1), batch["B"].split(1), strict=True):
            for method, picture in fuse_in_four_ways(model, a, b).items():
                write_image(folder / method / f"{name}.png", picture)
    log(f"pictures: {folder}")
    score(opt, folder)
    distributed.finish()


def parse():
    """Return the options of test.py.

    Raises:
        UserError: the run is of another model, or the pictures would not have their sources' size.
    """
    words = sys.argv[1:]
    if "--help" in words or "-h" in words:
        log(__doc__)
    opt = TestOptions().parse(words)
    if opt.model != "blurcnn":
        raise UserError(f"--name {opt.name} is a run of --model {opt.model}: these controls are of --model blurcnn")
    if opt.preprocess != "none" or opt.no_retinex:
        wrong = "--no_retinex" if opt.no_retinex else "--load_size" if opt.load_size else "--preprocess"
        raise UserError(f"{wrong} leaves nothing to compare: the controls need sources as they are, and the Retinex")
    return opt


def fuse_in_four_ways(model, a: torch.Tensor, b: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return {method: picture}, (1, 1, H, W) in [0, 1], of one pair (1, 3, H, W)."""
    with torch.inference_mode(), model.evaluating():
        stages = model.run_stages(*(color.luma(image.to(model.device)) for image in (a, b)))
        half = torch.full_like(stages.votes, 0.5)
        average = blend.blend_soft(stages.visible, stages.infrared, half).floor().float()
        found = (stages.blended, stages.fused, average, pipeline.finish(average, model.settings))
        return {name: bring_back(image / 255, a.shape[-2:]) for name, image in zip(METHODS, found, strict=True)}


def score(opt, folder: Path) -> None:
    """Let evaluate.py score the four folders."""
    words = [f"--fused={name}={folder / name}" for name in METHODS]
    words += [f"--{name}={getattr(opt, name)}" for name in SHARED if name in opt.given]
    words += ["--skip_bad"] if opt.skip_bad else []
    asked = EvaluateOptions().parse(["--name", f"{opt.name}_controls", *words])
    asked.device = opt.device
    evaluate.score_methods(asked, open_evaluation(asked))


if __name__ == "__main__":
    run_script(main)
