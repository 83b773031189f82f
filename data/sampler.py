"""Which samples a process loads, and in which order: in training exactly resumable, at test each exactly once."""

from __future__ import annotations

from collections.abc import Container, Iterator

import numpy as np

from data.base_dataset import BaseDataset


class TrainSampler:
    """The (draw, index) of each sample of one process in one epoch, shuffled by (seed, epoch).

    All processes draw from one permutation and get equally many: where the length is no multiple of their number, the
    first samples of the permutation come once more. ``draw`` is the epoch's number where an epoch takes a pair once;
    each further time has a number of its own, and with it an augmentation of its own.

    Args:
        length: samples in the dataset.
        shuffle: False keeps the dataset's order (``--serial_batches``).
        repeats: times that an epoch takes each sample (``--samples_per_pair``).

    Attributes:
        prelude: samples of one process that come before the pass over all, from a shuffle of their own.
    """

    def __init__(
        self, length: int, seed: int, shuffle: bool = True, rank: int = 0, world_size: int = 1, repeats: int = 1
    ):
        self.length = length
        self.seed = seed
        self.shuffle = shuffle
        self.rank = rank
        self.world_size = world_size
        self.repeats = repeats
        self.prelude = 0
        self.epoch = 1
        self.consumed = 0

    def set_position(self, epoch: int, consumed: int = 0) -> None:
        """Go to an epoch (counted from 1), behind the samples that this process has already consumed in it."""
        self.epoch = epoch
        self.consumed = consumed

    def __len__(self) -> int:
        return max(self.prelude + -(-self.length * self.repeats // self.world_size) - self.consumed, 0)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        epoch, total = self.epoch, self.length * self.repeats
        first = self._shuffle(total, epoch, 1) + total  # samples with numbers, and so augmentations, of their own
        order = np.concatenate(
            [
                np.resize(first, self.prelude * self.world_size),
                np.resize(self._shuffle(total, epoch), -(-total // self.world_size) * self.world_size),
            ]
        )
        for number in order[self.rank :: self.world_size][self.consumed :]:
            turn, index = divmod(int(number), self.length)
            yield epoch + (turn << 32), index

    def _shuffle(self, count: int, *key: int) -> np.ndarray:
        order = np.arange(count)
        return np.random.default_rng((self.seed, *key)).permutation(order) if self.shuffle else order


class TestBatches:
    """The batches of one process at test: in order, neighbours of one size together, no sample in two processes.

    What is in a batch depends on the dataset and ``batch_size`` alone. A process takes a block of neighbours with about
    as many pixels as every other's; the blocks of rank 0, 1, ... one after the other are the whole dataset.

    Args:
        done: numbers of samples that are not wanted; a batch of which all are is left out.
    """

    __test__ = False  # no test case, whatever its name says to pytest

    def __init__(
        self, dataset: BaseDataset, batch_size: int, rank: int = 0, world_size: int = 1, done: Container[int] = ()
    ):
        batches: list[list[int]] = []
        pixels: list[int] = []
        size_before = None
        for index in range(len(dataset)):
            size = dataset.output_size(index)
            if size is None or size != size_before or len(batches[-1]) == batch_size:
                batches.append([])
                pixels.append(0)
            batches[-1].append(index)
            pixels[-1] += size[0] * size[1] if size else 1
            size_before = size
        wanted = [place for place, batch in enumerate(batches) if not all(index in done for index in batch)]
        weights = np.array([pixels[place] for place in wanted])
        middles = np.cumsum(weights) - weights / 2  # where a batch lies among all pixels decides who takes it
        first, last = np.searchsorted(middles, weights.sum() * np.array([rank, rank + 1]) / world_size)
        self.batches = [batches[place] for place in wanted[first:last]]

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches)
