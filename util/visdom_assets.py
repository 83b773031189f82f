"""The scripts, styles and fonts that Visdom's page wants and Visdom does not ship: where to have them from.

``python -m visdom.server`` downloads them from CDNs at its start and dies where there are none. Every one of them is
also a file of an npm package, so that a network with nothing but a registry's mirror can serve them, and a folder
filled on one machine (``save``) serves any other. They are kept in a cache, fetched once.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from util.errors import UserError, some
from util.files import atomic_write
from util.logger import log

CDN_TIMEOUT = 10  # seconds
NPM_TIMEOUT = 300  # seconds, for all packages

Fetch = Callable[[Iterable["Asset"]], dict[str, bytes]]


class AssetsUnavailable(Exception):
    """A source could not give what it was asked for; the message says what was tried and why it failed."""


@dataclass(frozen=True)
class Asset:
    """One file of the page.

    Attributes:
        path: below Visdom's ``static`` folder.
        package: npm package and version, the ones that visdom 0.2.4 downloads.
        member: the file inside the package.
        url: the CDN's address where it is not unpkg's of ``package`` and ``member``.
        required: False for what the page renders without (icons' font, source maps, the login page's hash).
    """

    path: str
    package: str
    member: str
    url: str = ""
    required: bool = True

    @property
    def address(self) -> str:
        return self.url or f"https://unpkg.com/{self.package}/{self.member}"


def _icons(suffix: str) -> Asset:
    name = f"fonts/glyphicons-halflings-regular.{suffix}"
    return Asset(name, "bootstrap@3.3.7", f"dist/{name}", required=False)


def _mathjax(member: str, required: bool = True) -> Asset:
    return Asset(
        f"js/mathjax/2.7.5/{member}",
        "mathjax@2.7.5",
        member,
        f"https://cdnjs.cloudflare.com/ajax/libs/mathjax/2.7.5/{member}?V=2.7.5",
        required,
    )


ASSETS = (
    Asset("css/bootstrap.min.css", "bootstrap@3.3.7", "dist/css/bootstrap.min.css"),
    Asset("css/react-grid-layout-styles.css", "react-grid-layout@0.16.3", "css/styles.css"),
    Asset("css/react-resizable-styles.css", "react-resizable@1.4.6", "css/styles.css"),
    Asset("js/bootstrap.min.js", "bootstrap@3.3.7", "dist/js/bootstrap.min.js"),
    Asset(
        "js/d3-selection-multi.v1.js",
        "d3-selection-multi@1.0.1",
        "build/d3-selection-multi.js",
        "https://d3js.org/d3-selection-multi.v1.js",
    ),
    Asset("js/d3.v3.min.js", "d3@3.5.17", "d3.min.js", "https://d3js.org/d3.v3.min.js"),
    Asset("js/jquery.min.js", "jquery@3.1.1", "dist/jquery.min.js"),
    Asset("js/layout_bin_packer.js", "layout-bin-packer@1.4.0", "dist/layout-bin-packer.js"),
    Asset("js/layout-bin-packer.js.map", "layout-bin-packer@1.4.0", "dist/layout-bin-packer.js.map", required=False),
    Asset(
        "js/plotly-plotly.min.js",
        "plotly.js-dist-min@2.11.1",
        "plotly.min.js",
        "https://cdn.plot.ly/plotly-2.11.1.min.js",
    ),
    Asset("js/react-dom.min.js", "react-dom@16.2.0", "umd/react-dom.production.min.js"),
    Asset("js/react-modal.min.js", "react-modal@3.1.10", "dist/react-modal.min.js", required=False),
    Asset("js/react-react.min.js", "react@16.2.0", "umd/react.production.min.js"),
    Asset("js/saveSvgAsPng.js", "save-svg-as-png@1.4.17", "lib/saveSvgAsPng.js"),
    Asset("js/sjcl.js", "sjcl@1.0.7", "sjcl.js", required=False),
    _mathjax("MathJax.js"),
    _mathjax("config/TeX-AMS-MML_HTMLorMML.js"),
    _mathjax("config/Safe.js", required=False),
    _mathjax("extensions/Safe.js", required=False),
    _mathjax("jax/output/SVG/config.js", required=False),
    _mathjax("jax/output/SVG/jax.js", required=False),
    _mathjax("jax/output/SVG/fonts/TeX/fontdata.js", required=False),
    _mathjax("jax/output/SVG/fonts/TeX/Size1/Regular/Main.js", required=False),
    _icons("woff2"),
    _icons("woff"),
    _icons("ttf"),
    _icons("eot"),
    _icons("svg"),
)


def cache_folder() -> Path:
    """Return where assets are kept: ``$XDG_CACHE_HOME/fuselab/visdom/static``, by default below ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fuselab" / "visdom" / "static"


def missing(folder: Path, required_only: bool = False) -> list[Asset]:
    """Return the assets that are not in a folder (or empty there)."""
    return [
        asset
        for asset in ASSETS
        if (asset.required or not required_only)
        and not ((folder / asset.path).is_file() and (folder / asset.path).stat().st_size > 0)
    ]


def provide(source: str, cache: Path) -> list[Asset]:
    """Fill the cache with what it lacks.

    Args:
        source: ``cdn``, ``npm``, ``auto`` (the CDNs, and where they do not answer npm), or a folder that ``save`` made.

    Returns:
        The assets that could not be had and that the page renders without.

    Raises:
        UserError: the page would not render; the sentence says what is missing, what was tried and what mends it.
    """
    tried = []
    if missing(cache):
        for name, fetch in _sources(source).items():
            wanted = missing(cache)
            if not wanted:
                break
            log(f"fetching {len(wanted)} files of Visdom's page ({name}) into {cache}")
            try:
                for path, content in fetch(wanted).items():
                    atomic_write(cache / path, content)
            except AssetsUnavailable as problem:
                tried.append(str(problem))
    lacking = missing(cache, required_only=True)
    if lacking:
        raise UserError(
            f"Visdom's page lacks {some((asset.path for asset in lacking), 3)} ({'; '.join(tried)}): run "
            "`scripts/visdom_server.sh --save_assets FOLDER` on a machine with a network, copy FOLDER here "
            "and give --assets FOLDER"
        )
    return missing(cache)


def save(cache: Path, folder: Path) -> None:
    """Copy the cached assets to a folder that serves as a source on another machine."""
    for asset in ASSETS:
        if (cache / asset.path).is_file():
            atomic_write(folder / asset.path, (cache / asset.path).read_bytes())


def _sources(source: str) -> dict[str, Fetch]:
    if source == "auto":
        return {"CDNs": fetch_from_cdn, "npm": fetch_from_npm}
    if source == "cdn":
        return {"CDNs": fetch_from_cdn}
    if source == "npm":
        return {"npm": fetch_from_npm}
    folder = Path(source).expanduser()
    if not folder.is_dir():
        raise UserError(f"--assets {source} is neither a folder nor one of auto, cdn, npm")
    return {str(folder): lambda wanted: _read_folder(folder, wanted)}


def fetch_from_cdn(wanted: Iterable[Asset]) -> dict[str, bytes]:
    """Download assets from where visdom downloads them; the first address that fails ends it (AssetsUnavailable)."""
    contents = {}
    for asset in wanted:
        try:
            request = urllib.request.Request(asset.address, headers={"User-Agent": "Mozilla/5.0"})
            with urllib.request.urlopen(request, timeout=CDN_TIMEOUT) as answer:
                contents[asset.path] = answer.read()
        except OSError as error:
            if asset.required:
                raise AssetsUnavailable(f"{asset.address} did not answer: {getattr(error, 'reason', error)}") from error
            continue
        if contents[asset.path].lstrip()[:15].lower().startswith((b"<!doctype html", b"<html")):
            raise AssetsUnavailable(f"{asset.address} answered with a page: a network's login, not the script")
    return contents


def fetch_from_npm(wanted: Iterable[Asset]) -> dict[str, bytes]:
    """Take assets from npm's packages, with npm's own client and settings (a mirror, a proxy, its cache)."""
    wanted = list(wanted)
    npm = shutil.which("npm")
    if npm is None:
        raise AssetsUnavailable("npm is not on PATH")
    packages = sorted({asset.package for asset in wanted})
    with tempfile.TemporaryDirectory() as temporary:
        command = [
            npm,
            "pack",
            "--silent",
            "--prefer-offline",
            "--fetch-retries",
            "1",
            "--fetch-timeout",
            "60000",
            "--pack-destination",
            temporary,
            *packages,
        ]
        try:
            done = subprocess.run(command, cwd=temporary, capture_output=True, text=True, timeout=NPM_TIMEOUT)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise AssetsUnavailable(f"npm pack failed: {error}") from error
        contents = {}
        for package in packages:
            archive = Path(temporary) / f"{package.replace('@', '-')}.tgz"
            if not archive.is_file():
                reason = (done.stderr.strip() or done.stdout.strip() or f"status {done.returncode}").splitlines()[-1]
                raise AssetsUnavailable(f"npm pack {package} failed: {reason}")
            contents |= _unpack(archive, [asset for asset in wanted if asset.package == package])
    return contents


def _unpack(archive: Path, wanted: list[Asset]) -> dict[str, bytes]:
    members = {asset.member: asset.path for asset in wanted}
    contents = {}
    with tarfile.open(archive) as package:
        for entry in package:
            # The first folder is "package" by custom only; the rest is the path that the package's author sees.
            path = members.get(entry.name.partition("/")[2])
            if path and entry.isfile():
                contents[path] = package.extractfile(entry).read()
    return contents


def _read_folder(folder: Path, wanted: Iterable[Asset]) -> dict[str, bytes]:
    contents = {asset.path: (folder / asset.path).read_bytes() for asset in wanted if (folder / asset.path).is_file()}
    if not contents:
        raise AssetsUnavailable(f"{folder} holds none of them")
    return contents
