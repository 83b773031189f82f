"""Good data, a trained run, and every kind of broken data that a user might have: for ``test_bad_inputs.py``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import tiny
import torch
from commands import REPOSITORY, SMALL, run
from PIL import Image


def make_broken_world(root: Path) -> Path:
    """Fill a folder with good data, a trained run, and every kind of broken data beside them; return it."""
    tiny.make_strips(root / "strips" / "train", 4)
    tiny.make_pairs(root / "pairs" / "test", 2)
    run(
        str(REPOSITORY / "train.py"),
        "--dataroot",
        root / "strips",
        "--name",
        "good",
        "--checkpoints_dir",
        root / "runs",
        *SMALL,
        "--n_epochs",
        "1",
        "--n_epochs_decay",
        "0",
    )
    _break_data(root)
    _break_runs(root / "runs")
    _break_fused(root)
    (root / "results" / "good" / "test_latest").mkdir(parents=True)
    (root / "results" / "good" / "test_latest" / "diary.txt").write_text("mine")
    return root


def _break_data(root: Path) -> None:
    (root / "empty" / "test").mkdir(parents=True)
    (root / "letters" / "test").mkdir(parents=True)
    (root / "letters" / "test" / "letter.txt").write_text("no image")
    lone = tiny.make_pairs(root / "lone" / "test", 2)
    (lone / "B" / "pair-01-B.png").unlink()
    tiny.write(tiny.make_pairs(root / "sizes" / "test", 2) / "B" / "pair-01-B.png", tiny.make_image(1, 24, 31))
    for name, content in {"hollow": b"", "text": b"these are letters, not pixels"}.items():
        (tiny.make_pairs(root / name / "test", 2) / "B" / "pair-01-B.png").write_bytes(content)
    torn = tiny.make_pairs(root / "torn" / "test", 2) / "A" / "pair-00-A.png"
    torn.write_bytes(torn.read_bytes()[:-200])
    levels = np.full((24, 30), 0.5, np.float32)
    levels[3, 4] = np.nan
    nan = tiny.make_pairs(root / "nan" / "test", 2)
    (nan / "A" / "pair-00-A.png").unlink()
    Image.fromarray(levels).save(nan / "A" / "pair-00-A.tif")
    tiny.write(root / "ragged" / "train" / "strip.png", tiny.make_image(0, 32, 97))
    tiny.make_pairs(root / "no_gt" / "train", 2)
    tiny.write(root / "oblong" / "train" / "odd.png", tiny.make_image(0, 30, 90))


def _break_runs(runs: Path) -> None:
    good = runs / "good"

    def copy(name: str) -> Path:
        return Path(shutil.copytree(good, runs / name))

    weights = copy("torn") / "latest_net_G.pth"
    weights.write_bytes(weights.read_bytes()[:3000])
    (copy("hollow") / "latest_net_G.pth").write_bytes(b"")
    torch.save(torch.nn.Linear(2, 2), copy("code") / "latest_net_G.pth")
    (copy("prose") / "latest_net_G.pth").write_text("weights, please")
    torch.save([1, 2, 3], copy("numbers") / "latest_net_G.pth")
    torch.save({"layer.weight": torch.ones(2)}, copy("foreign") / "latest_net_G.pth")
    (copy("no_weights") / "latest_net_G.pth").unlink()
    (copy("bad_json") / "train_opt.json").write_text("{")
    (copy("list_json") / "train_opt.json").write_text("[1]")
    (copy("future") / "train_opt.json").write_text(json.dumps({"format": 99, "options": {}}))
    state = copy("torn_state") / "latest_train_state.pth"
    state.write_bytes(state.read_bytes()[: len(state.read_bytes()) // 2])
    torch.save({"format": 99}, copy("future_state") / "latest_train_state.pth")
    saved = torch.load(good / "latest_train_state.pth", weights_only=True)
    torch.save({**saved, "model": "other"}, copy("other_state") / "latest_train_state.pth")
    del saved["state"]["networks"]["D"]
    torch.save(saved, copy("half_state") / "latest_train_state.pth")


def _break_fused(root: Path) -> None:
    for name, size in {"whole": (24, 30), "small": (12, 15)}.items():
        for number in range(2):
            tiny.write(root / "fused" / name / f"pair-{number:02d}.png", tiny.make_image(number, *size))
    tiny.write(root / "fused" / "half" / "pair-00.png", tiny.make_image(0, 24, 30))
    tiny.write(root / "fused" / "strange" / "sea.png", tiny.make_image(0, 24, 30))
    (root / "fused" / "none").mkdir()
    shutil.copytree(root / "fused" / "whole", root / "fused" / "torn")
    (root / "fused" / "torn" / "pair-01.png").write_bytes(b"letters")
    (root / "results" / "evaluation" / "pairs_test").mkdir(parents=True)
    (root / "results" / "evaluation" / "pairs_test" / "diary.txt").write_text("mine")
