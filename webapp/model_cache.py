"""Models kept ready between requests, those used last."""

from __future__ import annotations

import argparse
from collections import OrderedDict
from pathlib import Path

import models
from options.pair_options import PairOptions
from util import distributed


class ModelCache:
    """Builds models from the words of a command line and keeps the last ``size`` of them. Used on one thread."""

    def __init__(self, size: int):
        self.size = size
        self._kept: OrderedDict[tuple, tuple] = OrderedDict()

    def get(self, words: list[str]) -> tuple[object, argparse.Namespace]:
        """Return (model, its options) for words as ``test.py`` takes them.

        Raises:
            UserError: the options are wrong, or the run's weights do not fit them.
        """
        opt = PairOptions().parse(words)
        key = (*words, _stamp(Path(opt.run_dir)))  # a run that was trained on is read again
        if key not in self._kept:
            while len(self._kept) >= self.size:
                self._kept.popitem(last=False)
            self._kept[key] = (_build(opt), opt)
        self._kept.move_to_end(key)
        return self._kept[key]


def _build(opt: argparse.Namespace):
    distributed.start(opt)
    return models.load_model(opt)


def _stamp(folder: Path) -> tuple:
    return tuple(sorted((path.name, path.stat().st_mtime_ns) for path in folder.glob("*_net_*.pth")))
