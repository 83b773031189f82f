"""Weight initialisation by ``--init_type`` and ``--init_gain``."""

from __future__ import annotations

from torch import nn

_WEIGHTS = {
    "normal": lambda weight, gain: nn.init.normal_(weight, 0.0, gain),
    "xavier": lambda weight, gain: nn.init.xavier_normal_(weight, gain=gain),
    "kaiming": lambda weight, gain: nn.init.kaiming_normal_(weight, a=0, mode="fan_in"),
    "orthogonal": lambda weight, gain: nn.init.orthogonal_(weight, gain=gain),
}
INIT_TYPES = tuple(_WEIGHTS)

_LINEAR = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d, nn.Linear)


def initialise(network: nn.Module, init_type: str = "normal", gain: float = 0.02) -> nn.Module:
    """Draw the weights of ``network`` anew, in place, from torch's global generator.

    Convolutions and linear layers get weights by ``init_type`` and biases 0, batch normalisation N(1, gain) and 0.
    ``normal`` with gain 0.02 is pix2pix's rule, which R2GAN keeps (DCGAN, Radford et al. 2016, section 3).

    Args:
        network: any module; parts of other kinds are left as they are.
        init_type: ``normal`` is N(0, gain), ``xavier`` and ``orthogonal`` are scaled by ``gain``, ``kaiming`` goes by
            the fan-in alone.
        gain: standard deviation or factor, without unit.

    Returns:
        ``network`` itself.

    Raises:
        ValueError: ``init_type`` is none of ``INIT_TYPES``.
    """
    if init_type not in _WEIGHTS:
        raise ValueError(f"init_type is '{init_type}', expected one of {', '.join(INIT_TYPES)}")
    for module in network.modules():
        if isinstance(module, _LINEAR):
            _WEIGHTS[init_type](module.weight, gain)
        elif isinstance(module, nn.BatchNorm2d) and module.affine:
            nn.init.normal_(module.weight, 1.0, gain)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    return network
