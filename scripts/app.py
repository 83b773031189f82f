"""Serve a page for every model: drop two images, choose a method, get the fused one with its scores.

    python scripts/app.py
    python scripts/app.py --checkpoints_dir checkpoints --port 8060

It offers the trained runs of CHECKPOINTS_DIR and the methods that need no training; docs/app.md tells more. Nothing is
asked of the network, and nothing is written to disk.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from options.app_options import parse_app_options  # noqa: E402
from util.errors import UserError  # noqa: E402
from util.launch import run_script  # noqa: E402


def main() -> None:
    """Serve the page until Ctrl-C."""
    opt = parse_app_options()
    try:
        import nicegui  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"the page needs nicegui, which {sys.executable} cannot load ({error}): pip install -r requirements.txt"
        ) from error

    from webapp.server import serve

    serve(opt)


if __name__ == "__main__":
    run_script(main)
