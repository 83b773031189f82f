"""What a process of scripts/bench_train.py runs: updates as train.py makes them, timed in parts, with their yardsticks.

Batches come through the data loader from generated PNG files. On a GPU the parts lie between events of its stream, and
it is waited for once, at the end of an update.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

import data
import models
from models.base_model import BaseModel
from options.train_options import TrainOptions
from util import distributed
from util.benchmark import flags_of
from util.lazy import torch

PARTS = ("data", "backward", "optimiser", "communication")  # what is left of an update is forward, with the losses
BATCH_SIZES = {"r2gan": 8, "pix2pix": 8}  # of recipes that give another than the method's own
FILES = 16
PICTURE = (640, 480)  # pixels, where crops are cut
WHOLE_PICTURE = (520, 520)  # where none are: Lytro's, about MFI-WHU's
PRODUCT_SIDE = {"cpu": 2048, "cuda": 8192}  # of the matrices that tell what rate is possible


class Case(NamedTuple):
    """One row: a method's phase, how it is computed, and where."""

    name: str
    phase: str  # "A" or "B" of a method that has two in an epoch, else ""
    variant: str  # words of util.benchmark.FLAGS joined by "+", "plain" or "original"
    folder: str  # of the pictures
    batch_size: int | None  # None: the recipe's
    crop_size: int | None  # likewise
    threads: int  # of each process
    processes: int = 1
    workers: int = 1  # of the loader, for each process
    device: str = "cpu"  # or "cuda"

    def flags(self) -> list[str]:
        """Return the flags of train.py."""
        batch_size = self.batch_size or BATCH_SIZES.get(self.name)
        sizes = {"--batch_size": batch_size, "--crop_size": self.crop_size, "--load_size": self.crop_size}
        flags = [word for flag, value in sizes.items() if value for word in (flag, str(value))]
        gpus = ",".join(map(str, range(self.processes))) if self.device == "cuda" else "-1"
        # An epoch that does not end here: workers are started once.
        flags += ["--samples_per_pair", "1000", "--num_threads", str(self.workers), "--gpu_ids", gpus]
        if models.find_model(self.name).needs_gt:
            flags += ["--panels", "3"]
        return ["--model", self.name, *flags, *([] if self.variant == "original" else flags_of(self.variant))]


def write_pictures(folder: Path, name: str, crop_size: int | None) -> None:
    """Write what a method learns from: strips [A|B|GT] for R2GAN, photographs for the blur classifier, else pairs."""
    kind = models.find_model(name)
    side = crop_size or 256
    size = (side, side) if kind.needs_gt else PICTURE
    if name == "fusion2void":
        size = (side, side) if crop_size else WHOLE_PICTURE
    noise = np.random.default_rng(0)
    for number in range(FILES):
        sharp, soft = _draw(noise, *size)
        left = np.arange(size[0])[None, :, None] < size[0] // 2
        a, b = np.where(left, soft, sharp), np.where(left, sharp, soft)
        if name == "blurcnn":
            pictures = {".": sharp}
        else:
            pictures = {".": np.hstack([a, b, sharp])} if kind.needs_gt else {"A": a, "B": b}
        for place, picture in pictures.items():
            path = folder / "train" / place / f"{number:02d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), picture)


def make_ours(case: Case, rank: int = 0, port: int = 0) -> Callable[[], dict]:
    """Return a function that trains for one update as train.py does, in the process that calls it."""
    model = make_model(case, rank, port)
    dataset = data.create_dataset(model.opt, augment=True)
    loader = data.create_loader(dataset, model.opt, train=True, rank=rank, world_size=case.processes)
    loader.sampler.set_position(1)
    return make_update(model, iter(loader), counts="compile" not in case.variant)


def make_update(model: BaseModel, batches: Iterator[dict], counts: bool = True) -> Callable[[], dict]:
    """Return a function that makes one update from the next batches and tells of it.

    Args:
        model: at the start of an epoch.
        batches: as the loader gives them.
        counts: count the operations in the first update, which layers that are compiled would hide.
    """
    clock = Clock(model.device)
    rate = measure_product(model.device, torch.bfloat16 if model.opt.amp == "bf16" else torch.float32)
    operations = 0

    def learn() -> int:
        pairs, moved = 0, False
        while not moved:
            with clock.timing("data"):
                batch = next(batches)
            moved = model.train_on(batch)
            pairs += len(batch["name"]) * getattr(model.opt, "patches_per_photo", 1)
        with clock.timing("communication"):
            distributed.any_process(False)  # whether to stop, as train.py asks after each update
        return pairs

    def update() -> dict:
        nonlocal operations
        with clock.watching():
            if counts and not operations:
                from torch.utils.flop_counter import FlopCounterMode

                with FlopCounterMode(display=False) as counter:
                    pairs = learn()
                operations = counter.get_total_flops()
            else:
                pairs = learn()
        parts, seconds = clock.read()
        return {
            "pairs": pairs, "parts": parts, "seconds": seconds, "operations": operations, "product": rate,
            "losses": model.get_current_losses(), "gpu_memory": measure_gpu_memory(model.device),
        }  # fmt: skip

    update.model = model
    return update


def make_original(case: Case) -> Callable[[], dict]:
    """Return a function that trains for one update in the order of the code in circulation."""
    model = make_model(case)
    model.set_input(draw_batch(model))
    update = importlib.import_module(f"scripts.originals.training.{case.name}").make_update(model, case.phase)
    clock = Clock(model.device)

    def watched_update() -> dict:
        with clock.watching():
            result = update()
        parts, seconds = clock.read()
        return {**result, "parts": parts, "seconds": seconds}

    return watched_update


def make_model(case: Case, rank: int = 0, port: int = 0) -> BaseModel:
    """Return the model that train.py makes, at the start of an epoch that consists of one phase.

    With several processes each calls it with its ``rank`` and a ``port`` of this machine that is free.
    """
    torch.set_num_threads(case.threads)
    if case.processes > 1:
        places = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": case.processes, "MASTER_PORT": port}
        os.environ.update({name: str(value) for name, value in places.items()}, MASTER_ADDR="127.0.0.1")
    with tempfile.TemporaryDirectory() as folder:
        run = ["--name", "bench", "--checkpoints_dir", folder, "--dataroot", case.folder]
        opt = TrainOptions().parse([*run, *case.flags()])
    distributed.start(opt)
    torch.manual_seed(0)
    model = models.create_model(opt)
    model.start_epoch(1)
    model.prelude = sys.maxsize if case.phase == "A" else 0
    return model


def draw_batch(model: BaseModel) -> dict:
    """Return gray pairs of the recipe's size, whole gray levels, as the loader would give them."""
    generator = torch.Generator().manual_seed(1)
    count, side = model.opt.batch_size, model.opt.crop_size
    height = width = side
    if hasattr(model.opt, "patches_per_photo"):
        height, width = 32, 32 * model.opt.patches_per_photo
    elif model.opt.preprocess == "none" and "crop_size" not in model.opt.given:
        width, height = WHOLE_PICTURE
    coarse = torch.rand((3, count, 1, 8, 8), generator=generator)
    batch = {"name": [f"pair {number}" for number in range(count)]}
    for key, shapes in zip(("A", "B", "GT"), coarse, strict=True):
        noise = torch.rand((count, 1, height, width), generator=generator)
        image = 0.8 * torch.nn.functional.interpolate(shapes, (height, width), mode="bilinear") + 0.2 * noise
        batch[key] = ((255 * image).round() / 255).expand(-1, 3, -1, -1)
    return batch


def measure_product(device: torch.device, dtype: torch.dtype) -> float:
    """Return the operations that a product of large matrices makes in a second (of the processor, on a CPU)."""
    side = PRODUCT_SIDE[device.type]
    a, b = (torch.rand(side, side, device=device, dtype=dtype) for _ in range(2))
    torch.mm(a, b)
    took = []
    for _ in range(3):
        if device.type == "cuda":
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            torch.mm(a, b)
            end.record()
            end.synchronize()
            took.append(start.elapsed_time(end) / 1000)
        else:
            start = time.process_time()
            torch.mm(a, b)
            took.append(time.process_time() - start)
    return 2 * side**3 / min(took)


def measure_gpu_memory(device: torch.device) -> float:
    """Return the most that tensors have had of a GPU so far, MiB; 0 on a CPU."""
    return torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else 0.0


class Clock:
    """Sums up the seconds of an update, and of its parts: data, backward, optimiser, communication."""

    def __init__(self, device: torch.device):
        self.device = device
        self._spans: list[tuple] = []
        self._began = 0.0

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Within, torch's own functions and optimisers are timed."""
        from torch.optim import optimizer

        started = []
        hooks = (
            optimizer.register_optimizer_step_pre_hook(lambda *_: started.append(self._now())),
            optimizer.register_optimizer_step_post_hook(lambda *_: self._add("optimiser", started.pop())),
        )
        places = [(torch.autograd, name, "backward") for name in ("backward", "grad")]
        places += [(distributed, "all_reduce_gradients", "communication")]
        functions = [(place, name, getattr(place, name), part) for place, name, part in places]
        for place, name, function, part in functions:
            setattr(place, name, self._timed(function, part))
        self._began = time.perf_counter()
        try:
            yield
        finally:
            for place, name, function, _ in functions:
                setattr(place, name, function)
            for hook in hooks:
                hook.remove()

    @contextlib.contextmanager
    def timing(self, part: str) -> Iterator[None]:
        """Add what happens within, on the processor, to ``part``."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._spans.append((part, start, time.perf_counter()))

    def read(self) -> tuple[dict[str, float], float]:
        """Return the seconds of each part and of all since ``watching`` began, and start anew; waits for a GPU."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        seconds, parts = time.perf_counter() - self._began, dict.fromkeys(PARTS, 0.0)
        for part, start, end in self._spans:
            parts[part] += end - start if isinstance(end, float) else start.elapsed_time(end) / 1000
        self._spans.clear()
        return parts, seconds

    def _timed(self, function: Callable, part: str) -> Callable:
        def timed(*arguments, **options):
            start = self._now()
            try:
                return function(*arguments, **options)
            finally:
                self._add(part, start)

        return timed

    def _now(self):
        if self.device.type != "cuda":
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def _add(self, part: str, start) -> None:
        self._spans.append((part, start, self._now()))


def _draw(noise: np.random.Generator, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a picture that compresses about as a photograph does, and the same blurred: uint8 (H, W, 3)."""
    coarse = cv2.resize(noise.random((12, 12, 3), dtype=np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    sharp = np.clip(225 * coarse + noise.normal(0, 6, (height, width, 3)), 0, 255).astype(np.uint8)
    return sharp, cv2.GaussianBlur(sharp, (0, 0), 3)
