"""Tell how well a detector or a segmentation network does on the fused images of several methods.

    python scripts/evaluate_downstream.py detection --train --fused ours=results/M3FD/ours other=downloads/other \\
        --labels datasets/M3FD/Annotation --list train.txt --out results/downstream/M3FD
    python scripts/evaluate_downstream.py detection --fused ours=results/M3FD/ours other=downloads/other \\
        --labels datasets/M3FD/Annotation --list test.txt --out results/downstream/M3FD
    python scripts/evaluate_downstream.py segmentation --fused ours=results/MSRS/ours --labels datasets/MSRS/labels \\
        --weights deeplab.pth --model deeplabv3_resnet50 --classes 9 --out results/downstream/MSRS

With --train a network learns on each method's images, and OUT/weights/METHOD.pth keeps it. Without, these networks, or
those of --weights, are scored: mAP@.5 or mIoU, and each class, go to OUT/metrics.csv and OUT/metrics.json.
Labels are COCO's json, VOC's xml files, or label maps. Nothing is ever downloaded.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from downstream.loops import score_network, train_network
from downstream.networks import build_network, load_network, read_weights, save_weights, take_over
from downstream.options import parse_options
from downstream.preparation import Work, prepare
from downstream.summary import format_table, write_tables
from downstream.tasks import TASKS, Task
from util import distributed
from util.launch import run_script
from util.lazy import torch
from util.logger import is_main_process, log


def main() -> None:
    opt = parse_options(__doc__, sys.argv[1:])
    task = TASKS[opt.task]()
    work = None if distributed.launched() else prepare(opt, task)
    distributed.start(opt)
    work = work or distributed.on_main_process(lambda: prepare(opt, task))
    counts = f"{len(work.labels.scenes)} scenes, {len(work.classes)} classes with the background"
    log(f"{opt.task}: {counts}, methods: {', '.join(work.networks)}; on {opt.device}")
    if opt.train:
        train_methods(opt, task, work)  # hours may lie between the processes: none waits for another
    else:
        score_methods(opt, task, work)
        distributed.finish()


def train_methods(opt: argparse.Namespace, task: Task, work: Work) -> None:
    """Train a network on the images of each of this process's methods, all from the same first weights."""
    for pictures in take_share(work):
        network = work.networks[pictures.method]
        if network.ready:
            log(f"{pictures.method}: {network.path} has been trained with these settings and is kept")
            continue
        torch.manual_seed(opt.seed)
        module = build_network(network.model, len(work.classes), network.min_size)
        if opt.weights:
            count = take_over(read_weights(opt.weights), module)
            log(f"{pictures.method}: {network.model} begins with {count} tensors of {opt.weights}")
        train_network(module, pictures, work.labels.scenes, task, opt)
        save_weights(network.path, module, network.record)
        log(f"{pictures.method}: {network.model}, weights: {network.path}")


def score_methods(opt: argparse.Namespace, task: Task, work: Work) -> None:
    """Score a network on each of this process's methods; rank 0 writes the tables."""
    ours = []
    for pictures in take_share(work):
        network = work.networks[pictures.method]
        module = load_network(read_weights(network.path), network.model, len(work.classes), network.min_size)
        ours.append((pictures.method, score_network(module, pictures, work.labels, work.classes, task, opt)))
        log(f"{pictures.method}: {network.model} of {network.path}, {task.measure} {ours[-1][1].mean:.4f}")
    found = dict(distributed.gather(ours))
    if is_main_process():
        summaries = {pictures.method: found[pictures.method] for pictures in work.pictures}
        facts = {
            "task": opt.task,
            "definition": task.definition,
            "labels": str(opt.labels),
            "scenes": [scene.name for scene in work.labels.scenes],
            "pictures": {pictures.method: str(pictures.folder) for pictures in work.pictures},
            "networks": {
                method: {"model": network.model, "weights": str(network.path), "min_size": network.min_size}
                for method, network in work.networks.items()
            },
        }
        write_tables(opt.out, task.measure, summaries, facts)
        log(f"\n{format_table(task.measure, summaries)}\n\n{task.definition}.\nTables: {opt.out / 'metrics.csv'}")


def take_share(work: Work) -> list:
    """Return the pictures of this process's methods: each process takes whole methods."""
    return work.pictures[distributed.rank() :: distributed.world_size()]


if __name__ == "__main__":
    run_script(main)
