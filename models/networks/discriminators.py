"""Discriminators of pix2pix and CycleGAN: a logit per pixel or per patch.

Layer positions, and so the names in a checkpoint, are those of the pix2pix framework.
"""

from __future__ import annotations

from torch import Tensor, nn

from models.networks.layers import make_norm, needs_bias

NETWORKS = {
    "pixel": {
        "class": "PixelDiscriminator",
        "role": "discriminator",
        "title": "PixelGAN, 1x1 convolutions: a verdict per pixel (R2GAN's)",
    },
    "basic": {
        "class": "PatchDiscriminator",
        "role": "discriminator",
        "title": "PatchGAN with 3 layers: a verdict per 70x70 patch",
        "arguments": {"n_layers": 3},
    },
    "n_layers": {
        "class": "PatchDiscriminator",
        "role": "discriminator",
        "title": "PatchGAN with --n_layers_D layers",
    },
}


class PixelDiscriminator(nn.Module):
    """PixelGAN (Isola et al. 2017, section 3.2): 1x1 convolutions, so colours are judged and structure is not.

    Args:
        input_nc: channels of the image.
        ndf: features of the first layer.
        norm: 'batch', 'instance' or 'none'.
    """

    def __init__(self, input_nc: int = 3, ndf: int = 64, norm: str = "batch"):
        super().__init__()
        bias = needs_bias(norm)
        self.net = nn.Sequential(
            nn.Conv2d(input_nc, ndf, 1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(ndf, 2 * ndf, 1, bias=bias),
            make_norm(norm, 2 * ndf),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(2 * ndf, 1, 1, bias=bias),  # as published, although no norm follows it
        )

    def forward(self, image: Tensor) -> Tensor:
        """Judge ``image`` (N, input_nc, H, W) in [-1, 1]: logits (N, 1, H, W)."""
        return self.net(image)


class PatchDiscriminator(nn.Module):
    """PatchGAN (Isola et al. 2017, section 3.2): each logit sees a patch; 70x70 pixels with 3 layers.

    Args:
        input_nc: channels of the image.
        ndf: features of the first layer; they double per layer, up to 8 times.
        n_layers: strided layers, at least 1. The image must be larger than 2 ** (n_layers + 1) pixels each way.
        norm: 'batch', 'instance' or 'none'.
    """

    def __init__(self, input_nc: int = 3, ndf: int = 64, n_layers: int = 3, norm: str = "batch"):
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(input_nc, ndf, 4, stride=2, padding=1), nn.LeakyReLU(0.2, inplace=True)]
        features = ndf
        for depth in range(1, n_layers + 1):
            wider = ndf * min(2**depth, 8)
            layers += [
                nn.Conv2d(features, wider, 4, 2 if depth < n_layers else 1, padding=1, bias=needs_bias(norm)),
                make_norm(norm, wider),
                nn.LeakyReLU(0.2, inplace=True),
            ]
            features = wider
        self.model = nn.Sequential(*layers, nn.Conv2d(features, 1, 4, padding=1))

    def forward(self, image: Tensor) -> Tensor:
        """Judge ``image`` (N, input_nc, H, W) in [-1, 1]: logits (N, 1, H', W'), a logit per patch."""
        return self.model(image)
