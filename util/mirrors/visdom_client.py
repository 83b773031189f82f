"""Talks to a Visdom server: one JSON message per request, with a time-out on everything.

The protocol is that of visdom's own client (POST of ``{"win", "eid", "data", "layout", "opts"}`` to ``/events``). That
client is not used: it has no time-outs, prints a traceback per message that does not arrive, takes seconds to import,
and would have to be installed where only the server needs it.
"""

from __future__ import annotations

import http.client
import json
from urllib.parse import quote, urlsplit

from util.errors import UserError

TIMEOUT = 5.0  # seconds for connecting, and for each answer


class ServerGone(Exception):
    """No Visdom server answers, or something else does; the message says which, without a full stop."""


class VisdomClient:
    """A connection to one Visdom server and one environment on it. It is made at the first message.

    Args:
        server: ``--display_server``, such as ``http://localhost``; a path after the host is the server's base URL, and
            a port in it is used in place of ``port``.
        port: ``--display_port``.
        environment: ``--display_env``.

    Raises:
        UserError: ``server`` is no address.
    """

    def __init__(self, server: str, port: int, environment: str, timeout: float = TIMEOUT):
        try:
            parts = urlsplit(server if "://" in server else f"http://{server}")
            valid, port = parts.scheme in ("http", "https") and parts.hostname, parts.port or port
        except ValueError:
            valid = False
        if not valid:
            raise UserError(
                f"--display_server {server} is not an address of a Visdom server: give one such as http://localhost"
            )
        self.environment = environment.replace("/", "_")  # as the server does, but not in every place
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        self._base = parts.path.rstrip("/")
        self.address = f"{parts.scheme}://{host}:{port}{self._base}"
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname, port, timeout=timeout)

    @property
    def page(self) -> str:
        """The address of the environment's page, for a browser on this machine."""
        return f"{self.address}/env/{quote(self.environment)}"

    @property
    def connected(self) -> bool:
        """Whether a connection is open; the server may have left it meanwhile."""
        return self._connection.sock is not None

    def post(self, endpoint: str, message: dict) -> str:
        """Send a message and return the answer; raises ServerGone."""
        body = json.dumps({"eid": self.environment, **message}).encode("utf-8")
        try:
            self._connection.request("POST", f"{self._base}/{endpoint}", body, {"Content-Type": "application/json"})
            answer = self._connection.getresponse()
            text = answer.read().decode("utf-8", errors="replace")
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise ServerGone(f"no Visdom server answers at {self.address} ({_reason(error)})") from error
        if answer.status != 200:
            self.close()
            raise ServerGone(f"what answers at {self.address} is no Visdom server (status {answer.status})")
        return text

    def greet(self) -> None:
        """Connect, make sure that a Visdom server answers, and that it has the environment; raises ServerGone."""
        try:
            environments = json.loads(self.post("env_state", {}))
        except ValueError:
            environments = None
        if not isinstance(environments, list):
            self.close()
            raise ServerGone(f"what answers at {self.address} is no Visdom server")
        # A browser that opens the page of an environment that does not exist yet would never show it.
        self.post(f"env/{quote(self.environment)}", {})

    def save(self) -> None:
        """Have the server keep this environment on its disk; raises ServerGone."""
        self.post("save", {"data": [self.environment]})

    def close(self) -> None:
        self._connection.close()


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "time-out"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
