"""DataLoaders that keep up with a GPU, and whose errors are still a sentence when a worker process found them."""

from __future__ import annotations

import argparse
import gc
import os
import signal
import threading
from collections.abc import Container
from typing import Any

import cv2

from data.base_dataset import BaseDataset
from data.sampler import TestBatches, TrainSampler
from util.errors import UserError, some
from util.lazy import torch

_PREFETCHED = 4  # batches that a worker prepares ahead


def create_loader(
    dataset: BaseDataset,
    opt: argparse.Namespace,
    *,
    train: bool,
    rank: int = 0,
    world_size: int = 1,
    done: Container[str] = (),
) -> torch.utils.data.DataLoader:
    """Make the loader of one process. Iterating it never touches the global random state.

    Args:
        opt: batch_size (samples per process), num_threads (worker processes), serial_batches, seed.
        train: shuffled by (seed, epoch), resumable by ``loader.sampler.set_position(epoch, consumed)``, the last
            partial batch kept. Otherwise in order, each sample once over all processes, a batch holding one size.
        done: at test, names of the pairs that are not wanted any more; those that share a batch with others come.

    Raises:
        UserError: at once, if a training batch would hold different sizes; while iterating, if a file has turned bad.
    """
    from torch.utils.data import DataLoader

    class Loader(DataLoader):
        """Raises in the main process what a worker handed over."""

        def __iter__(self):
            for batch in super().__iter__():
                if isinstance(batch, UserError):
                    raise batch
                yield batch

    if train:
        if opt.batch_size > 1:
            _refuse_mixed_sizes(dataset)
        order: dict[str, Any] = {
            "sampler": TrainSampler(
                len(dataset), opt.seed, not opt.serial_batches, rank, world_size, opt.samples_per_pair
            ),
            "batch_size": opt.batch_size,
        }
    else:
        finished = {number for number, pair in enumerate(dataset.pairs) if pair.name in done} if done else ()
        order = {"batch_sampler": TestBatches(dataset, opt.batch_size, rank, world_size, finished)}
    return Loader(
        _Guarded(dataset),
        collate_fn=_collate,
        num_workers=opt.num_threads,
        persistent_workers=opt.num_threads > 0,
        prefetch_factor=_PREFETCHED if opt.num_threads > 0 else None,
        worker_init_fn=_prepare_worker,
        pin_memory=getattr(opt, "device", "cpu") != "cpu",
        generator=torch.Generator().manual_seed(opt.seed),
        **order,
    )


class _Guarded:
    """Hands a UserError over as a value: raised in a worker it would arrive wrapped in a traceback."""

    def __init__(self, dataset: BaseDataset):
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, key: int | tuple[int, int]) -> dict[str, Any] | UserError:
        try:
            return self.dataset[key]
        except UserError as error:
            return error


def _collate(samples: list[dict[str, Any] | UserError]) -> dict[str, Any] | UserError:
    from torch.utils.data import default_collate

    errors = [sample for sample in samples if isinstance(sample, UserError)]
    return errors[0] if errors else default_collate(samples)


def _prepare_worker(worker: int) -> None:
    # Workers run beside each other: threads inside them would only get in each other's way.
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    gc.freeze()  # collecting rubbish would write to every object of the data set, and so copy what is shared
    _obey_parent_alone()


def _obey_parent_alone() -> None:
    """Let SIGTERM end this worker only when the training process sends it.

    Launchers signal whole groups (torchrun, Slurm, timeout): a worker that died of it would take the batch away that
    the training process needs to come to the end of its update and save.
    """
    parent = os.getppid()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    def listen() -> None:
        while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
            pass
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()


def _refuse_mixed_sizes(dataset: BaseDataset) -> None:
    first_of_size: dict[tuple[int, int] | None, str] = {}
    for index, pair in enumerate(dataset.pairs):
        first_of_size.setdefault(dataset.output_size(index), pair.name)
    if len(first_of_size) > 1:
        found = some((f"{name} {'{}x{}'.format(*size)}" for size, name in first_of_size.items() if size), limit=3)
        raise UserError(
            f"the training images have {len(first_of_size)} sizes ({found}), and a batch holds one; cut them with "
            "--preprocess crop --crop_size N, resize them with --preprocess resize --load_size N, or use --batch_size 1"
        )
