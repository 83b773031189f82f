"""Fuse a data set with a trained run, score it, and write a gallery.

    python test.py --dataroot datasets/Lytro --name PMF_R2GAN

The model, its networks and its colour mode come from checkpoints/NAME/train_opt.json. Results go to
results/NAME/PHASE_EPOCH: index.html, metrics.csv, metrics.json, images/<name>_{A,B,fused[,GT]}.png.
"""

from __future__ import annotations

from pathlib import Path

import data
import models
from options.scoring_options import choose_metrics
from options.test_options import TestOptions
from util import distributed, report
from util.journal import describe_settings, digest_contents, digest_pairs
from util.launch import run_script
from util.logger import is_main_process, log
from util.results import ResultsFolder
from util.scoring import Judge, fuse_scenes, judge_scene, judge_share


def main() -> None:
    opt = TestOptions().parse()
    dataset = None if distributed.launched() else data.create_dataset(opt, augment=False)
    distributed.start(opt)
    dataset = dataset or distributed.on_main_process(lambda: data.create_dataset(opt, augment=False))
    models.find_model(opt.model).check_dataset(dataset, opt)
    fuse_dataset(opt, dataset)
    distributed.finish()


def fuse_dataset(opt, dataset) -> None:
    """Fuse, write and score this process's share of the pairs; rank 0 writes the table and the page."""
    model = models.load_model(opt)
    model.print_networks()
    protocol, selected = choose_metrics(opt, dataset.has_gt)
    target = Path(opt.results_dir) / opt.name / f"{opt.phase}_{opt.epoch}"
    with ResultsFolder(target, lambda: describe_weights_and_images(opt, model, dataset), resume=opt.resume) as results:
        rank, processes = distributed.rank(), distributed.world_size()
        loader = data.create_loader(dataset, opt, train=False, rank=rank, world_size=processes, done=results.done)
        judge = Judge(tuple(selected), protocol.channels, results.path)
        scenes = fuse_scenes(model, loader, opt.name, explain=not opt.no_maps, done=results.done)
        rows = judge_share(judge_scene, judge, scenes, results, count=len(dataset), jobs=opt.jobs)
        if is_main_process():
            labels = dict.fromkeys(label for row in rows for label in row["files"])  # huge pictures have no maps
            maps = [label for label in labels if label not in ("A", "B", "fused", "GT")]
            report.write_report(
                results,
                rows,
                opt=opt,
                title=f"{opt.name}, {opt.phase} {opt.epoch}",
                info=describe_test(opt, dataset),
                columns=report.list_columns({"fused": opt.name}, dataset.has_gt, maps),
                names=[pair.name for pair in dataset.pairs],
                selected=selected,
                protocol=protocol,
                left_out=dataset.skipped,
            )
    if is_main_process():
        for sentence in dataset.skipped:
            log(sentence)
        log(
            f"{len(rows)} pair{'s' if len(rows) != 1 else ''} fused"
            + (f", {len(dataset.skipped)} left out" if dataset.skipped else "")
            + f"; gallery: {target / 'index.html'}"
        )


def describe_weights_and_images(opt, model, dataset) -> dict:
    """Return what the pictures and their scores depend on."""
    files = [Path(opt.weights)] if opt.weights else [model.weights_path(opt.epoch, name) for name in model.networks]
    return describe_settings(opt, images=digest_pairs(dataset.pairs), weights=digest_contents(files))


def describe_test(opt, dataset) -> dict[str, str]:
    """Return the facts for the head of the page."""
    sizes = {"resize": f"{opt.load_size} x {opt.load_size}", "none": "full size"}
    return {
        "run": opt.name,
        "model": opt.model,
        "snapshot": opt.epoch,
        "data set": f"{dataset.title} ({opt.dataroot or opt.dir_A})",
        "size": sizes.get(opt.preprocess, opt.preprocess),
        "colour": opt.color,
    }


if __name__ == "__main__":
    run_script(main)
