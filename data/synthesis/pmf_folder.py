"""The folder that PMF triplets go to: which files, what it was made with, who may write to it.

``OUT/pmf.json`` records what each part of the folder was made with; ``OUT/PHASE`` holds the strips ``[A | B | GT]`` or,
as triplets, the folders ``A``, ``B`` and ``GT``.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from data.synthesis.label_sources import Photograph
from util.errors import UserError
from util.files import atomic_write

RECORD = "pmf.json"
TRIPLET_FOLDERS = ("A", "B", "GT")
PNG_END = b"IEND\xae\x42\x60\x82"


@dataclass(frozen=True)
class Target:
    """Where the triplet of one photograph and variant goes."""

    photograph: Photograph
    variant: int
    files: tuple[Path, ...]  # one strip, or A, B, GT


def plan_targets(
    photographs: Iterable[Photograph], variants: int, folder: Path, *, layout: str = "strips", prefix: str = ""
) -> list[Target]:
    """List the targets for ``variants`` triplets of each photograph: ``PREFIXname.png``, with several numbered."""
    digits = len(str(variants - 1))
    targets = []
    for photograph in photographs:
        for variant in range(variants):
            number = f"_{variant:0{digits}d}" if variants > 1 else ""
            name = f"{prefix}{photograph.name}{number}.png"
            files = (folder / name,) if layout == "strips" else tuple(folder / part / name for part in TRIPLET_FOLDERS)
            targets.append(Target(photograph, variant, files))
    return targets


def check_place(out: Path, phase: str) -> None:
    """Raise a UserError where ``OUT`` or ``OUT/PHASE`` is a file."""
    for folder in (out, out / phase):
        if folder.exists() and not folder.is_dir():
            raise UserError(f"--out {out}: {folder} is a file where a folder was expected")


def claim_folder(out: Path, phase: str, prefix: str, record: dict, *, overwrite: bool = False) -> None:
    """Enter what is about to be made into ``OUT/pmf.json``, or see that it is what the folder was begun with.

    Args:
        out, phase, prefix: the part of the folder; parts with different prefixes live side by side in one phase.
        record: JSON-ready settings and sources; equal records go on with what is there.
        overwrite: remove what a run with other settings made in this part, and begin anew.

    Raises:
        UserError: the part was made with other settings, or holds images that no run of ours made.
    """
    path, part = out / RECORD, f"{phase}/{prefix}*"
    try:
        parts = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        known = parts.get(part)
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(
            f"{path} cannot be read ({error}), so it is not known how {out} was made; choose another --out"
        ) from error
    record = json.loads(json.dumps(record))
    if known == record:
        return
    others = [other.split("/", 1)[1][:-1] for other in parts if other.startswith(f"{phase}/") and other != part]
    existing = [
        file
        for file in _list_pngs(out / phase)
        if file.name.startswith(prefix)
        and not any(file.name.startswith(other) and len(other) > len(prefix) for other in others)
    ]
    if known is None:
        if existing:
            raise UserError(
                f"{out / phase} holds {len(existing)} images that {path} knows nothing of; choose another --out, "
                "or a --prefix for the new ones"
            )
    elif not overwrite:
        different = [name for name in sorted({*known, *record}) if known.get(name) != record.get(name)]
        there, now = (", ".join(f"{name} {values.get(name)}" for name in different) for values in (known, record))
        raise UserError(
            f"{out / phase} was made with {there} and is now asked for with {now}; choose another --out, "
            "a --prefix for the new ones, or --overwrite to begin anew"
        )
    else:
        for file in existing:
            file.unlink()
    parts[part] = record
    atomic_write(path, json.dumps(parts, indent=2, ensure_ascii=False) + "\n")


def is_whole_png(path: Path) -> bool:
    """Whether the file is there and ends as a PNG ends; a copy that was cut short is made again."""
    try:
        with open(path, "rb") as handle:
            handle.seek(-len(PNG_END), os.SEEK_END)
            return handle.read() == PNG_END
    except OSError:
        return False


@contextmanager
def hold_folders(folders: set[Path]) -> Iterator[None]:
    """Keep other runs out of the folders, and remove the temporary files that killed runs left there.

    The lock is on the folder itself and goes with the process. Where the file system has no locks, both are left out.
    """
    with ExitStack() as held:
        for folder in sorted(folders):
            folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(folder, os.O_RDONLY)
            held.callback(os.close, handle)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(f"another run is making pairs in {folder}; wait for its end, or stop it") from None
            except OSError:
                continue
            for file in folder.glob(".*.tmp.png"):
                file.unlink(missing_ok=True)
        yield


def _list_pngs(folder: Path) -> list[Path]:
    return [
        file
        for place in (folder, *(folder / part for part in TRIPLET_FOLDERS))
        for file in place.glob("*.png")
        if not file.name.startswith(".")
    ]
