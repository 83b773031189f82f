"""R2GAN as a method: its losses and updates, its options and refusals, and what it makes of images."""

from __future__ import annotations

import math

import pytest
import torch

from models.networks.r2gan import R2GANOutput
from models.r2gan_model import R2GANModel
from util import color
from util.errors import UserError
from util.inference import fuse_images


class PerfectGenerator(torch.nn.Module):
    """Gives back the ground truth and both sources, and has a weight so that it can be 'trained'."""

    def __init__(self, truth: torch.Tensor):
        super().__init__()
        self.truth = truth
        self.nothing = torch.nn.Parameter(torch.zeros(1))

    def forward(self, a, b):
        return R2GANOutput(*(image + 0 * self.nothing for image in (self.truth, a, b)))


def test_perfect_outputs_leave_the_adversarial_term_alone(make_model, make_batch):
    model, batch = make_model("r2gan"), make_batch()
    model.net_G = PerfectGenerator(2 * batch["GT"] - 1)
    seen = []
    model.backward = lambda loss: (seen.append(loss.item()), loss.backward())
    model.train_on(batch)
    losses = model.get_current_losses()
    assert losses["G_L1"] == losses["G_rec_A"] == losses["G_rec_B"] == 0
    loss_d, loss_g = seen
    assert loss_g == pytest.approx(losses["G_GAN"]) and loss_g > 0
    assert loss_d == pytest.approx((losses["D_real"] + losses["D_fake"]) / 2)


def test_the_weights_of_the_terms(make_model, make_batch):
    """L1 terms are means over [-1, 1]: twice the distance in [0, 1], times their weights."""
    batch = make_batch()
    for flags, weight_l1, weight_rec in [((), 100, 100), (("--lambda_L1", "10"), 10, 10),
                                         (("--lambda_L1", "10", "--lambda_rec", "3"), 10, 3)]:  # fmt: skip
        model = make_model("r2gan", *flags)
        model.train_on(batch)
        losses, visuals = model.get_current_losses(), model.get_current_visuals()
        for name, ours, target, weight in [("G_L1", "fused", "GT", weight_l1), ("G_rec_A", "rec_A", "A", weight_rec),
                                           ("G_rec_B", "rec_B", "B", weight_rec)]:  # fmt: skip
            distance = (visuals[ours] - batch[target]).abs().mean().item()
            assert losses[name] == pytest.approx(2 * weight * distance, rel=1e-5), (flags, name)


def test_each_update_moves_its_own_network(make_model, make_batch):
    """D steps first, on an image without history; G's step leaves D as it is."""
    model = make_model("r2gan")
    order, weights = [], {}
    for name in ("G", "D"):

        def note(*_, name=name):
            order.append(name)
            weights[name] = [value.clone() for value in model.net_D.parameters()]
            if name == "D":
                assert all(value.grad is None for value in model.net_G.parameters())
            else:
                assert all(value.grad is None and not value.requires_grad for value in model.net_D.parameters())

        model.optimizers[name].register_step_pre_hook(note)
    before = [value.clone() for value in model.net_G.parameters()]
    model.train_on(make_batch())
    assert order == ["D", "G"]
    assert any(not torch.equal(old, new) for old, new in zip(weights["D"], weights["G"], strict=True))
    assert all(torch.equal(old, new) for old, new in zip(weights["G"], model.net_D.parameters(), strict=True))
    assert any(not torch.equal(old, new) for old, new in zip(before, model.net_G.parameters(), strict=True))


@pytest.mark.parametrize("flags", [
    ("--gan_mode", "lsgan", "--netD", "basic"),
    ("--gan_mode", "wgangp", "--netD", "n_layers", "--n_layers_D", "2", "--norm", "instance"),
    ("--gan_mode", "wgangp", "--lambda_gp", "1"),
    ("--untied_decoders", "--n_blocks", "9", "--norm", "none"),
    ("--color", "luma"),
    ("--amp", "bf16"),
    ("--accumulate", "2", "--clip_grad", "1"),
])  # fmt: skip
def test_every_reading_trains(flags, make_model, make_batch):
    model, batch = make_model("r2gan", *flags), make_batch()
    before = {name: [value.clone() for value in net.parameters()] for name, net in model.networks.items()}
    for _ in range(2):
        model.train_on(batch)
    losses = model.get_current_losses()
    assert set(losses) >= {"G_GAN", "G_L1", "G_rec_A", "G_rec_B", "D_real", "D_fake"}
    assert ("D_GP" in losses) == ("wgangp" in flags)
    assert all(math.isfinite(value) for value in losses.values())
    for name, network in model.networks.items():
        assert any(not torch.equal(old, new) for old, new in zip(before[name], network.parameters(), strict=True)), name


def test_training_on_luminance_sees_three_equal_channels(make_model, make_batch):
    model, batch = make_model("r2gan", "--color", "luma"), make_batch()
    model.set_input(batch)
    for name in ("A", "B", "GT"):
        image = getattr(model, name)
        assert torch.equal(image, color.luma(batch[name]).expand(-1, 3, -1, -1)), name


def test_visuals_are_what_the_network_saw_and_made(make_model, make_batch):
    model, batch = make_model("r2gan"), make_batch()
    model.train_on(batch)
    visuals = model.get_current_visuals()
    assert list(visuals) == ["A", "B", "fused", "GT", "rec_A", "rec_B"]
    for name, image in visuals.items():
        assert image.shape == batch["A"].shape and not image.requires_grad, name
        assert image.min() >= 0 and image.max() <= 1, name
    torch.testing.assert_close(2 * visuals["fused"] - 1, model.output.fused.detach())


def make_blocks_pair(seed: int) -> dict:
    """Return four pairs of coloured blocks, each source sharp in one half; anew for each seed."""
    blocks = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    truth = torch.nn.functional.interpolate(blocks, scale_factor=4)
    blurred = torch.nn.functional.avg_pool2d(truth, 9, stride=1, padding=4, count_include_pad=False)
    left = (torch.arange(32) < 16).expand_as(truth)
    a, b = torch.where(left, truth, blurred), torch.where(left, blurred, truth)
    return {"A": a, "B": b, "GT": truth, "name": list("abcd")}


def test_learning_beats_the_mean_and_the_better_source(make_model):
    """The specification's sanity check, on pairs that training never saw."""
    model = make_model("r2gan", "--n_blocks", "1", "--no_dropout", "--lr", "0.002")
    losses = []
    for seed in range(200):
        model.train_on(make_blocks_pair(seed))
        losses.append(model.get_current_losses())
    for name in ("G_rec_A", "G_rec_B"):
        late = sum(record[name] for record in losses[-20:]) / 20  # one pair is harder than another
        assert late < 0.3 * losses[0][name]

    unseen = make_blocks_pair(1000)
    fused = fuse_images(model, unseen["A"], unseen["B"])
    candidates = {"fused": fused, "mean": (unseen["A"] + unseen["B"]) / 2, "A": unseen["A"], "B": unseen["B"]}
    error = {name: (image - unseen["GT"]).abs().mean().item() for name, image in candidates.items()}
    assert error["fused"] < 0.8 * min(error["mean"], error["A"], error["B"]), error


def test_fuse_equals_the_fused_output_in_evaluation_mode(make_model, make_batch):
    model, batch = make_model("r2gan", is_train=False), make_batch()
    with torch.no_grad():
        fused = model.fuse(batch["A"], batch["B"])
        expected = model.net_G(2 * batch["A"] - 1, 2 * batch["B"] - 1).fused
    torch.testing.assert_close(fused, (expected + 1) / 2, rtol=0, atol=0)


def test_test_time_has_no_discriminator(make_model):
    assert set(make_model("r2gan", is_train=False).networks) == {"G"}


@pytest.mark.parametrize("mode", ["rgb", "luma"])
def test_colour_modes(mode, make_model, make_batch):
    """luma gives the chroma of the sources back untouched; gray sources give a gray result in both modes."""
    model, batch = make_model("r2gan", "--color", mode, is_train=False), make_batch()
    a, b = batch["A"], color.luma(batch["B"]).expand(-1, 3, -1, -1)
    gray_a = color.luma(a).expand(-1, 3, -1, -1)
    gray = fuse_images(model, gray_a, b)
    assert torch.equal(gray[:, 0], gray[:, 1]) and torch.equal(gray[:, 1], gray[:, 2])
    colourful = fuse_images(model, a, b)
    assert not torch.equal(colourful[:, 0], colourful[:, 2])
    if mode == "luma":
        inside = ((colourful > 0) & (colourful < 1)).all(1)
        chroma, expected = (color.rgb_to_ycbcr(image)[:, 1:].movedim(1, -1) for image in (colourful, a))
        assert inside.float().mean() > 0.3
        torch.testing.assert_close(chroma[inside], expected[inside], rtol=0, atol=1e-4)
        brightness, expected = (color.luma(image)[:, 0][inside] for image in (colourful, gray))
        torch.testing.assert_close(brightness, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("flags, sentence", [
    (("--netG", "resnet_9blocks"), "--netG resnet_9blocks is no generator of --model r2gan: give R2GAN_generator"),
    (("--netD", "pixle"), "no discriminator is called 'pixle'; the nearest is 'pixel'"),
    (("--crop_size", "30"), "multiples of 4"),
    (("--netD", "basic", "--crop_size", "20"), "24 pixels or more"),
    (("--n_blocks", "0"), "out of range"),
    (("--lambda_rec", "-1"), "out of range"),
])  # fmt: skip
def test_refusals(flags, sentence, make_options):
    with pytest.raises(UserError, match=sentence):
        make_options("r2gan", *flags)


def test_a_size_that_cannot_be_trained_on_is_named(make_model):
    model = make_model("r2gan", "--preprocess", "none")
    with pytest.raises(UserError, match="^the pair x of 34x32 .* multiples of 4"):
        model.check_training_size(34, 32, "the pair x of 34x32", model.opt)
    model.check_training_size(36, 32, "the pair x of 36x32", model.opt)


@pytest.mark.parametrize("netD, smallest", [("pixel", 8), ("basic", 24), ("n_layers", 12)])
def test_the_smallest_size_is_the_smallest_that_trains(netD, smallest, make_model, make_batch):
    flags = ("--netD", netD, "--n_layers_D", "2", "--norm", "instance", "--crop_size", str(smallest))
    model = make_model("r2gan", *flags)
    model.train_on(make_batch(height=smallest, width=smallest))
    assert math.isfinite(model.get_current_losses()["G_GAN"])
    with pytest.raises(UserError, match=f"{smallest} pixels or more"):
        R2GANModel.check_training_size(smallest - 4, smallest, "this", model.opt)


def test_pix2pix_is_r2gan_and_says_so(make_options, make_model, make_batch, capsys):
    accepted = ("--direction", "AtoB", "--pool_size", "0", "--input_nc", "3")
    alias = make_model("pix2pix", "--netG", "R2GAN_generator", "--netD", "pixel", *accepted)
    assert capsys.readouterr().out.count("--model r2gan does the same") == 1
    own, batch = make_model("r2gan"), make_batch()
    for model in (alias, own):
        torch.manual_seed(3)
        model.train_on(batch)
    assert alias.get_current_losses() == own.get_current_losses()


@pytest.mark.parametrize("flags, sentence", [
    (("--netG", "unet_256"), "--netG unet_256 is no generator of --model pix2pix: give R2GAN_generator"),
    (("--pool_size", "50"), "--pool_size: '50' has no meaning for R2GAN, only 0"),
    (("--direction", "BtoA"), "only AtoB"),
    (("--input_nc", "1"), "only 3"),
])  # fmt: skip
def test_pix2pix_refuses_what_would_mean_something_else(flags, sentence, make_options):
    with pytest.raises(UserError, match=sentence):
        make_options("pix2pix", *flags)
