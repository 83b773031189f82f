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
_protocols = {OWN.name: OWN}


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
