"""Fusion2Void's training: its mask, its loss, its rate, and files of its authors' kind."""

from __future__ import annotations

import math

import pytest
import torch

from models.fusion2void_model import choose_source, draw_mask
from models.pyramid import fuse_pyramids
from util.errors import UserError
from util.inference import explain_images, fuse_images
from util.schedule import rate_factor

NAME = "fusion2void"


def test_a_mask_hides_whole_blocks():
    image = torch.zeros(2, 3, 256, 320)
    mask = draw_mask(image, 8, 0.7)
    assert mask.shape == (1, 1, 256, 320) and set(mask.unique().tolist()) == {0, 1}
    blocks = mask.view(32, 8, 40, 8)
    assert torch.equal(blocks, blocks[:, :1, :, :1].expand_as(blocks))
    # 1280 draws: five standard deviations are 0.064
    assert abs(mask.mean().item() - 0.3) < 0.064


@pytest.mark.parametrize("ratio, visible", [(0, 1), (1, 0)])
def test_all_or_nothing_hidden(ratio, visible):
    assert (draw_mask(torch.zeros(1, 3, 16, 16), 8, ratio) == visible).all()


def test_a_mask_covers_sides_that_are_no_multiples():
    assert draw_mask(torch.zeros(1, 3, 37, 21), 8, 0.5).shape == (1, 1, 37, 21)


@pytest.mark.parametrize("choose", ["A", "B", "either"])
def test_fidelity_is_zero_where_a_source_was_chosen(choose, make_model, make_batch):
    model, batch = make_model(NAME, "--accumulate", "1"), make_batch()
    pick = {"A": torch.ones(2, 1, 32, 32), "B": torch.zeros(2, 1, 32, 32)}.get(choose)
    pick = torch.rand(2, 1, 32, 32).round() if pick is None else pick
    chosen = torch.where(pick == 1, batch["A"], batch["B"])
    bias = torch.nn.Parameter(torch.zeros(()))
    model.net_F.forward = lambda a, b: chosen + bias  # what the network would give
    model.train_on(batch)
    assert model.loss_fidelity == 0
    differ = (batch["A"] != batch["B"]).any(1, keepdim=True)
    assert model.value_share_A == pytest.approx(torch.where(differ, pick, 0.5).mean().item())


def test_the_loss_is_the_authors(make_model, make_batch):
    model, batch = make_model(NAME), make_batch()
    model.train_on(batch)
    a, b = batch["A"], batch["B"]
    z = (model.fused - b).abs()  # their order of work
    expected = 10 * (model.fused * z - a * z).abs().mean()
    torch.testing.assert_close(model.loss_fidelity, expected.detach())
    torch.testing.assert_close(model.loss_rec_A, (model.rec_A - a).abs().mean().detach())
    torch.testing.assert_close(model.loss_rec_B, (model.rec_B - b).abs().mean().detach())
    assert torch.equal(model.masked_B, b * model.mask)


def test_a_warm_up_learns_the_pyramid_and_then_ends(make_model, make_batch):
    model, batch = make_model(NAME, "--accumulate", "1", "--warmup_updates", "2"), make_batch()
    a, b = batch["A"], batch["B"]
    for update in range(3):
        model.train_on(batch)
        pyramid, product = (
            (model.fused - fuse_pyramids(a, b, 4)).abs().mean(),
            ((model.fused - a) * (model.fused - b)).abs().mean(),
        )
        torch.testing.assert_close(model.loss_fidelity, 10 * (pyramid if update < 2 else product).detach())


def test_both_orders_and_both_places_are_drawn(make_model, make_batch):
    model, batch, seen = make_model(NAME), make_batch(1), set()
    rec, fusion = model.net_R.forward, model.net_F.forward

    def see_fusion(a, b):
        seen.add(("F", torch.equal(a, batch["A"])))
        return fusion(a, b)

    def see_rec(a, b, fused):
        seen.add(("R", torch.equal(a, model.masked_A)))
        return rec(a, b, fused)

    model.net_F.forward, model.net_R.forward = see_fusion, see_rec
    for _ in range(24):  # one of the four is missed once in four million runs
        model.train_on(batch)
    assert seen == {(name, order) for name in "FR" for order in (True, False)}


def test_what_is_restored_teaches_fusing(make_model, make_batch):
    model = make_model(NAME, "--lambda_fidelity", "0", "--accumulate", "2")
    model.train_on(make_batch())
    assert any(parameter.grad.abs().max() > 0 for parameter in model.net_F.parameters())


def test_the_result_does_not_depend_on_the_order(make_model, make_batch):
    model, batch = make_model(NAME, is_train=False), make_batch()
    there, back = fuse_images(model, batch["A"], batch["B"]), fuse_images(model, batch["B"], batch["A"])
    torch.testing.assert_close(there, back, rtol=0, atol=1e-6)


def test_the_choice_map_shows_the_nearer_source():
    a, b = torch.zeros(1, 3, 1, 3), torch.ones(1, 3, 1, 3)
    fused = torch.tensor([0.1, 0.5, 0.8]).expand(1, 3, 1, 3)
    assert choose_source(fused, a, b).flatten().tolist() == [1, 0.5, 0]


def test_the_rate_goes_down_and_up_again(make_options, make_model, make_batch):
    opt = make_options(NAME)
    for updates, expected in ((0, 2e-4), (500, 1.01e-4), (1000, 2e-6), (1500, 1.01e-4), (2000, 2e-4)):
        assert opt.lr * rate_factor(opt, 7, updates) == pytest.approx(expected)
    model, batch = make_model(NAME, "--lr_half_wave", "4", "--accumulate", "1"), make_batch(1)
    rates = []
    for _ in range(8):
        rates.append(model.schedule.rate())
        model.train_on(batch)
    expected = [2e-6 + 1.98e-4 * (1 + math.cos(math.pi * step / 4)) / 2 for step in range(8)]
    assert rates == pytest.approx(expected)
    assert model.optimizer_F.param_groups[0]["lr"] == model.optimizer_R.param_groups[0]["lr"]


def test_the_wave_goes_on_where_a_run_was_stopped(make_model, make_batch):
    flags = ("--lr_half_wave", "5", "--accumulate", "1")
    whole, stopped, batch = make_model(NAME, *flags), make_model(NAME, *flags), make_batch(1)
    for _ in range(3):
        whole.train_on(batch)
    stopped.load_state_dict(whole.state_dict(), "a state of this test")
    stopped.start_epoch(1, 3)
    assert stopped.schedule.rate() == whole.schedule.rate() < whole.opt.lr


def test_a_lightning_file_of_the_authors_is_read(make_model, make_batch, tmp_path):
    trained, batch = make_model(NAME, "--ema", "0"), make_batch()
    trained.train_on(batch)
    names = {"F": "FusionNet.", "R": "RecNet."}
    state = {
        names[name] + key: value
        for name, network in trained.networks.items()
        for key, value in network.state_dict().items()
    }
    torch.save({"epoch": 3, "global_step": 7, "state_dict": state, "hparams": {"seed": 42}}, tmp_path / "theirs.ckpt")
    loaded = make_model(NAME, is_train=False)
    loaded.load_published(tmp_path / "theirs.ckpt")
    expected = fuse_images(trained, batch["A"], batch["B"])
    assert torch.equal(fuse_images(loaded, batch["A"], batch["B"]), expected)


def test_a_file_of_somebody_else_is_refused(make_model, tmp_path):
    torch.save({"state_dict": {"G.weight": torch.zeros(1)}}, tmp_path / "other.ckpt")
    with pytest.raises(UserError, match="no FusionNet"):
        make_model(NAME, is_train=False).load_published(tmp_path / "other.ckpt")


def test_a_training_image_below_a_block_is_refused(make_model, make_options):
    model, opt = make_model(NAME), make_options(NAME)
    with pytest.raises(UserError, match="smaller than --mask_block 8"):
        model.check_training_size(64, 7, "the pair x of 64x7", opt)


def test_maps_of_a_fused_pair_cost_no_second_fusion(make_model, make_batch):
    model, batch, calls = make_model(NAME, is_train=False), make_batch(), []
    fuse = model.net_F.fuse
    model.net_F.fuse = lambda a, b: calls.append(1) or fuse(a, b)
    fused = fuse_images(model, batch["A"], batch["B"])
    choice = explain_images(model, batch)["choice"]
    assert len(calls) == 1 and torch.equal(choice, choose_source(fused, batch["A"], batch["B"]))
    again = explain_images(model, {**batch, "A": batch["B"], "B": batch["A"]})["choice"]
    assert len(calls) == 2 and torch.equal(again, 1 - choice), "another pair's maps were kept"
