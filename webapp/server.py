"""Serving the page until Ctrl-C."""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import sys
from typing import NoReturn

from nicegui import app, ui
from starlette.formparsers import MultiPartParser
from starlette.requests import Request
from starlette.responses import Response

from options.app_options import LOCAL
from util import distributed
from util.errors import UserError
from util.logger import log, warn
from webapp.page import Page
from webapp.service import Service

ENVELOPE = 10**6  # bytes that a browser adds to a file that it sends
AWAY = 60  # seconds that a page may be silent, while scoring keeps the processor busy, before it is forgotten
ICON = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'><circle cx='12' cy='16' r='10' fill='#2f6fdb'/>" \
       "<circle cx='20' cy='16' r='10' fill='#e0862f' fill-opacity='.75'/></svg>"  # fmt: skip


def serve(opt: argparse.Namespace) -> NoReturn:
    """Answer until Ctrl-C or SIGTERM, and leave the process with status 0.

    Raises:
        UserError: the address cannot be listened on, or the GPU that is named is not there.
    """
    port = find_port(opt.host, opt.port)
    if opt.gpu_ids not in ("auto", []):
        distributed.start(argparse.Namespace(gpu_ids=opt.gpu_ids, amp="off"))
    service = Service(opt)
    methods, left_out = service.list_methods()
    for sentence in left_out:
        warn(sentence)
    MultiPartParser.spool_max_size = opt.max_megabytes * 10**6 + ENVELOPE  # uploads stay in memory, never on disk
    add_routes(service)
    shown = f"[{opt.host}]" if ":" in opt.host else opt.host
    app.on_startup(
        lambda: log(f"FuseLab is at http://{shown}:{port} with {len(methods)} methods to choose from; Ctrl-C ends it")
    )
    app.on_shutdown(service.desk.close)
    with contextlib.suppress(KeyboardInterrupt):  # the usual way to end it
        # No graceful wait for open pages: they hold a connection as long as they are open.
        ui.run(host=opt.host, port=port, title="FuseLab", favicon=ICON, dark=None, show=False, reload=False,
               tailwind=False, show_welcome_message=False, timeout_graceful_shutdown=1,
               reconnect_timeout=AWAY)  # fmt: skip
    log("the page has ended")
    # The interpreter's way out would wait for the pair that is being fused, and take seconds to put the libraries away.
    # Nothing is left to be written.
    sys.stderr.flush()
    os._exit(0)


def add_routes(service: Service) -> None:
    """Declare the page, its pictures, and the bound of what may be sent."""

    @ui.page("/")
    def show_page() -> None:
        Page(service)

    @app.get("/pictures/{page}/{name}.png")
    def send_picture(page: str, name: str) -> Response:
        content = service.pictures.get(page, name)
        if content is None:
            return Response(status_code=404)
        return Response(content, media_type="image/png", headers={"Cache-Control": "private, max-age=3600"})

    @app.middleware("http")
    async def refuse_long_requests(request: Request, call_next) -> Response:
        length = request.headers.get("content-length", "0" if request.method != "POST" else "")
        if not length.isdigit() or int(length) > service.limits.megabytes * 10**6 + ENVELOPE:
            return Response("more bytes than this page takes", status_code=413)
        return await call_next(request)


def find_port(host: str, port: int) -> int:
    """Return the port to listen on, a free one for 0.

    Raises:
        UserError: it is taken, or the address is none of this machine's.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            found = probe.getsockname()[1]
    except OSError as error:
        raise UserError(
            f"the page cannot listen on {host} port {port} ({error.strerror or error}); --port and --host choose "
            "another place"
        ) from error
    if host not in (LOCAL, "localhost", "::1"):
        warn(f"--host {host}: whoever reaches this machine can use the page, there is no password ({LOCAL} keeps it "
             "to this machine)")  # fmt: skip
    return found
