"""Which samples a process loads, and in which order: in training exactly resumable, at test each exactly once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from data.base_dataset import BaseDataset


class TrainSampler:
    """The (epoch, index) of each sample of one process in one epoch, shuffled by (seed, epoch).

    All processes draw from one permutation and get equally many: where the length is no multiple of their number, the
    first samples of the permutation come once more.

    Args:
        length: samples in the dataset.
        shuffle: False keeps the dataset's order (``--serial_batches``).
    """

    def __init__(self, length: int, seed: int, shuffle: bool = True, rank: int = 0, world_size: int = 1):
        self.length = length
        self.seed = seed
        self.shuffle = shuffle
        self.rank = rank
        self.world_size = world_size
        self.epoch = 1
        self.consumed = 0

    def set_position(self, epoch: int, consumed: int = 0) -> None:
        """Go to an epoch (counted from 1), behind the samples that this process has already consumed in it."""
        self.epoch = epoch
        self.consumed = consumed

    def __len__(self) -> int:
        return max(-(-self.length // self.world_size) - self.consumed, 0)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        order = np.arange(self.length)
        if self.shuffle:
            order = np.random.default_rng((self.seed, self.epoch)).permutation(order)
        order = np.resize(order, -(-self.length // self.world_size) * self.world_size)
        epoch = self.epoch
        for index in order[self.rank :: self.world_size][self.consumed :]:
            yield epoch, int(index)


class TestBatches:
    """The batches of one process at test: in order, neighbours of one size together, no sample in two processes.

    A process takes a block of neighbours; the blocks of rank 0, 1, ... one after the other are the whole dataset.
    """

    __test__ = False  # no test case, whatever its name says to pytest

    def __init__(self, dataset: BaseDataset, batch_size: int, rank: int = 0, world_size: int = 1):
        first, last = (len(dataset) * place // world_size for place in (rank, rank + 1))
        self.batches: list[list[int]] = []
        size_before = None
        for index in range(first, last):
            size = dataset.output_size(index)
            if size is None or size != size_before or len(self.batches[-1]) == batch_size:
                self.batches.append([])
            self.batches[-1].append(index)
            size_before = size

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches)
