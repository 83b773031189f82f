"""Scenes with their scores: the one path that validation, ``test.py`` and ``evaluate.py`` share."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import metrics
from util import distributed
from util.errors import RunError, some
from util.gallery.thumbnails import make_thumbnail
from util.image_io import write_image
from util.inference import explain_images, fuse_loader
from util.jobs import choose_jobs, map_jobs
from util.logger import is_main_process, warn
from util.pictures import to_uint8
from util.results import ResultsFolder

SOURCES = ("A", "B", "GT")


@dataclass
class Scene:
    """The pictures of one pair and of what was made of it.

    Attributes:
        name: the pair's.
        pictures: {label: uint8 (H, W, 3)}: "A", "B", "GT" where there is one, a label for each method, and maps.
        gray: the labels whose file is written with one channel.
        methods: {label of a fused picture: the method's name}.
        sources: {label of a fused picture: the sources at its size}, where ``pictures`` has them at another.
    """

    name: str
    pictures: dict[str, np.ndarray]
    gray: set[str]
    methods: dict[str, str]
    sources: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)


@dataclass(frozen=True)
class Judge:
    """Scores scenes and writes their pictures, in any process.

    Attributes:
        selected: the metrics.
        channels: as ``Protocol.channels``.
        folder: where ``images/`` is; None writes nothing.
    """

    selected: tuple[metrics.Metric, ...]
    channels: bool = False
    folder: Path | None = None

    def __call__(self, scene: Scene) -> dict:
        """Return the scene's row: ``name``, ``files`` {label: path}, ``scores`` {method: {metric: value}}, ``reasons``.

        ``reasons`` {method: {metric: why it is nan}} are for ``report_undefined``.
        """
        row: dict = {"name": scene.name, "files": self._write(scene), "scores": {}, "reasons": {}}
        for label, method in scene.methods.items():
            given = {key: scene.pictures[key] for key in SOURCES if key in scene.pictures}
            given |= scene.sources.get(label, {})
            given["fused"] = scene.pictures[label]
            row["reasons"][method] = {}
            row["scores"][method] = metrics.score_pictures(
                self.selected,
                {key.lower(): picture for key, picture in given.items()},
                channels=self.channels,
                reasons=row["reasons"][method],
            )
        return row

    def _write(self, scene: Scene) -> dict[str, str]:
        files = {}
        if self.folder is not None:
            for label, picture in scene.pictures.items():
                files[label] = f"images/{scene.name}_{label}.png"
                write_image(self.folder / files[label], picture, gray=label in scene.gray)
                make_thumbnail(self.folder, files[label])
        return files


def judge_scene(judge: Judge, scene: Scene) -> dict:
    """Let a judge see a scene: a function for ``map_jobs``."""
    return judge(scene)


def judge_share(
    function: Callable, common, items: Iterable, results: ResultsFolder, *, count: int, jobs: int
) -> list[dict]:
    """Let processes work on this rank's share of the scenes behind a progress bar.

    Args:
        function, common, items: as ``map_jobs`` takes them; ``items`` is the share, without ``results.done``.
        results: whose journal takes the rows.
        count: the scenes of all ranks, finished ones included.
        jobs: as ``--jobs`` has it.

    Returns:
        on rank 0 the rows of all ranks, when all have finished; elsewhere nothing.

    Raises:
        RunError: scenes of other ranks are not in the folder.
    """
    from tqdm import tqdm

    ranks, journal = distributed.world_size(), results.journal
    left = count - len(results.done)
    bar = {"total": -(-left // ranks), "unit": "pair", "disable": None if is_main_process() else True}
    with journal.open(), closing(map_jobs(function, common, items, choose_jobs(jobs, left, ranks))) as scored:
        for row in tqdm(scored, **bar):  # what rank 0, whose bar is shown, has to do
            journal.append(row)
    distributed.barrier()
    if not is_main_process():
        return []
    rows = list(journal.read().values())
    if len(rows) != count:
        raise RunError(
            f"{count - len(rows)} of {count} pairs are not in {results.path}: all processes should reach the same "
            "--results_dir, and nobody should clear it"
        )
    return rows


def fuse_scenes(
    model, loader, method: str, *, explain: bool = False, done: Container[str] = ()
) -> Iterator[Scene]:
    """Fuse every pair of a loader; what a file would hold is what is scored: 8-bit pictures.

    Args:
        method: the name under which the model's pictures are scored.
        explain: add the maps that the model offers (``BaseModel.explain``).
        done: names of the pairs that are passed over; a loader gives them where they share a batch with others.
    """
    for batch, fused in fuse_loader(model, loader):
        pictures = {key: to_uint8(batch[key]) for key in SOURCES if key in batch} | {"fused": to_uint8(fused)}
        maps = explain_images(model, batch) if explain else {}
        pictures |= {label: to_uint8(images) for label, images in maps.items()}
        gray = {"A": batch["A_gray"], "B": batch["B_gray"], "fused": batch["A_gray"] & batch["B_gray"]}
        gray |= {label: [images.shape[1] == 1] * len(images) for label, images in maps.items()}
        for number, name in enumerate(batch["name"]):
            if name in done:
                continue
            yield Scene(
                name,
                {label: stack[number] for label, stack in pictures.items()},
                {label for label, flags in gray.items() if flags[number]},
                {"fused": method},
            )


def report_undefined(rows: Sequence[dict]) -> list[str]:
    """Warn, once for each metric, method and reason, of scores that are nan; returns the sentences."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for row in rows:
        for method, reasons in row["reasons"].items():
            for metric, reason in reasons.items():
                found.setdefault((metric, method, reason), []).append(row["name"])
    sentences = [
        f"{metric} of {method} is nan for {len(names)} of {len(rows)} pairs ({some(names, 3)}): {reason}"
        for (metric, method, reason), names in found.items()
    ]
    for sentence in sentences:
        warn(sentence)
    return sentences


def make_table(rows: Sequence[dict], selected: Sequence[metrics.Metric]) -> metrics.ScoreTable:
    """Return the scores of rows, as a judge makes them, as a table."""
    table = metrics.ScoreTable(selected)
    for row in rows:
        for method, scores in row["scores"].items():
            table.add(method, row["name"], scores)
    return table
