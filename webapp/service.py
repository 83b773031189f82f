"""What stands behind all pages: the methods, the models, the queue and the pictures."""

from __future__ import annotations

import argparse
import traceback

from util.errors import UserError
from util.lazy import torch
from util.logger import warn
from webapp.desk import Desk
from webapp.fusing import Result, fuse_pair
from webapp.methods import Method, list_methods
from webapp.model_cache import ModelCache
from webapp.picture_store import PictureStore
from webapp.uploads import Limits, Upload, join_pair


class Service:
    """Fuses for every page, one pair at a time."""

    def __init__(self, opt: argparse.Namespace):
        self.opt = opt
        self.limits = Limits(opt.max_megapixels, opt.max_megabytes)
        self.desk = Desk(opt.max_waiting)
        self.pictures = PictureStore()
        self._cache = ModelCache(opt.cached_models)

    def list_methods(self) -> tuple[list[Method], list[str]]:
        """Return what can be chosen now, as ``webapp.methods.list_methods``."""
        return list_methods(self.opt.checkpoints_dir)

    async def fuse(self, method: Method, snapshot: str | None, words: list[str], a: Upload | None, b: Upload | None, *,
                   resize: bool) -> Result:  # fmt: skip
        """Fuse two uploads by a method with further words of ``test.py``'s command line.

        Raises:
            UserError: whatever keeps them from being fused, in a sentence for the page.
        """
        a, b = join_pair(a, b, resize)
        gpu_ids = ",".join(map(str, self.opt.gpu_ids)) if isinstance(self.opt.gpu_ids, list) else self.opt.gpu_ids
        place = [f"--checkpoints_dir={self.opt.checkpoints_dir}", f"--gpu_ids={gpu_ids or -1}"]
        return await self.desk.do(lambda: self._fuse([*method.words(snapshot), *place, *words], a, b))

    def _fuse(self, words: list[str], a: Upload, b: Upload) -> Result:
        width, height = a.size
        try:
            model, opt = self._cache.get(words)
            return fuse_pair(model, opt, a, b)
        except UserError:
            raise
        except Exception as error:  # the page stays up, whatever happened to one pair
            if _is_out_of_memory(error):
                sentence = f"there is not enough memory to fuse {width}x{height} pixels by this method"
                raise UserError(f"{sentence}: give smaller images") from error
            warn("".join(traceback.format_exception(error)).rstrip())
            raise UserError(
                "fusing failed by a mistake of the program, not of yours: the terminal in which the page was started "
                "shows it"
            ) from error


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in str(error)
