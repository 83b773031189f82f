"""How every entry script starts and ends: a user's mistake becomes one sentence and an exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from util.errors import UserError
from util.logger import fail

EXIT_INTERRUPTED = 130  # what a shell reports for Ctrl-C


def run_script(main: Callable[[], int | None]) -> None:
    """Call ``main`` and leave the process with its status (None counts as 0).

    A ``UserError`` is printed as ``script.py: error: sentence`` on standard error and its ``exit_status`` is used.
    Any other exception is a bug of ours and keeps its traceback.
    """
    try:
        status = main() or 0
    except UserError as error:
        fail(Path(sys.argv[0]).name, str(error))
        status = error.exit_status
    except KeyboardInterrupt:
        fail(Path(sys.argv[0]).name, "interrupted")
        status = EXIT_INTERRUPTED
    except SystemExit as end:
        status = end.code or 0
    if "RANK" in os.environ:
        # The interpreter's way out takes gloo's threads down while another process may still talk to them: the likely
        # reason why one of some sixty runs ended in SIGABRT. All files are written: leave directly.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)
