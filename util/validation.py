"""The data sets of a training run, opened before it starts, and the score of its networks on the second one."""

from __future__ import annotations

import argparse
import operator
from pathlib import Path

import data
import metrics
import models
from util import distributed
from util.errors import UserError
from util.logger import is_main_process, log
from util.scoring import Judge, fuse_scenes, make_table
from util.training import Progress


def open_datasets(opt: argparse.Namespace) -> tuple:
    """Open and check the training pairs and, with ``--val_dataroot``, the validation pairs (else None).

    Raises:
        UserError: a data set is broken, the method needs a ground truth that is not there, or no metric fits.
    """
    dataset = data.create_dataset(opt, augment=True)
    if opt.more_dataroots:
        asked = {**vars(opt), "dataset_mode": "auto", "dir_A": None, "dir_B": None, "dir_GT": None}
        more = [
            data.create_dataset(argparse.Namespace(**asked), dataroot=folder, augment=True)
            for folder in opt.more_dataroots
        ]
        dataset = data.JoinedDataset([dataset, *more])
    model = models.find_model(opt.model)
    if model.needs_gt and not dataset.has_gt:
        raise UserError(
            f"--model {opt.model} learns from a ground truth, and {opt.dataroot or opt.dir_A} has none: use strips "
            "[A|B|GT], a GT folder or --dir_GT"
        )
    model.check_dataset(dataset, opt)
    for index, pair in enumerate(dataset.pairs):
        width, height = dataset.output_size(index)
        model.check_training_size(width, height, f"the pair {pair.name} of {width}x{height}", opt)
    if opt.val_dataroot is None:
        return dataset, None
    root = Path(opt.val_dataroot)
    if not root.is_dir():
        raise UserError(f"--val_dataroot {root}: no such folder")
    phase = next((name for name in (opt.val_phase, "test") if (root / name).is_dir()), opt.val_phase)
    asked = argparse.Namespace(
        **{
            **vars(opt),
            "dataset_mode": opt.val_dataset_mode,
            "dir_A": None,
            "dir_B": None,
            "dir_GT": None,
            "preprocess": "none",
            "load_size": 0,
        }
    )
    val_dataset = data.create_dataset(asked, dataroot=str(root), phase=phase, augment=False)
    choose_metric(opt.val_metric, val_dataset.has_gt)
    return dataset, val_dataset


def choose_metric(name: str, has_gt: bool) -> metrics.Metric:
    """Return the metric that decides which networks are best; ``auto`` is PSNR_GT with a ground truth, else MI."""
    metric = metrics.find_metric(("PSNR_GT" if has_gt else "MI") if name == "auto" else name)
    if metric.needs == "gt" and not has_gt:
        raise UserError(f"--val_metric {metric.name} needs a ground truth, and the validation data set has none")
    return metric


def report_skipped(*datasets) -> None:
    """Say at the end how many pairs ``--skip_bad`` has left out."""
    for dataset in datasets:
        if dataset is not None and dataset.skipped:
            log(f"left out {len(dataset.skipped)} of the pairs in {dataset.title}: " + "; ".join(dataset.skipped[:5]))


class Validator:
    """Scores the networks after an epoch and keeps the best ones as ``best_net_*.pth``."""

    def __init__(self, opt: argparse.Namespace, dataset):
        self.opt = opt
        self.dataset = dataset
        if dataset is not None:
            self.metric = choose_metric(opt.val_metric, dataset.has_gt)
            self.selected = metrics.select(f"fast,{self.metric.name}", dataset.has_gt)
            # Whole images need more room than training crops: one at a time.
            one_by_one = argparse.Namespace(**{**vars(opt), "batch_size": 1})
            self.loader = data.create_loader(
                dataset, one_by_one, train=False, rank=distributed.rank(), world_size=distributed.world_size()
            )

    def end_epoch(self, model, progress: Progress, visualizer) -> None:
        """Validate where it is due, log the scores, keep the best networks, and tell a plateau schedule."""
        score = None
        if self.dataset is not None and progress.epoch % self.opt.val_freq == 0:
            score = self._validate(model, progress, visualizer)
        if model.schedule.follows_scores:
            if self.dataset is None:
                losses = model.get_current_losses()
                model.schedule.end_epoch(sum(losses[name] for name in model.loss_names))
            elif score is not None:
                model.schedule.end_epoch(score)

    def _validate(self, model, progress: Progress, visualizer) -> float:
        """Score the networks; returns what the deciding score loses, the smaller the better."""
        model.share_statistics()
        means = model.validate(self.loader)
        if means:
            decisive, loss = next(iter(means)), operator.neg
        else:
            judge = Judge(tuple(self.selected))
            rows = distributed.gather([judge(scene) for scene in fuse_scenes(model, self.loader, self.opt.name)])
            means = make_table(rows, self.selected).means(self.opt.name)
            decisive, loss = self.metric.name, self.metric.loss
        score = means[decisive]
        if progress.best_score is None or loss(score) < loss(progress.best_score):
            progress.best_score, progress.best_epoch = score, progress.epoch
            if is_main_process():
                model.save_networks("best")
        visualizer.log_scores(
            {"epoch": progress.epoch, "total_iters": progress.total_iters, "step": progress.step, "scores": means}
        )
        shown = ", ".join(f"{name} {value:.4g}" for name, value in means.items())
        log(
            f"validation after epoch {progress.epoch}: {shown}; best {decisive} {progress.best_score:.4g} "
            f"in epoch {progress.best_epoch}"
        )
        return loss(score)
