"""What the page is made of, without a browser."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading

import numpy as np
import pytest
import tiny
from visitor import RUN

import models
from models.base_model import BaseModel
from util.errors import UserError
from util.image_io import read_pixels
from webapp.desk import Desk
from webapp.fields import list_fields, to_words
from webapp.methods import Method, list_methods
from webapp.model_cache import ModelCache
from webapp.picture_store import PictureStore
from webapp.uploads import Limits, Upload, join_pair, read_upload

LIMITS = Limits(megapixels=0.01, megabytes=1)
FREE = [name for name in models.model_names() if not models.find_model(name).learns()]


# Methods -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def runs(world, tmp_path):
    """A folder of runs that a test may change."""
    return shutil.copytree(world / "runs", tmp_path / "runs")


def test_lists_runs_with_weights_and_models_that_need_none(runs):
    for name in ("5", "40", "best"):
        shutil.copy(runs / RUN / "latest_net_G.pth", runs / RUN / f"{name}_net_G.pth")
    found, left_out = list_methods(str(runs))
    assert found == [Method("r2gan", RUN, ("latest", "best", "40", "5")), *map(Method, FREE)]
    assert left_out == []
    assert len({method.label for method in found}) == len(found)


def break_weights(run):
    (run / "latest_net_G.pth").unlink()


def break_options(run):
    (run / "train_opt.json").write_text("{")


def rename_model(run):
    content = json.loads((run / "train_opt.json").read_text())
    content["options"]["model"] = "r2gam"
    (run / "train_opt.json").write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("spoil", "said"), [(break_weights, "latest_net_G.pth"), (break_options, "train_opt.json"), (rename_model, "r2gam")]
)
def test_run_that_cannot_be_used_is_left_out_with_a_reason(runs, spoil, said):
    spoil(runs / RUN)
    found, left_out = list_methods(str(runs))
    assert [method for method in found if method.run] == []
    assert len(left_out) == 1 and RUN in left_out[0] and said in left_out[0]


# Options -------------------------------------------------------------------------------------------------------------


def test_form_of_a_run_shows_its_own_values_and_gives_back_what_differs(world):
    fields = {field.flag: field for field in list_fields(Method("r2gan", RUN), str(world / "runs"))}
    assert set(fields) == {"--n_blocks", "--untied_decoders", "--color"}
    assert (fields["--n_blocks"].kind, fields["--n_blocks"].default, fields["--n_blocks"].whole) == ("number", 1, True)
    assert fields["--untied_decoders"].kind == "flag"
    assert fields["--color"].choices == ("rgb", "luma")
    values = {"--n_blocks": 2.0, "--untied_decoders": True, "--color": "rgb"}
    assert to_words(list(fields.values()), values) == ["--n_blocks=2", "--untied_decoders"]


def test_flag_that_a_run_was_trained_with_cannot_be_taken_back(runs):
    content = json.loads((runs / RUN / "train_opt.json").read_text())
    content["options"]["untied_decoders"] = True
    (runs / RUN / "train_opt.json").write_text(json.dumps(content))
    fields = list_fields(Method("r2gan", RUN), str(runs))
    assert [field.flag for field in fields if field.fixed] == ["--untied_decoders"]
    assert to_words(fields, {"--untied_decoders": False}) == []


@pytest.mark.parametrize("name", FREE)
def test_every_method_without_training_has_a_form_and_fuses_with_its_defaults(name, tmp_path):
    fields = list_fields(Method(name), str(tmp_path))
    assert to_words(fields, {field.flag: field.default for field in fields}) == []
    model, opt = ModelCache(1).get([*Method(name).words(None), f"--checkpoints_dir={tmp_path}", "--gpu_ids=-1"])
    assert isinstance(model, BaseModel) and opt.model == name


def test_models_are_kept_until_others_came_or_their_weights_changed(runs):
    cache = ModelCache(1)
    words = [*Method("r2gan", RUN, ("latest",)).words("latest"), f"--checkpoints_dir={runs}", "--gpu_ids=-1"]
    model, _ = cache.get(words)
    assert cache.get(words)[0] is model
    (runs / RUN / "latest_net_G.pth").touch()
    again, _ = cache.get(words)
    assert again is not model
    luma, opt = cache.get([*words, "--color=luma"])
    assert opt.color == "luma" and luma.color_mode == "luma"
    assert cache.get(words)[0] is not again  # there was place for one


# Uploads -------------------------------------------------------------------------------------------------------------


def test_upload_is_read_as_any_image_of_the_house(tmp_path):
    file = tiny.write(tmp_path / "deep.png", np.arange(600, dtype=np.uint16).reshape(20, 30) * 100)
    upload = read_upload("A", "C:/pictures/deep.png", file.read_bytes(), LIMITS)
    assert np.array_equal(upload.pixels, read_pixels(file)) and upload.pixels.dtype == np.uint16
    assert upload.size == (30, 20) and upload.name == "deep.png"


def test_limits_are_kept_before_anything_is_decoded(tmp_path):
    content = tiny.write(tmp_path / "large.png", np.zeros((100, 101), np.uint8)).read_bytes()
    cut = content[:60]  # what is behind the header is not looked at
    with pytest.raises(UserError, match=r"101x100 pixels .* 0.01 megapixels is the most .*--max_megapixels"):
        read_upload("A", "large.png", cut, LIMITS)
    with pytest.raises(UserError, match="1 MB is the most .*--max_megabytes"):
        read_upload("A", "large.png", content + bytes(10**6), LIMITS)


def test_b_is_brought_to_the_size_of_a_where_it_is_wished():
    a, b = Upload("A", "a", tiny.make_image(1, 20, 30)), Upload("B", "b", tiny.make_image(2, 40, 60))
    with pytest.raises(UserError, match="30x20 and 60x40"):
        join_pair(a, b, resize=False)
    same, resized = join_pair(a, b, resize=True)
    assert same is a and resized.size == a.size
    means = b.pixels.reshape(20, 2, 30, 2, 3).mean((1, 3)) / 255  # halved, a pixel is the mean of four
    assert np.abs(resized.pixels - means).max() < 1e-6
    larger = join_pair(b, a, resize=True)[1].pixels
    assert larger.shape == b.pixels.shape and 0 <= larger.min() and larger.max() <= 1
    assert join_pair(a, Upload("B", "c", a.pixels), resize=True)[1].pixels is a.pixels


# Turns ---------------------------------------------------------------------------------------------------------------


def test_works_in_order_and_refuses_when_too_many_wait():
    async def visit():
        desk, gate, order = Desk(max_waiting=1), threading.Event(), []
        first = asyncio.ensure_future(desk.do(lambda: (gate.wait(30), order.append(1))))
        second = asyncio.ensure_future(desk.do(lambda: order.append(2)))
        await asyncio.sleep(0)
        with pytest.raises(UserError, match="busy: one pair is being fused and 1 are waiting"):
            await desk.do(lambda: order.append(3))
        second.cancel()  # its visitor has left
        await asyncio.sleep(0)
        third = asyncio.ensure_future(desk.do(lambda: order.append(4)))
        gate.set()
        await asyncio.gather(first, third)
        desk.close()
        return order, desk.taken

    assert asyncio.run(visit()) == ([1, 4], 0)


def test_pictures_go_with_their_page():
    store = PictureStore()
    page, other = store.open_page(), store.open_page()
    assert page != other and store.put(page, "fused", b"one") != store.put(page, "fused", b"two")
    assert store.get(page, "fused") == b"two" and store.get(other, "fused") is None
    store.close_page(page)
    store.put(page, "fused", b"too late")
    assert store.get(page, "fused") is None
