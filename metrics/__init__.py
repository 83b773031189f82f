"""The judges of fused images. Every name stands for one definition; ``--list metrics`` shows them all.

    from metrics import evaluate
    evaluate("ir.png", "vis.png", "fused.png")         # {"EN": 7.45, "MI": 2.59, ...}: the usual metrics
    evaluate(a, b, fused, metrics="Q_CB,FMI_pixel")    # arrays or tensors

A family of metrics is a module of this folder, and a metric a function with the decorator ``metric``:
docs/adding_a_metric.md.
"""

from __future__ import annotations

from metrics.gray import RULE, to_gray8
from metrics.protocols import find_protocol, protocol_names
from metrics.registry import ARROWS, Metric, find_metric, load_families, metric, metric_names, select
from metrics.scores import evaluate, score, score_pictures
from metrics.table import ScoreTable

load_families(__name__, __path__)

__all__ = ["ARROWS", "RULE", "Metric", "ScoreTable", "evaluate", "find_metric", "find_protocol", "metric",
           "metric_names", "protocol_names", "score", "score_pictures", "select", "to_gray8"]
