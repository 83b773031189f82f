"""The options that say how fused images are judged: shared by testing and evaluating."""

from __future__ import annotations

import argparse
from pathlib import Path

import metrics
from metrics.protocols import OWN, Protocol
from options.option_parser import OptionParser
from options.types import choice, whole_number
from util.errors import UserError
from util.files import REPOSITORY


def add_scoring_options(parser: OptionParser) -> None:
    """Declare by what is scored, on how many processors, and where the results go."""
    scoring = parser.group("scoring")
    scoring.add_argument(
        "--results_dir",
        default=str(REPOSITORY / "results"),
        metavar="FOLDER",
        help="where results are kept: a test in RESULTS_DIR/NAME/PHASE_EPOCH, an evaluation in "
        "RESULTS_DIR/NAME/DATASET_PHASE",
    )
    scoring.add_argument(
        "--metrics",
        default="fast",
        metavar="NAMES",
        help="what to score by: fast (the usual ones), all, none, or names such as EN,Qabf,VIF (--list metrics)",
    )
    scoring.add_argument(
        "--metrics_protocol",
        type=choice(*metrics.protocol_names()),
        default=OWN.name,
        metavar="NAME",
        help=f"give a benchmark's own numbers instead: {', '.join(metrics.protocol_names())} (docs/metrics.md)",
    )
    scoring.add_argument(
        "--jobs",
        type=whole_number(0, 1024),
        default=0,
        metavar="N",
        help="processes that score and write pictures; 1 stays in this one, 0 takes a process for each core",
    )
    scoring.add_argument(
        "--resume",
        action="store_true",
        help="go on with what the same command had finished when it was stopped; nothing is fused or scored again",
    )


def check_scoring_options(opt: argparse.Namespace) -> None:
    """Check what can be checked before the data are seen, and make ``results_dir`` absolute.

    Raises:
        UserError: a metric is unknown, or both a choice of metrics and another protocol are given.
    """
    opt.results_dir = str(Path(opt.results_dir).expanduser().absolute())
    protocol = metrics.find_protocol(opt.metrics_protocol)
    if protocol.metrics and "metrics" in opt.given:
        raise UserError(
            f"--metrics {opt.metrics} and --metrics_protocol {protocol.name} exclude each other: the protocol is a "
            "choice of metrics by itself"
        )
    choose_metrics(opt, has_gt=True)  # names first: whether the data have a ground truth is seen later


def choose_metrics(opt: argparse.Namespace, has_gt: bool) -> tuple[Protocol, list[metrics.Metric]]:
    """Return the protocol and the metrics that the options ask for.

    Raises:
        UserError: a name is unknown, or a metric needs a ground truth that is not there.
    """
    protocol = metrics.find_protocol(opt.metrics_protocol)
    return protocol, metrics.select(protocol.metrics or opt.metrics, has_gt)
