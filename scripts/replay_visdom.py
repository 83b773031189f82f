"""Rebuild a run's Visdom page from what the run has left on disk.

    python scripts/replay_visdom.py PMF_R2GAN
    python scripts/replay_visdom.py PMF_R2GAN --checkpoints_dir /archive/checkpoints --display_port 8098

It draws the windows that a training with the same --display_env and --display_id draws: losses, learning rate and
scores from loss_log.jsonl and val_log.jsonl, the images from the newest epoch in web/images.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

from options.types import whole_number  # noqa: E402
from util.errors import UserError, nearest  # noqa: E402
from util.files import REPOSITORY  # noqa: E402
from util.launch import run_script  # noqa: E402
from util.logger import log  # noqa: E402
from util.mirrors import ImageSet  # noqa: E402
from util.mirrors.dashboard import Dashboard  # noqa: E402
from util.mirrors.visdom_client import ServerGone, VisdomClient  # noqa: E402
from util.run_log import read_records  # noqa: E402


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__)
    parser.add_argument("name", metavar="NAME", help="the run, as --name gave it")
    parser.add_argument("--checkpoints_dir", default=str(REPOSITORY / "checkpoints"), metavar="FOLDER",
                        help="where runs are kept (default: checkpoints)")
    parser.add_argument("--display_server", default="http://localhost", metavar="URL",
                        help="Visdom server (default: http://localhost)")
    parser.add_argument("--display_port", type=whole_number(1, 65535), default=8097, metavar="PORT",
                        help="its port (default: 8097)")
    parser.add_argument("--display_env", default="main", metavar="NAME", help="Visdom environment (default: main)")
    parser.add_argument("--display_id", type=whole_number(1), default=1, metavar="N",
                        help="first window in Visdom (default: 1)")
    parser.add_argument("--display_winsize", type=whole_number(32, 8192), default=256, metavar="PIXELS",
                        help="size of a picture (default: 256)")
    parser.add_argument("--display_ncols", type=whole_number(0, 64), default=4, metavar="N",
                        help="pictures in a row, 0: a window for each (default: 4)")
    return parser.parse_args()


def main() -> None:
    opt = parse_arguments()
    folder = find_run(Path(opt.checkpoints_dir).expanduser(), opt.name)
    losses, scores = read_records(folder / "loss_log.jsonl"), read_records(folder / "val_log.jsonl")
    if not losses:
        raise UserError(f"{folder / 'loss_log.jsonl'} holds no record: the run has printed no loss yet")
    images = read_newest_images(folder / "web" / "images", losses)
    dashboard = Dashboard(opt.name, opt.display_id, opt.display_ncols, opt.display_winsize)
    dashboard.add(losses, scores, images)
    client = VisdomClient(opt.display_server, opt.display_port, opt.display_env)
    try:
        client.greet()
        dashboard.send(client)
        client.save()
    except ServerGone as reason:
        raise UserError(f"{reason}: start one with `bash scripts/visdom_server.sh`, or give --display_server and "
                        "--display_port") from reason
    client.close()
    log(f"{client.page} shows {opt.name}: {len(losses)} records of losses, {len(scores)} of scores, "
        f"{sum(len(image_set.images) for image_set in images)} images")


def find_run(checkpoints: Path, name: str) -> Path:
    """Return a run's folder; raises UserError with the nearest run's name where there is none."""
    folder = checkpoints / name
    if (folder / "loss_log.jsonl").is_file():
        return folder
    known = sorted(path.parent.name for path in checkpoints.glob("*/loss_log.jsonl"))
    close = nearest(name, known)
    hint = f"the nearest is '{close}'" if close else f"there are {len(known)} runs"
    raise UserError(f"no run '{name}' with a loss_log.jsonl is in {checkpoints}; {hint} (--checkpoints_dir)")


def read_newest_images(folder: Path, losses: list[dict]) -> list[ImageSet]:
    """Read the images that the run saved in its newest epoch: one set, or none where it saved none."""
    found: dict[int, dict[str, Path]] = {}
    # By time: the order in which the run shows them.
    for path in sorted(folder.glob("epoch*_*.png"), key=lambda path: (path.stat().st_mtime_ns, path.name)):
        parts = re.fullmatch(r"epoch(\d+)_(.+)\.png", path.name)
        if parts:
            found.setdefault(int(parts[1]), {})[parts[2]] = path
    if not found:
        return []
    epoch = max(found)
    images = {}
    for label, path in found[epoch].items():
        try:
            with Image.open(path) as image:
                images[label] = np.asarray(image.convert("RGB"))
        except OSError as error:
            raise UserError(f"{path} is not an image that can be read ({error}): delete it") from error
    # The image's file says its epoch; how far the run had come in it is known to the epoch's end only.
    last = next((record for record in reversed(losses) if record["epoch"] == epoch), losses[-1])
    return [ImageSet(images, epoch, last["total_iters"], last["step"])]


if __name__ == "__main__":
    run_script(main)
