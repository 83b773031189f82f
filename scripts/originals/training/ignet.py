"""IGNet's update on the network in the order of its authors' code; their training code is not public, the losses are
those of our recipe, written out: Sobel by two convolutions, SSIM by windows of 11x11 taps.

Li et al., ACM MM 2023; the state has the official names.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from scripts.originals.ignet import decode, encode
from scripts.originals.training import copy_state
from scripts.originals.training.refusion import sobel


def make_update(model, _: str) -> Callable[[], dict]:
    """Return a function that makes one update with the weights and the batch of our model."""
    state, weights = copy_state(model.net_G)
    adam = torch.optim.Adam(weights, lr=model.opt.lr)
    ir, vis = model.A.contiguous(), model.B.contiguous()

    def update() -> dict:
        features_vis = encode(state, "vis_conv", vis, multiply=False)
        fused = decode(state, encode(state, "inf_conv", ir, multiply=True), features_vis)
        terms = {
            "intensity": functional.l1_loss(fused, torch.maximum(ir, vis)),
            "gradient": functional.l1_loss(sobel(fused), torch.maximum(sobel(ir), sobel(vis))),
            "ssim": 1 - 0.5 * measure_ssim(vis, fused) - 0.5 * measure_ssim(ir, fused),
        }
        adam.zero_grad()
        sum(terms.values()).backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        adam.step()
        return {"pairs": len(ir), "losses": {name: term.item() for name, term in terms.items()}}

    return update


def measure_ssim(x: Tensor, y: Tensor) -> Tensor:
    """Return the mean structural similarity of (N, 1, H, W) in [0, 1]."""
    line = torch.exp(-((torch.arange(11.0) - 5) ** 2) / (2 * 1.5**2))
    window = (line[:, None] * line / line.sum() ** 2)[None, None]
    mean_x, mean_y = functional.conv2d(x, window), functional.conv2d(y, window)
    variance_x = functional.conv2d(x * x, window) - mean_x**2
    variance_y = functional.conv2d(y * y, window) - mean_y**2
    covariance = functional.conv2d(x * y, window) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + 1e-4) / (mean_x**2 + mean_y**2 + 1e-4)
    return (luminance * (2 * covariance + 9e-4) / (variance_x + variance_y + 9e-4)).mean()
