"""From file names to pairs: which images of two folders belong together, in which order, and what a pair is called."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from util.errors import some
from util.image_io import is_image_file

_SEPARATORS = r"[-_. ]+"
_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*\ud800-\udfff]')
_LONGEST_NAME = 200  # bytes of UTF-8; file systems allow 255, and pages append their own endings


@dataclass(frozen=True, slots=True)
class Pair:
    """Two images of one scene, and the all-in-focus or otherwise true image where there is one.

    ``panels`` is 0 for separate files. For a strip it is 2 for [A|B] or 3 for [A|B|GT]; the paths are then the same.
    ``size`` is (width, height) of each source in pixels, None until the pair was checked.
    """

    name: str
    a: Path
    b: Path
    gt: Path | None = None
    panels: int = 0
    size: tuple[int, int] | None = None

    def files(self) -> tuple[Path, ...]:
        """The files to be read, each once."""
        return tuple(dict.fromkeys(path for path in (self.a, self.b, self.gt) if path is not None))


@dataclass(frozen=True)
class Problem:
    """Something that keeps an image from being used: ``item`` names it, ``reason`` is what it shares with others."""

    item: str
    reason: str

    def sentence(self) -> str:
        """What ``dataset.skipped`` says of it."""
        return f"left out: {self.item} ({self.reason})"


def describe_problems(problems: Sequence[Problem]) -> str:
    """Say all problems in one sentence, grouped by reason, the first few by name."""
    groups: dict[str, list[str]] = {}
    for problem in problems:
        groups.setdefault(problem.reason, []).append(problem.item)
    return "; ".join(f"{reason}: {some(items)}" for reason, items in groups.items())


def natural_key(text: str) -> tuple:
    """Sort key that puts 3 before 12, folds case, and is total: equal keys mean equal texts.

    >>> sorted(["VIS12", "vis3", "VIS21"], key=natural_key)
    ['vis3', 'VIS12', 'VIS21']
    """
    parts = re.split(r"(\d+)", fold(text))
    return tuple((int(part), "") if i % 2 else (-1, part) for i, part in enumerate(parts)), text


def fold(text: str) -> str:
    """Fold case and Unicode composition: the same name typed on two systems compares equal."""
    return unicodedata.normalize("NFC", text).casefold()


def list_images(folder: Path) -> list[Path]:
    """The images directly in a folder, in natural order; hidden files, Thumbs.db and texts are passed over."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if not entry.name.startswith(".") and entry.is_file()]
    return [path for name in sorted(names, key=natural_key) if is_image_file(path := folder / name)]


def split_affix(stem: str, words: tuple[str, ...]) -> str | None:
    """Take a side's word off a stem: what remains is common to the pair; None where no word is there.

    >>> split_affix("lytro-01-A", ("a", "source_1")), split_affix("IR3", ("ir",)), split_affix("sea", ("a",))
    ('lytro-01', '3', None)
    """
    found = _affix_pattern(words).fullmatch(stem)
    return None if found is None else next((part for part in found.groups() if part is not None), "")


@lru_cache(maxsize=64)
def _affix_pattern(words: tuple[str, ...]) -> re.Pattern:
    alternatives = sorted(map(re.escape, words), key=len, reverse=True)
    word = "(?:" + "|".join(alternatives) + ")"
    # Without a separator a word must touch a number (IR3), and one letter is never enough: "sea" is no "se" of side A.
    glued = "(?:" + "|".join(w for w in alternatives if len(w) > 1) + ")" if max(map(len, words)) > 1 else "(?!)"
    return re.compile(
        rf"{word}|(.+?){_SEPARATORS}{word}|{word}{_SEPARATORS}(.+)|{glued}(\d.*)|(.*\d){glued}", re.IGNORECASE
    )


def match(
    first: Sequence[Path], second: Sequence[Path], first_words: tuple[str, ...], second_words: tuple[str, ...]
) -> tuple[dict[Path, Path], dict[Path, str]]:
    """Find the partner of each image: by equal names, else equal stems, else stems without case and sides' words.

    A coarser rule sees only what the finer ones left over, and never chooses between two candidates. A side's word is
    taken off only where most files of that folder carry one, so that a stray file is not paired by chance.

    Returns:
        (partner of each matched file of ``first``, the pair's name for each of them).
    """
    bases = (_affix_reader(first, first_words), _affix_reader(second, second_words))
    rules: list[tuple[Callable[[Path], str], Callable[[Path], str]]] = [
        (_file_name, _file_name),
        (_stem, _stem),
        (lambda path: fold(path.stem), lambda path: fold(path.stem)),
        (lambda path: fold(bases[0](path)), lambda path: fold(bases[1](path))),
    ]
    partners: dict[Path, Path] = {}
    names: dict[Path, str] = {}
    for number, (first_key, second_key) in enumerate(rules):
        taken = set(partners.values())
        candidates = index_unique((path for path in second if path not in taken), second_key)
        wanted = index_unique((path for path in first if path not in partners), first_key)
        for key, path in wanted.items():
            if key in candidates:
                partners[path] = candidates[key]
                names[path] = bases[0](path) if number == len(rules) - 1 else path.stem
    return partners, names


def _file_name(path: Path) -> str:
    return path.name


def _stem(path: Path) -> str:
    return path.stem


def _affix_reader(files: Sequence[Path], words: tuple[str, ...]) -> Callable[[Path], str]:
    """Return the function that takes a folder's word off a file's stem, unless few files carry one."""
    carried = sum(split_affix(path.stem, words) is not None for path in files)
    if 2 * carried <= len(files):
        return _stem
    return lambda path: path.stem if (base := split_affix(path.stem, words)) is None else base


def index_unique(items: Iterable, key: Callable) -> dict:
    """Return {key: item} of the items whose key no other one has."""
    items = list(items)
    counts = Counter(map(key, items))
    return {key(item): item for item in items if counts[key(item)] == 1}


def name_pairs(pairs: Sequence[Pair]) -> list[Pair]:
    """Make the names safe as file names on every system, and unique when case is folded."""
    used: set[str] = set()
    named = []
    for pair in pairs:
        safe = make_safe(pair.name)
        name, number = safe, 2
        while fold(name) in used:
            name, number = f"{safe}_{number}", number + 1
        used.add(fold(name))
        named.append(replace(pair, name=name))
    return named


def make_safe(name: str, longest: int = _LONGEST_NAME) -> str:
    """Replace what some file system forbids; blanks, brackets and letters of all scripts stay.

    What is longer than ``longest`` bytes of UTF-8 keeps its beginning.

    >>> make_safe("NYU-D (1)"), make_safe("a/b: c.")
    ('NYU-D (1)', 'a_b_ c')
    """
    safe = _UNSAFE.sub("_", name).strip(" .") or "_"
    if len(safe.encode()) <= longest:
        return safe
    # The digest keeps two long names apart.
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return safe.encode()[: longest - 9].decode(errors="ignore") + "~" + digest
