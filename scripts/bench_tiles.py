#!/usr/bin/env python3
"""Measure huge pictures: memory and time of fusing them in tiles, next to whole ones, and what tiles change.

    python scripts/bench_tiles.py                                            # all methods, all tiles of 6000x4000
    python scripts/bench_tiles.py --model ignet --tiles 1 --json tiles.json  # one tile: minutes in place of an hour
    python scripts/bench_tiles.py --model refusion --weights ReFusion_IVIF.pth --pair ir.png vis.png

Memory is the peak of a fresh process that holds a pair of --size and fuses it as test.py does. Its time is that of the
tiles, or of --tiles of them and then counted up by the pixels that all tiles see, and of what is done once a picture.
Whole pictures are of --whole, in another process that takes turns; the ratio is of the processor's time per pixel, the
median over the rounds. The difference is that of a picture of --whole, fused in tiles of half its sides, from the same
fused whole: on --pair, brought to that size, or on noise, which flatters methods that have to know the whole picture.
Weights are drawn unless --weights or --name tell some. With --json rows of earlier calls stay.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import models
from options.option_parser import OptionParser
from options.test_options import TestOptions
from options.types import whole_number
from scripts.bench_inference import make_model
from util import inference, tiling
from util.benchmark import Contestant, describe_machine, format_table, record, width_and_height
from util.errors import UserError
from util.files import atomic_write
from util.image_io import read_image
from util.jobs import count_cores
from util.launch import run_script
from util.lazy import torch
from util.logger import log

HEADS = ("method", "tiles", "seen", "MiB", "CPU s per MP, tiles", "whole", "speed", "largest difference", "mean")


def main() -> None:
    opt = parse()
    if opt.json and Path(opt.json).is_file():
        rows = {row["model"]: row for row in json.loads(Path(opt.json).read_text("utf-8"))}
    else:
        rows = {}
    for name in opt.model:
        rows[name] = measure(name, opt)
        if opt.json:
            atomic_write(Path(opt.json), json.dumps(list(rows.values()), indent=1) + "\n")
    text = "\n\n".join((describe(opt), format_table(HEADS, [format_row(row) for row in rows.values()], texts=3)))
    log(text)
    if opt.record:
        record("tiles", text)


def parse():
    parser = OptionParser(description=__doc__, prog="bench_tiles.py")
    group = parser.group("run")
    group.add_argument("-h", "--help", action="help", help="show this and stop")
    group.add_argument("--model", nargs="+", default=models.model_names(), metavar="NAME", help="methods")
    group.add_argument("--size", type=width_and_height, default="6000x4000", metavar="WxH", help="of the huge pair")
    group.add_argument("--whole", type=width_and_height, default="1200x900", metavar="WxH", help="of the whole one")
    group.add_argument("--tiles", type=whole_number(1), metavar="N", help="fuse N tiles of the huge pair (all)")
    group.add_argument("--pair", nargs=2, metavar="FILE", help="two pictures of one scene, for the difference")
    for flag, value in (("--weights", "FILE"), ("--name", "RUN"), ("--checkpoints_dir", "FOLDER")):
        group.add_argument(flag, metavar=value, help="as of test.py, for weights that are not drawn")
    group.add_argument("--threads", type=whole_number(1, 1024), default=count_cores(), metavar="N", help="of PyTorch")
    group.add_argument("--repeat", type=whole_number(1, 10000), default=3, metavar="N", help="rounds")
    group.add_argument("--json", metavar="FILE", help="keep the rows here")
    group.add_argument("--record", action="store_true", help="put the table into docs/performance.md")
    opt = parser.parse_strictly(sys.argv[1:])
    for name in opt.model:
        models.find_model(name)
    for path in opt.pair or ():
        if not Path(path).is_file():
            raise UserError(f"--pair {path}: no such file")
    return opt


def describe(opt) -> str:
    part = f"{opt.tiles} of the tiles" if opt.tiles else "all tiles"
    return (
        f"{describe_machine(opt.threads)}; pair of {'x'.join(map(str, opt.size))}, {part}, next to one of "
        f"{'x'.join(map(str, opt.whole))} fused whole, median of {opt.repeat}; MiB: peak of the process"
    )


def measure(name: str, opt) -> dict:
    """Return the row of a method."""
    given = {flag: getattr(opt, flag) for flag in ("weights", "name", "checkpoints_dir")}
    flags = [word for flag, value in given.items() if value for word in (f"--{flag}", value)]
    huge = Contestant(f"{name}, huge", make_huge, (name, flags, opt.size, opt.tiles, opt.threads), keep_memory=True)
    whole = Contestant(f"{name}, whole", make_whole, (name, flags, opt.whole, opt.threads), keep_memory=True)
    megapixels = [size[0] * size[1] / 1e6 for size in (opt.size, opt.whole)]
    rounds = []
    with huge, whole:
        for _ in range(opt.repeat):
            huge.run()
            rounds.append((huge.result()["seconds"] / megapixels[0], whole.run().processor / megapixels[1]))
        memory, found = huge.memory()[1], huge.result()
    arguments = (name, flags, opt.whole, opt.pair, opt.threads)
    with Contestant(f"{name}, difference", make_comparison, arguments, keep_memory=True) as comparison:
        comparison.run()
        largest, mean = comparison.result()
    tiled, untiled = (sorted(values)[len(values) // 2] for values in zip(*rounds, strict=True))
    ratios = sorted(one / other for other, one in rounds)
    return {"model": name, "tiles": found["tiles"], "seen": found["seen"], "memory": memory, "tiled": tiled,
            "whole": untiled, "speed": ratios[len(ratios) // 2], "largest": largest, "mean": mean}  # fmt: skip


def format_row(row: dict) -> tuple[str, ...]:
    return (row["model"], row["tiles"], row["seen"], f"{row['memory']:,.0f}", f"{row['tiled']:.2f}",
            f"{row['whole']:.2f}", f"{row['speed']:.2f}", f"{row['largest']:.1e}", f"{row['mean']:.1e}")  # fmt: skip


def make_huge(name: str, flags: list[str], size: tuple[int, int], count: int | None, threads: int) -> Callable:
    """Return a function that fuses a huge pair, or ``count`` tiles of it, and says how long all of it takes."""
    model, (a, b) = load(name, flags, threads), draw(size)
    plan, cut = model.find_tiling(model.opt), tiling.cut_tiles
    tiles = cut(size[1], size[0], plan.side, plan) if plan else []
    part = sorted(tiles, key=count_seen)[-count:] if count else tiles
    all_seen, seen = (max(1, sum(map(count_seen, some))) for some in (tiles, part))

    def run(some: list) -> float:
        inference.tiling.cut_tiles = lambda *_: some
        start = time.process_time()
        inference.fuse_images(model, a, b)
        return time.process_time() - start

    def fuse() -> dict:
        once = run([]) if len(part) < len(tiles) else 0.0
        seconds = once + (run(part) - once) * all_seen / seen
        shape = "x".join(map(str, measure_sides(part[-1]))) if part else "whole"
        return {"seconds": seconds, "tiles": str(len(tiles) or 1), "seen": shape}

    return fuse


def make_whole(name: str, flags: list[str], size: tuple[int, int], threads: int) -> Callable:
    """Return a function that fuses a pair without tiles."""
    model, (a, b) = load(name, flags, threads), draw(size)
    return lambda: inference.fuse_images(model, a, b, tile="off") is None


def make_comparison(name: str, flags: list[str], size: tuple[int, int], pair, threads: int) -> Callable:
    """Return a function that tells how far a picture in tiles is from the whole one: the largest and the mean."""
    model = load(name, flags, threads)
    a, b = (fit(path, size) for path in pair) if pair else draw(size)

    def compare() -> tuple[float, float]:
        if model.find_tiling(model.opt) is None:
            return 0.0, 0.0
        whole, tiled = (inference.fuse_images(model, a, b, tile=tile) for tile in ("off", max(size) // 2))
        difference = (whole - tiled).abs()
        return float(difference.max()), float(difference.mean())

    return compare


def load(name: str, flags: list[str], threads: int):
    """Return a model, with the weights that ``flags`` name or with drawn ones."""
    if flags:
        torch.set_num_threads(threads)
        opt = TestOptions().parse(["--model", name, "--dataroot", ".", "--gpu_ids", "-1", "--no_maps", *flags])
        opt.device = "cpu"
        model = models.load_model(opt)
    else:
        model = make_model(name, [], threads)
        model.speed_up()
    return model


def draw(size: tuple[int, int]) -> list:
    """Return a pair of coloured noise, (1, 3, H, W) each."""
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(1, 3, size[1], size[0], generator=generator) for _ in range(2)]


def fit(path: str, size: tuple[int, int]):
    """Return a picture at a size, (1, 3, H, W)."""
    image = torch.from_numpy(read_image(path)[0]).permute(2, 0, 1)[None]
    return torch.nn.functional.interpolate(image, size=size[::-1], mode="bicubic", antialias=True).clamp(0, 1)


def count_seen(tile: tiling.Tile) -> int:
    """Return the pixels that a tile sees."""
    width, height = measure_sides(tile)
    return width * height


def measure_sides(tile: tiling.Tile) -> tuple[int, int]:
    """Return width and height of what a tile sees."""
    return tile.seen_columns.stop - tile.seen_columns.start, tile.seen_rows.stop - tile.seen_rows.start


if __name__ == "__main__":
    run_script(main)
