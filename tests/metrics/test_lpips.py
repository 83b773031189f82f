"""LPIPS against the package of its authors, on weights made up here: no file is ever fetched."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from lpips_weights import write_weights

from metrics import find_metric, score, select
from metrics.lpips import BACKBONE, CONVOLUTIONS, LINEAR, VARIABLE, _folders
from util.errors import UserError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder that $FUSELAB_WEIGHTS names, with both files."""
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    return write_weights(tmp_path)


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "hub" / "checkpoints"


def draw(seed: int, height: int = 75, width: int = 90) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)


def measure(fused: np.ndarray, gt: np.ndarray):
    return score([find_metric("LPIPS_GT")], fused, fused, fused, gt=gt)["LPIPS_GT"]


@pytest.mark.filterwarnings("ignore::UserWarning:torchvision")
@pytest.mark.parametrize("size", [(31, 31), (75, 90), (64, 33)])
def test_value_is_that_of_the_authors_package(folder, size):
    lpips = pytest.importorskip("lpips")
    theirs = lpips.LPIPS(net="alex", pretrained=False, pnet_rand=True, verbose=False).eval()
    theirs.load_state_dict(torch.load(folder / LINEAR), strict=False)
    state = {f"net.slice{number + 1}.{place}.{kind}": torch.load(folder / BACKBONE)[f"features.{place}.{kind}"]
             for number, (place, *_) in enumerate(CONVOLUTIONS) for kind in ("weight", "bias")}
    unknown = theirs.load_state_dict(state, strict=False).unexpected_keys
    assert not unknown
    fused, gt = draw(1, *size), draw(2, *size)
    with torch.inference_mode():
        pair = [torch.from_numpy(image).float()[None, None].expand(1, 3, -1, -1) / 127.5 - 1 for image in (fused, gt)]
        expected = theirs(*pair).item()
    assert measure(fused, gt) == pytest.approx(expected, rel=1e-5)
    assert expected > 0.01


def test_identical_images_are_no_distance_apart_and_others_equally_far_both_ways(folder):
    assert measure(draw(1), draw(1)) == 0
    assert measure(draw(1), draw(2)) == pytest.approx(measure(draw(2), draw(1)), rel=1e-6)


def test_a_batch_scores_as_its_images(folder):
    stack = torch.from_numpy(np.stack([draw(1), draw(2), draw(3)]))
    gt = torch.from_numpy(np.stack([draw(4), draw(5), draw(3)]))
    together = score([find_metric("LPIPS_GT")], stack, stack, stack, gt=gt)["LPIPS_GT"]
    assert together.tolist() == [measure(*pair) for pair in zip(stack.numpy(), gt.numpy(), strict=True)]


def test_all_leaves_it_out_without_weights_and_its_name_tells_what_is_missing(nowhere):
    assert "LPIPS_GT" not in [chosen.name for chosen in select("all", has_gt=True)]
    with pytest.raises(UserError) as told:
        select("LPIPS_GT", has_gt=True)
    for part in ("cannot be computed here", BACKBONE, LINEAR, str(nowhere), VARIABLE):
        assert part in str(told.value)


def test_weights_are_found_where_torch_keeps_downloads(folder, nowhere):
    assert find_metric("LPIPS_GT").missing()
    assert torch.hub.get_dir() == str(nowhere.parent)
    nowhere.mkdir(parents=True)
    (folder / BACKBONE).rename(nowhere / BACKBONE)
    assert find_metric("LPIPS_GT").missing()
    (folder / LINEAR).rename(nowhere / LINEAR)
    assert not find_metric("LPIPS_GT").missing()
    assert measure(draw(1), draw(2)) > 0


@pytest.mark.parametrize("setting", [{"TORCH_HOME": "~/here"}, {"XDG_CACHE_HOME": "/caches"}, {}])
def test_the_folder_of_downloads_is_torchs(monkeypatch, setting):
    for variable in (VARIABLE, "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in setting.items():
        monkeypatch.setenv(variable, value)
    assert _folders() == [Path(torch.hub.get_dir()) / "checkpoints"]


def test_looking_for_weights_does_not_load_torch(repository):
    code = "import sys; from metrics.lpips import missing_weights; missing_weights(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=repository).returncode == 0


@pytest.mark.parametrize("name", [BACKBONE, LINEAR])
def test_a_broken_or_foreign_file_is_told_in_a_sentence(folder, name):
    whole = (folder / name).read_bytes()
    for content in (b"", b"<html>not found</html>", whole[:-200]):
        (folder / name).write_bytes(content)
        with pytest.raises(UserError, match=f"the weights {folder / name} of the metric LPIPS_GT cannot be read"):
            measure(draw(1), draw(2))
    torch.save({"something": torch.zeros(3)}, folder / name)
    with pytest.raises(UserError, match=f"{folder / name} is not the file of weights that the metric LPIPS_GT needs"):
        measure(draw(1), draw(2))
