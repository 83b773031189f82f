"""Anybody's fused images: which file of a folder belongs to which pair of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from data.check import measure_files
from data.pairing import Pair, fold, index_unique, list_images, split_affix
from util.errors import UserError, some

# What people put before or behind a pair's name; a method's own name is looked for as well.
FUSED_WORDS = ("fused", "fusion", "fuse", "f", "result", "results", "output", "out", "fake_B", "fake")
Group = tuple[Sequence[Pair], list[Path]]  # pairs, and the files among which their pictures are looked for
_OURS = "_fused"  # what test.py writes: NAME_fused.png beside NAME_A.png and NAME_B.png


@dataclass
class FusedFolder:
    """The pictures of one method.

    Attributes:
        method, folder: as they were given.
        files: {pair's name: file}.
        sizes: {pair's name: (width, height) in pixels}.
        missing: names of the pairs that have no picture, or more than one that could be meant.
        broken: a sentence for each file that is no whole image.
        extra: names of files, below the folder, that belong to no pair of the data set.
    """

    method: str
    folder: Path
    files: dict[str, Path] = field(default_factory=dict)
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)

    def resized(self, pairs: Sequence[Pair]) -> list[str]:
        """Return, for each picture that has not its sources' size, what it has instead."""
        return [
            "{} ({}x{} for sources of {}x{})".format(pair.name, *self.sizes[pair.name], *pair.size)
            for pair in pairs
            if pair.name in self.sizes and self.sizes[pair.name] != pair.size
        ]


def find_fused(
    method: str, folder: Path, pairs: Sequence[Pair], all_pairs: Sequence[Pair] | None = None, check: str = "auto"
) -> FusedFolder:
    """Find and check a method's picture of every pair.

    A picture is called like the pair, or like one of its sources; then case, and then words such as ``_fused`` or the
    method's name before or behind it, do not count. A finer rule comes before a coarser one, and none chooses between
    two files. ``FOLDER/images`` of a test is understood, and so are sub-folders named like those of the sources: of
    these three places the one that holds most pictures is used, never two.

    Args:
        method: the name by which ``--fused`` calls it.
        pairs: of a data set, checked.
        all_pairs: these and those that were left out or cut off (by default there are none). They keep their pictures,
            which are not scored: no other pair gets them.
        check: 'full' decodes every file, 'quick' reads headers and ends, 'auto' decides by their number.

    Raises:
        UserError: there is no such folder, it cannot be read, or no picture in it belongs to any pair.
    """
    all_pairs = pairs if all_pairs is None else all_pairs
    found = FusedFolder(method, folder)
    try:
        partners = _find_partners(found, all_pairs)
    except OSError as error:
        raise UserError(f"--fused {method}={folder}: could not be read ({error.strerror or error})") from error
    found.files = {pair.name: partners[pair.name] for pair in pairs if pair.name in partners}
    found.missing = [pair.name for pair in pairs if pair.name not in found.files]
    names = {path: name for name, path in found.files.items()}
    for path, finding in measure_files(names, check).items():
        name = names[path]
        if isinstance(finding, str):
            found.broken.append(finding)
            del found.files[name]
        else:
            found.sizes[name] = finding
    return found


def _find_partners(found: FusedFolder, pairs: Sequence[Pair]) -> dict[str, Path]:
    """Return {pair's name: file} from the place that holds most pictures, and fill in ``found.extra``."""
    folder, given = found.folder, f"--fused {found.method}={found.folder}"
    if folder.is_file():
        raise UserError(f"{given}: this is a file; expected the folder that holds the pictures")
    if not folder.is_dir():
        raise UserError(f"{given}: no such folder")
    words = (*FUSED_WORDS, fold(found.method))
    places = _list_places(folder, pairs)
    results = [_match_groups(place, words) for place in places]
    best = max(range(len(places)), key=lambda number: len(results[number]))
    partners = results[best]
    # What lies directly in the folder is told even where the pictures are below it.
    places = [places[0], places[best]] if partners else places
    files = dict.fromkeys(path for place in places for _, members in place for path in members)
    taken = set(partners.values())
    found.extra = [path.relative_to(folder).as_posix() for path in files if path not in taken]
    if not partners:
        below = [path.name for path in _list_subfolders(folder) if _holds_images(path)]
        hint = f"; perhaps a folder in it is meant ({some(below, 3)})" if below else ""
        if not files:
            raise UserError(f"{given}: no image is in this folder{hint}")
        raise UserError(
            f"{given}: none of its {len(files)} images ({some(found.extra, 3)}) is called like one of the {len(pairs)} "
            f"pairs ({some((pair.name for pair in pairs), 3)}); a picture has the name of its pair, or of one of its "
            f"sources where no other pair shares it{hint}"
        )
    return partners


def _list_places(folder: Path, pairs: Sequence[Pair]) -> list[list[Group]]:
    """Return the folder itself and the places below it where its pictures may be."""
    places = [[(pairs, _without_sources(list_images(folder)))]]
    if (folder / "images").is_dir():
        places.append([(pairs, _without_sources(list_images(folder / "images")))])
    # MD/test/{CT-MRI,PET-MRI}/...: slices of two sets share their names, and a method's folder has the same two parts.
    parts = []
    for part in _list_subfolders(folder):
        if members := [pair for pair in pairs if fold(part.name) in map(fold, pair.a.parts)]:
            parts.append((members, _without_sources(list_images(part))))
    return [*places, parts]


def _list_subfolders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _holds_images(folder: Path) -> bool:
    return any(path.is_dir() and list_images(path) for path in (folder, folder / "images"))


def _without_sources(files: list[Path]) -> list[Path]:
    """Leave out the copies of the sources and of the ground truth that a test keeps beside its pictures."""
    stems = {path.stem for path in files}
    ours = {stem.removesuffix(_OURS) for stem in stems if stem.endswith(_OURS)}
    ours = {base for base in ours if f"{base}_A" in stems and f"{base}_B" in stems}
    kept_beside = {f"{base}_{label}" for base in ours for label in ("A", "B", "GT")}
    return [path for path in files if path.stem not in kept_beside]


def _match_groups(groups: Sequence[Group], words: tuple[str, ...]) -> dict[str, Path]:
    """Return {pair's name: file}, without the pairs for which two groups hold one."""
    partners: dict[str, Path] = {}
    twice: set[str] = set()
    for pairs, files in groups:
        found = _match(pairs, files, words)
        twice |= partners.keys() & found.keys()
        partners |= found
    return {name: path for name, path in partners.items() if name not in twice}


def _match(pairs: Sequence[Pair], files: Sequence[Path], words: tuple[str, ...]) -> dict[str, Path]:
    def strip(path: Path) -> str:
        base = split_affix(path.stem, words)
        return fold(path.stem if base is None else base)

    names = (lambda pair: pair.name, lambda pair: pair.a.stem, lambda pair: pair.b.stem)
    rules = ((lambda path: path.stem, str), (lambda path: fold(path.stem), fold), (strip, fold))
    partners: dict[str, Path] = {}
    for (of_file, of_name), name in product(rules, names):
        taken = set(partners.values())
        candidates = index_unique((path for path in files if path not in taken), of_file)
        left = [pair for pair in pairs if pair.name not in partners]
        wanted = index_unique(left, lambda pair, name=name, of_name=of_name: of_name(name(pair)))
        partners |= {pair.name: candidates[key] for key, pair in wanted.items() if key in candidates}
    return partners
