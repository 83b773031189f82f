"""Whose definitions a table follows: FuseLab's own, or those of a published benchmark, to the letter."""

from __future__ import annotations

from dataclasses import dataclass

from metrics import gray
from util.errors import UserError, unknown_name

VERSION = 1  # of FuseLab's own definitions: it rises when a value of any of them changes


@dataclass(frozen=True)
class Protocol:
    """A set of metrics and the rule by which images become what they score.

    Attributes:
        name: for ``--metrics_protocol``.
        title: whose numbers it gives.
        metrics: what is scored, as ``--metrics`` takes it; "" leaves the choice to ``--metrics``.
        channels: True where a colour picture is scored by each of its channels, and the values are averaged.
        verified: what these numbers were compared with.
    """

    name: str
    title: str
    metrics: str = ""
    channels: bool = False
    verified: str = ""

    def line(self, resized: str = "") -> str:
        """Return the line that goes with every table: range, colour, border, size and version."""
        rule = gray.RULE_CHANNELS if self.channels else gray.RULE
        return f"{self.title}, version {VERSION}: {rule}; {resized or 'no picture resized'}"


OWN = Protocol("fuselab", "FuseLab's definitions", verified="the canonical values of docs/metrics.md")

# A metric is listed where FuseLab's value was compared with that of the benchmark's own code on the same gray images
# (tests/metrics/test_protocols.py); what else the benchmark prints is left out.
_PUBLISHED = (
    Protocol(
        "vifb", "VIFB's definitions", "AG,CE,EI,EN,MI_nats,PSNR_vifb,Qabf,Q_CB,Q_CV,RMSE_vifb,SF,SSIM_sum,SD",
        channels=True,
        verified="all 13 metrics, on gray images, to 2e-9 or better (Q_CB 5e-7); of colour pictures VIFB takes SF "
                 "across the seams between channels, which is not reproduced",
    ),
    Protocol(
        "mefb", "MEFB's definitions",
        "AG,CE,EI,EN,PSNR_vifb,Qabf,Q_CV,SF,SD,Q_MI,Q_NCIE,Q_TE_cvejic_compat,Q_P,Q_Wedge_ssim,MEF_SSIM,VIFF",
        verified="16 of 20 metrics, on gray images, to 2e-9 or better; left out: Q_CB (4e-4 apart by rounding ties), "
                 "Q_C and Q_Y (noise in flat windows), FMI (not compared)",
    ),
    Protocol(
        "tang-2022", "Definitions of Tang's scripts before October 2023",
        "EN,SF_unit,SD_uint8,PSNR_tang,MSE_unit,MI_tang,VIF_uint8,AG,CC,SCD",
        verified="the authors' own Metric_TNO.xlsx, to all printed digits; left out: Qabf (6e-5 apart), SSIM, MS_SSIM, "
                 "FMI and Nabf (not in that table)",
    ),
    Protocol(
        "tang-2024", "Definitions of Tang's scripts since October 2023",
        "EN,SF_mean,SD,PSNR_tang,MSE_unit,MI_tang,VIF,AG,CC,SCD,Qabf,SSIM_matlab_L1,Nabf_tang",
        verified="13 of 17 metrics, to 2e-12 or better; left out: three FMI and MS_SSIM (not compared; it is MEF_SSIM)",
    ),
    Protocol(
        "cddfuse", "CDDFuse's definitions",
        "EN,SD,SF_mean,AG_mean,MI_nats,MSE,CC,PSNR_maxF,SCD,VIF,Qabf,SSIM_cddfuse",
        verified="all 12 metrics, to 2e-7, the precision of its float32 arrays (SSIM 1e-5, as with scikit-image before "
                 "0.19); its VIFF is VIF",
    ),
    Protocol(
        "liu", "Definitions of Liu's toolbox of 2012",
        "Q_MI,Q_TE_compat,Q_TE_cvejic_compat,Q_NCIE,Q_G,Q_M_liu,Q_SF,Q_P,Q_S_ssim,Q_W_ssim,Q_CV,Q_CB",
        verified="12 metrics, to 2e-12 or better (Q_CB 5e-7); left out: Q_C and Q_Y (noise or nan in flat windows), "
                 "Q_E (it stops with an error)",
    ),
    Protocol(
        "mfif", "Definitions of Yu Liu's MFIF scripts", "Q_MI,Q_NCIE,Q_P,Q_S,Q_W,Q_E,Q_CV,Q_CB",
        verified="8 metrics, to 2e-12 or better (Q_CB 5e-7); left out: Q_G (Qabf within 4e-3), Q_Y (noise in flat "
                 "windows)",
    ),
    Protocol(
        "nestfuse", "NestFuse's definitions", "EN,MI_2EN,SD_nestfuse,SSIM_matlab",
        verified="4 of 7 metrics, to 2e-12 or better; left out: two FMI (not compared), VIF of steerable pyramids (not "
                 "offered)",
    ),
)  # fmt: skip
_protocols = {protocol.name: protocol for protocol in (OWN, *_PUBLISHED)}


def protocol_names() -> list[str]:
    """The names for ``--metrics_protocol``, FuseLab's own first."""
    return list(_protocols)


def find_protocol(name: str) -> Protocol:
    """Return the protocol of that name.

    Raises:
        UserError: there is none; the sentence names the nearest.
    """
    if name.lower() not in _protocols:
        raise UserError(unknown_name("metrics protocol", name, _protocols, "--help"))
    return _protocols[name.lower()]
