"""How every entry script starts and ends: a user's mistake becomes one sentence and an exit status."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from util.allocator import keep_freed_memory
from util.errors import UserError
from util.logger import fail
from util.waiting import sleep_while_waiting

EXIT_INTERRUPTED = 130  # what a shell reports for Ctrl-C
EXIT_TERMINATED = 143  # and for SIGTERM


class Terminated(KeyboardInterrupt):
    """SIGTERM came: everything is put in order as it is for Ctrl-C."""


def run_script(main: Callable[[], int | None]) -> None:
    """Call ``main`` and leave the process with its status (None counts as 0).

    A ``UserError`` is printed as ``script.py: error: sentence`` on standard error and its ``exit_status`` is used.
    Ctrl-C and SIGTERM unwind ``main`` and end in a sentence as well, unless it has handlers of its own.
    Any other exception is a bug of ours and keeps its traceback.
    """
    keep_freed_memory()
    sleep_while_waiting()
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        status = main() or 0
    except UserError as error:
        fail(Path(sys.argv[0]).name, str(error))
        status = error.exit_status
    except Terminated:
        fail(Path(sys.argv[0]).name, "terminated")
        status = EXIT_TERMINATED
    except KeyboardInterrupt:
        fail(Path(sys.argv[0]).name, "interrupted")
        status = EXIT_INTERRUPTED
    except SystemExit as end:
        status = end.code or 0
    finally:
        signal.signal(signal.SIGTERM, before)
    if "RANK" in os.environ:
        # The interpreter's way out takes gloo's threads down while another process may still talk to them: the likely
        # reason why one of some sixty runs ended in SIGABRT. All files are written: leave directly.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


def _terminate(_number, _frame) -> None:
    # Launchers signal a process and then its group: the second may not disturb the clearing up.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated
