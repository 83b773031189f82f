"""Fuse a data set with a trained run, score it, and write a gallery.

    python test.py --dataroot datasets/Lytro --name PMF_R2GAN

The model, its networks and its colour mode come from checkpoints/NAME/train_opt.json. Results go to
results/NAME/PHASE_EPOCH: index.html, metrics.csv, images/<name>_{A,B,fused[,GT]}.png.
"""

from __future__ import annotations

import data
import metrics
import models
from options.test_options import TestOptions
from util import distributed, results
from util.launch import run_script
from util.logger import is_main_process, log
from util.scoring import score_pairs


def main() -> None:
    opt = TestOptions().parse()
    dataset = None if distributed.launched() else data.create_dataset(opt, augment=False)
    distributed.start(opt)
    dataset = dataset or distributed.on_main_process(lambda: data.create_dataset(opt, augment=False))
    fuse_dataset(opt, dataset)
    distributed.finish()


def fuse_dataset(opt, dataset) -> None:
    """Fuse, write and score this process's share of the pairs; rank 0 writes the table and the page."""
    from tqdm import tqdm

    model = models.create_model(opt)
    model.load_networks(opt.epoch)
    model.print_networks()
    selected = metrics.select(opt.metrics, dataset.has_gt)
    loader = data.create_loader(dataset, opt, train=False, rank=distributed.rank(), world_size=distributed.world_size())
    with results.ResultsFolder(opt) as folder:
        rows = []
        pairs = score_pairs(model, loader, selected)
        for pair, pictures, scores in tqdm(
            pairs, total=len(loader.dataset), unit="pair", disable=None if is_main_process() else True
        ):
            rows.append({"name": pair["name"], "files": folder.write_pictures(pair, pictures), "scores": scores})
        rows = distributed.gather(rows)
        if is_main_process():
            page = folder.finish(rows, selected, dataset)
    if is_main_process():
        results.log_means(opt.name, rows, selected)
        for sentence in dataset.skipped:
            log(f"left out: {sentence}")
        log(
            f"{len(rows)} pair{'s' if len(rows) != 1 else ''} fused"
            + (f", {len(dataset.skipped)} left out" if dataset.skipped else "")
            + f"; gallery: {page}"
        )


if __name__ == "__main__":
    run_script(main)
