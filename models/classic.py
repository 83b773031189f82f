"""What the classic methods share: they learn nothing, so they need no training and no checkpoint."""

from __future__ import annotations

import argparse

from models.base_model import BaseModel


class ClassicModel(BaseModel):
    """A rule that fuses as it is; ``--color`` says whether it sees three channels or the luminance."""

    inference_networks = ()

    def __init__(self, opt: argparse.Namespace):
        super().__init__(opt)
        self.color_mode = opt.color
        self.channels = 3 if opt.color == "rgb" else 1
