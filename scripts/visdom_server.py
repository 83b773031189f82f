"""Start a Visdom server that needs no network of its own; see docs/watching.md.

    bash scripts/visdom_server.sh                              # http://localhost:8097, for this machine alone
    bash scripts/visdom_server.sh --assets npm                 # the page's scripts from the npm registry
    bash scripts/visdom_server.sh --save_assets visdom_assets  # fill a folder, for a cluster without a network
    bash scripts/visdom_server.sh --assets visdom_assets       # ... and use it there
    bash scripts/visdom_server.sh --check                      # start, test the page, stop
"""

from __future__ import annotations

import argparse
import getpass
import os
import shutil
import signal
import socket
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from options.types import whole_number  # noqa: E402
from util import visdom_assets  # noqa: E402
from util.errors import UserError, some  # noqa: E402
from util.files import atomic_write  # noqa: E402
from util.launch import run_script  # noqa: E402
from util.logger import log, warn  # noqa: E402

LOCAL = "127.0.0.1"
MAX_MESSAGE = 1024**3  # bytes, as visdom has it


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="visdom_server.sh", formatter_class=argparse.RawDescriptionHelpFormatter,
                                     description=__doc__)
    parser.add_argument("--port", type=whole_number(0, 65535), default=8097, help="0 takes a free one (default: 8097)")
    parser.add_argument("--bind", default=LOCAL, metavar="ADDRESS",
                        help=f"address to listen on; 0.0.0.0 opens the server to the network (default: {LOCAL})")
    parser.add_argument("--assets", default="auto", metavar="SOURCE",
                        help="what the page loads: cdn, npm, a folder from --save_assets, or auto: the CDNs, then npm")
    parser.add_argument("--save_assets", type=Path, metavar="FOLDER", help="fill a folder with the assets and stop")
    parser.add_argument("--env_path", default=str(Path.home() / ".visdom"), metavar="FOLDER",
                        help="where environments are kept (default: ~/.visdom)")
    parser.add_argument("--check", action="store_true", help="start, test that the page and its assets answer, stop")
    return parser.parse_args()


def main() -> int:
    opt = parse_arguments()
    cache = visdom_assets.cache_folder()
    if not opt.save_assets:
        load_visdom()  # refused before anything is fetched
    lacking = visdom_assets.provide(opt.assets, cache)
    if lacking:
        warn(f"the page will do without {some(asset.path for asset in lacking)}")
    if opt.save_assets:
        visdom_assets.save(cache, opt.save_assets)
        log(f"{opt.save_assets} holds the page's assets; on the other machine: "
            f"bash scripts/visdom_server.sh --assets {opt.save_assets}")
        return 0
    server = Server(opt, cache)
    server.check_page()
    if opt.check:
        log(f"{server.address} answers with all that its page loads")
        return 0
    log(f"Visdom is at {server.address}  (train.py --display_port {server.port}; Ctrl-C ends it)")
    tunnel = f"ssh -N -L {server.port}:localhost:{server.port} {getpass.getuser()}@{socket.gethostname()}"
    log(f"from another machine: {tunnel}  (then open http://localhost:{server.port} there)")
    server.serve()
    log("Visdom has ended; its environments are kept in " + opt.env_path)
    return 0


def load_visdom():
    """Import visdom's application; raises UserError where it is not installed."""
    try:
        import visdom.server.app
    except ImportError as error:
        raise UserError(f"visdom cannot be loaded by {sys.executable} ({error}): pip install -r requirements.txt, "
                        "or set FUSELAB_VENV to the environment that has it") from error
    return visdom.server.app


class Server:
    """Visdom's application, listening. Its page is served from a folder of our own: visdom's is left as installed.

    Raises:
        UserError: the port is taken, the address is not of this machine.
    """

    def __init__(self, opt: argparse.Namespace, cache: Path):
        from tornado.httpserver import HTTPServer
        from tornado.ioloop import IOLoop
        from tornado.netutil import bind_sockets

        visdom_app = load_visdom()
        # Visdom's own files beside the fetched ones: copied at each start, as visdom may have been updated.
        shutil.copytree(visdom_app.tornado_settings["static_path"], cache, dirs_exist_ok=True)
        # Without "autoreload" off, an edit of this repository would start the server again and lose what it shows.
        visdom_app.tornado_settings.update(static_path=str(cache), template_path=str(cache), autoreload=False)
        # The page names it relative to the static folder; what it holds comes from visdom's own settings.
        atomic_write(cache.parent / "user" / "style.css", b"")
        Path(opt.env_path).mkdir(parents=True, exist_ok=True)
        self.application = visdom_app.Application(port=opt.port, env_path=opt.env_path.rstrip(os.sep) + os.sep)
        try:
            sockets = bind_sockets(opt.port, address=opt.bind)
        except OSError as error:
            raise UserError(f"Visdom cannot listen on {opt.bind} port {opt.port} ({error.strerror or error}); "
                            "--port and --bind choose another place") from error
        HTTPServer(self.application, max_buffer_size=MAX_MESSAGE).add_sockets(sockets)
        self.port = sockets[0].getsockname()[1]
        host = "localhost" if opt.bind in (LOCAL, "0.0.0.0", "::") else f"[{opt.bind}]" if ":" in opt.bind else opt.bind
        self.address = f"http://{host}:{self.port}"
        self.loop = IOLoop.current()

    def check_page(self) -> None:
        """Ask for the page and everything it loads; raises UserError where an answer is not 200."""
        failed = self.loop.run_sync(self._list_failures)
        if failed:
            raise UserError(f"Visdom's page at {self.address} is not whole: {some(failed)}; delete "
                            f"{visdom_assets.cache_folder()} and start again, with --assets npm or --assets FOLDER")

    async def _list_failures(self) -> list[str]:
        from tornado.httpclient import AsyncHTTPClient

        client = AsyncHTTPClient()
        page = await client.fetch(self.address, raise_error=False)
        if page.code != 200:
            return [f"{page.code} for the page ({page.error})"]
        sources = SourceList()
        sources.feed(page.body.decode("utf-8"))
        failed = []
        for source in sources.found:
            answer = await client.fetch(urljoin(self.address + "/", source), raise_error=False)
            if answer.code != 200:
                failed.append(f"{answer.code} for {source.partition('?')[0]}")
        return failed

    def serve(self) -> None:
        """Answer until Ctrl-C or SIGTERM, then keep the environments on disk."""
        from visdom.utils.server_utils import serialize_env

        for signal_number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signal_number, lambda *_: self.loop.add_callback_from_signal(self.loop.stop))
        self.loop.start()
        # An environment that nobody looked at is not loaded, and visdom would write it back empty.
        state = self.application.state
        loaded = [name for name, windows in state.items() if getattr(windows, "_raw_dict", windows) is not None]
        serialize_env(state, loaded, env_path=self.application.env_path)


class SourceList(HTMLParser):
    """Collects the addresses of the scripts and style sheets of a page, in ``found``."""

    def __init__(self):
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if tag == "script" and given.get("src"):
            self.found.append(given["src"])
        if tag == "link" and given.get("rel") == "stylesheet" and given.get("href"):
            self.found.append(given["href"])


if __name__ == "__main__":
    run_script(main)
