"""A picture fused in tiles is the one that is fused whole: in every pixel, and across the borders of the tiles."""

from __future__ import annotations

import pytest
import torch

import models
from util import inference, tiling
from util.errors import RunError, UserError
from util.inference import explain_images, fuse_images
from util.tiling import Tile, Tiling, cut_tiles, spread_windows

ALL = [*models.model_names(), "template"]
TILED = [name for name in ALL if name != "blurcnn"]  # whose stages are of whole pictures
VARIANTS = [("ignet", "--bn_train_mode"), ("ignet", "--fast", "off"), ("r2gan", "--norm", "instance")]
# Reach and depth kept small, so that a small picture has tiles that do not see all of it.
SMALL = {
    "laplacian": ("--pyramid_levels", "2"),
    "dwt": ("--wavelet_levels", "2"),
    "guided": ("--radius_base", "5", "--radius_detail", "2"),
    "r2gan": ("--n_blocks", "2"),
    "pix2pix": ("--n_blocks", "2"),
}
EXACT = 1e-5
LOOSE = {"--bn_train_mode", "instance"}  # normalisations by a picture's own statistics carry rounding on
SIDE, SIZE = 64, (150, 221)
SIZES = {"ignet": (44, 445), "ignet --fast off": (445, 44)}  # so long that a tile does not see all of it


def draw_weights(model) -> None:
    """Give networks weights that keep signals at their size: new ones of some hardly let a distant pixel through."""
    generator = torch.Generator().manual_seed(1)
    for network in model.networks.values():
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1, generator=generator)
                module.running_var.uniform_(0.5, 1.5, generator=generator)
            elif isinstance(module, (torch.nn.Conv2d, torch.nn.ConvTranspose2d)):
                inputs = (
                    module.weight[0].numel() if isinstance(module, torch.nn.Conv2d) else module.weight[:, 0].numel()
                )
                module.weight.normal_(0, inputs**-0.5, generator=generator)


def know_all(model, monkeypatch, short: int = 1) -> Tiling:
    """Let the one window be the whole picture; with ``short`` divide the reach by it."""
    plan = model.find_tiling(model.opt)
    plan = plan._replace(window=plan.window and 1000, margin=0, reach=plan.reach // short)
    monkeypatch.setattr(type(model), "find_tiling", staticmethod(lambda opt: plan))
    monkeypatch.setattr(tiling, "WINDOWS", (1, 1))
    return plan


def measure_seams(image: torch.Tensor, tiles: list[Tile]) -> list[torch.Tensor]:
    """Return the differences of neighbours on either side of every border between tiles."""
    tops = {tile.rows.start for tile in tiles} - {0}
    lefts = {tile.columns.start for tile in tiles} - {0}
    assert tops or lefts
    return [image[..., top, :] - image[..., top - 1, :] for top in sorted(tops)] + [
        image[..., left] - image[..., left - 1] for left in sorted(lefts)
    ]


@pytest.mark.parametrize("name", [*((name,) for name in TILED), *VARIANTS], ids=" ".join)
def test_tiles_equal_the_whole_and_leave_no_seams(name, make_model, make_batch, monkeypatch):
    """What a network has to know of the whole picture is found in one window here, which is the whole picture."""
    model = make_model(*name, *SMALL.get(name[0], ()), is_train=False)
    size = SIZES.get(" ".join(name), SIZES.get(name[0], SIZE))
    batch = make_batch(2, *size)
    draw_weights(model)
    plan = know_all(model, monkeypatch)
    whole, tiled = (fuse_images(model, batch["A"], batch["B"], tile=tile) for tile in ("off", SIDE))
    tolerance = 10 * EXACT if LOOSE & set(name) else EXACT
    torch.testing.assert_close(tiled, whole, rtol=0, atol=tolerance)
    tiles = cut_tiles(*size, SIDE, plan)
    for of_tiles, of_whole in zip(measure_seams(tiled, tiles), measure_seams(whole, tiles), strict=True):
        torch.testing.assert_close(of_tiles, of_whole, rtol=0, atol=2 * tolerance)


@pytest.mark.parametrize("name", TILED)
def test_tiles_that_see_too_little_are_found_out(name, make_model, make_batch, monkeypatch):
    """The test above can fail: a method's reach is not far larger than it has to be."""
    model, batch = make_model(name, *SMALL.get(name, ()), is_train=False), make_batch(1, *SIZES.get(name, SIZE))
    draw_weights(model)
    if know_all(model, monkeypatch).reach == 0:
        pytest.skip("nothing lies around a pixel")
    whole = fuse_images(model, batch["A"], batch["B"], tile="off")
    know_all(model, monkeypatch, short=3)
    assert (fuse_images(model, batch["A"], batch["B"], tile=SIDE) - whole).abs().max() > EXACT


@pytest.mark.parametrize(
    "height, width, side, reach, multiple", [(100, 131, 32, 5, 1), (64, 97, 40, 9, 8), (7, 300, 64, 70, 4)]
)
def test_tiles_cover_a_picture_once_and_see_as_far_as_they_reach(height, width, side, reach, multiple):
    covered = torch.zeros(height, width)
    plan = Tiling(reach=reach, multiple=multiple)
    for tile in cut_tiles(height, width, side, plan):
        covered[tile.rows, tile.columns] += 1
        for (start, stop, _), (first, last, _), length in (
            (tile.rows.indices(height), tile.seen_rows.indices(height), height),
            (tile.columns.indices(width), tile.seen_columns.indices(width), width),
        ):
            assert first <= max(0, start - reach) and last >= min(length, stop + reach)
            assert first % multiple == 0 and (last % multiple == 0 or last == length)
            assert stop - start <= -(-side // multiple) * multiple
    assert covered.eq(1).all()


def test_windows_lie_evenly_in_a_picture():
    windows = spread_windows(400, 300, Tiling(reach=0, multiple=8, window=64))
    assert len(windows) == 12 and len({rows.start for rows, _ in windows}) == 4
    for rows, columns in windows:
        assert rows.stop - rows.start == columns.stop - columns.start == 64
        assert rows.start % 8 == 0 and 0 <= rows.start and rows.stop <= 400 and columns.stop <= 300
    small = spread_windows(20, 300, Tiling(reach=0, multiple=8, window=64))
    assert all(rows == slice(0, 20) for rows, _ in small)


def test_auto_fuses_in_tiles_only_what_is_huge(make_model, make_batch, monkeypatch):
    model, batch, sizes = make_model("fusion2void", is_train=False), make_batch(1, 60, 70), []
    fuse = model.fuse
    model.fuse = lambda a, b: sizes.append(a.shape[-2:]) or fuse(a, b)
    fuse_images(model, batch["A"], batch["B"])
    assert sizes == [(60, 70)]
    assert "choice" in explain_images(model, batch)
    monkeypatch.setattr(tiling, "WHOLE_UP_TO", 60 * 70 - 1)
    monkeypatch.setattr(type(model), "find_tiling", staticmethod(lambda opt: Tiling(reach=19, side=40)))
    sizes.clear()
    fuse_images(model, batch["A"], batch["B"])
    assert sizes == [(49, 54)] * 4
    assert explain_images(model, batch) == {}, "maps are of whole pictures"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ],
    ids=["numpy", "gpu", "cpu"],
)
def test_what_does_not_fit_is_fused_in_tiles_and_this_is_said(error, make_model, make_batch, capsys, monkeypatch):
    model, batch = make_model("fusion2void", is_train=False), make_batch(1, 260, 300)
    expected = fuse_images(model, batch["A"], batch["B"], tile="off")
    fuse = model.net_F.fuse

    def fuse_small(a, b):
        if a.shape[-1] > 200:
            raise error
        return fuse(a, b)

    monkeypatch.setattr(model.net_F, "fuse", fuse_small)
    torch.testing.assert_close(fuse_images(model, batch["A"], batch["B"]), expected, rtol=0, atol=EXACT)
    said = [line for line in capsys.readouterr().err.splitlines() if "tiles of 130 pixels" in line]
    assert len(said) == 1 and "300x260" in said[0]
    with pytest.raises(RunError, match="--tile off: use --tile auto"):
        fuse_images(model, batch["A"], batch["B"], tile="off")
    monkeypatch.setattr(model.net_F, "fuse", lambda a, b: (_ for _ in ()).throw(error))
    with pytest.raises(RunError, match="not even in tiles.*--load_size"):
        fuse_images(model, batch["A"], batch["B"])


def test_other_errors_are_not_taken_for_want_of_memory(make_model, make_batch, monkeypatch):
    model, batch = make_model("average", is_train=False), make_batch(1)
    monkeypatch.setattr(model, "fuse", lambda a, b: torch.zeros(2) + torch.zeros(3))
    with pytest.raises(RuntimeError, match="must match"):
        fuse_images(model, batch["A"], batch["B"])


def test_maps_that_do_not_fit_are_left_out(make_model, make_batch, monkeypatch, capsys):
    model, batch = make_model("focus", is_train=False), make_batch(1)

    def explain(a, b):
        raise MemoryError

    monkeypatch.setattr(model, "explain", explain)
    assert explain_images(model, batch) == {}
    assert "maps of pair0" in capsys.readouterr().err


def test_colour_is_put_back_alike_in_bands(make_model, make_batch, monkeypatch):
    model, batch = make_model("template", is_train=False), make_batch(2)
    whole = fuse_images(model, batch["A"], batch["B"])
    monkeypatch.setattr(inference, "BAND", 300)
    assert torch.equal(fuse_images(model, batch["A"], batch["B"]), whole)


def test_a_side_is_refused_where_pictures_are_fused_whole(make_options):
    with pytest.raises(UserError, match="--tile 512.*--model blurcnn.*leave the flag out"):
        make_options("blurcnn", "--tile", "512", is_train=False)
