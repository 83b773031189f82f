"""R2GAN's networks against the authors' own, number for number."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import models
from models import networks
from models.networks.r2gan import translate_official_key, translate_official_state
from tests.reference import fill_weights, read_fixture

TOLERANCE = 1e-5
SIZES = ("64x64", "96x80")


@pytest.fixture(scope="module")
def parity(shared):
    return shared / "parity"


def assert_close(ours: torch.Tensor, theirs: np.ndarray, tolerance: float = TOLERANCE) -> None:
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours.detach().numpy(), theirs, rtol=0, atol=tolerance)


@pytest.mark.parametrize("norm", ["batch", "instance"])
@pytest.mark.parametrize("tie_decoders", [True, False], ids=["tied", "untied"])
def test_generator(parity, norm, tie_decoders):
    """The authors' three decoders hold one set of tensors: separate decoders with equal weights give the same."""
    fixture, arrays = read_fixture(parity, f"r2gan_generator_{norm}")
    state = fill_weights(fixture["table"])
    for key, tensor in state.items():
        np.testing.assert_array_equal(tensor.numpy(), arrays["sd." + key], err_msg=key)
    state |= {alias: state[original] for alias, original in fixture["alias"].items()}

    arguments = {key: value for key, value in fixture["args"].items() if key != "padding"}
    generator = networks.build("R2GAN_generator", tie_decoders=tie_decoders, **arguments)
    generator.load_state_dict(translate_official_state(state, tie_decoders))
    if tie_decoders:
        assert sum(parameter.numel() for parameter in generator.parameters()) == fixture["n_params_unique"]
    else:  # "listed" counts every entry of the state, buffers and repeated decoders with it
        assert sum(tensor.numel() for tensor in generator.state_dict().values()) == fixture["n_params_listed"]

    generator.eval()
    with torch.no_grad():
        for size in SIZES:
            output = generator(torch.from_numpy(arrays[f"in.A.{size}"]), torch.from_numpy(arrays[f"in.C.{size}"]))
            assert_close(output.fused, arrays[f"out.fused.{size}"])
            assert_close(output.rec_a, arrays[f"out.recA.{size}"])
            assert_close(output.rec_b, arrays[f"out.recC.{size}"])


def test_their_file_is_taken_by_weights(parity, make_model, tmp_path):
    fixture, arrays = read_fixture(parity, "r2gan_generator_batch")
    state = fill_weights(fixture["table"])
    state |= {alias: state[original] for alias, original in fixture["alias"].items()}
    torch.save(state, tmp_path / "latest_net_G.pth")
    model = make_model("r2gan", "--norm", "batch", is_train=False)
    model.load_published(tmp_path / "latest_net_G.pth")
    fused = model.fuse(*(torch.from_numpy(arrays[f"in.{key}.64x64"]) / 2 + 0.5 for key in "AC"))
    assert_close(2 * fused - 1, arrays["out.fused.64x64"])


@pytest.mark.parametrize("norm", ["batch", "instance"])
@pytest.mark.parametrize("name, fixture_name", [("pixel", "pixel"), ("basic", "nlayer"), ("n_layers", "nlayer")])
def test_discriminator(parity, name, fixture_name, norm):
    fixture, arrays = read_fixture(parity, f"r2gan_{fixture_name}_discriminator_{norm}")
    discriminator = networks.build(name, **fixture["args"])
    discriminator.load_state_dict(fill_weights(fixture["table"]))
    assert sum(parameter.numel() for parameter in discriminator.parameters()) == fixture["n_params_unique"]

    discriminator.eval()
    with torch.no_grad():
        for size in SIZES:
            assert_close(discriminator(torch.from_numpy(arrays[f"in.x.{size}"])), arrays[f"out.y.{size}"])


@pytest.mark.parametrize("run", ["vanilla.batch", "vanilla.instance", "lsgan.batch", "lsgan.instance"])
def test_train_step(parity, run, make_options):
    """Three updates of the whole model: losses, gradients, buffers and the fused image of the authors' code."""
    fixture, arrays = read_fixture(parity, "r2gan_train_step")
    expected = fixture["runs"][run]
    gan_mode, norm = run.split(".")
    small = ("--ngf", "8", "--ndf", "8", "--crop_size", "64", "--load_size", "64", "--batch_size", "2")
    model = models.create_model(make_options("r2gan", *small, "--no_dropout", "--gan_mode", gan_mode, "--norm", norm))
    # The fixture's own table is that of its last run, without batch norm; the networks' fixtures have both.
    state_g = fill_weights(read_fixture(parity, f"r2gan_generator_{norm}")[0]["table"], gain=1.4)
    state_d = fill_weights(read_fixture(parity, f"r2gan_pixel_discriminator_{norm}")[0]["table"], gain=1.4)
    model.net_G.load_state_dict(translate_official_state(state_g))
    model.net_D.load_state_dict(state_d)
    gradients = {"G": [], "D": []}
    for name in gradients:
        record_gradients(model, name, gradients[name])

    # The authors' real_B is the ground truth, real_A and real_C the sources; a batch is in [0, 1].
    a, gt, b = (torch.from_numpy(arrays[f"in.{key}"] / 2 + 0.5) for key in "ABC")
    batch = {"A": a, "B": b, "GT": gt, "name": ["first", "second"]}
    for step, theirs in enumerate(expected["losses"]):
        model.train_on(batch)
        ours = model.get_current_losses()
        for name, (official, weight) in OFFICIAL_LOSSES.items():
            assert ours[name] / weight == pytest.approx(theirs[official] / weight, abs=TOLERANCE), (step, name)
        if step:
            continue
        assert_close(2 * model.get_current_visuals()["fused"] - 1, arrays[f"{run}.fused_step0"])
        state = model.net_G.state_dict()
        for key, count in expected.get("num_batches_tracked", {}).items():
            assert state[our_key(key)] == count, key
        for key, array in select(arrays, f"{run}.bufG."):
            assert_close(state[our_key(key)], array)

    # Gradients are those of a loss near 200: the fixture's are themselves up to 2e-5 from the same step in float64.
    for name, rename in (("G", our_key), ("D", str)):
        first = gradients[name][0]
        for key, array in select(arrays, f"{run}.grad{name}."):
            assert_close(first[rename(key)], array, 2 * TOLERANCE * max(1, np.abs(array).max()))
        assert {rename(key) for key in expected[f"grad_norm_{name}"]} == set(first)
        for key, size in expected[f"grad_norm_{name}"].items():
            assert first[rename(key)].norm().item() == pytest.approx(size, rel=2 * TOLERANCE, abs=2 * TOLERANCE), key


# Our name of a loss: the authors' name, and the weight that both include.
OFFICIAL_LOSSES = {
    "G_GAN": ("G_GAN", 1),
    "G_L1": ("G_L1", 100),
    "G_rec_A": ("G_L1_R1", 100),
    "G_rec_B": ("G_L1_R2", 100),
    "D_real": ("D_real", 1),
    "D_fake": ("D_fake", 1),
}


def record_gradients(model, name: str, record: list) -> None:
    """Keep a copy of the gradients that each update of one network is made with."""

    def keep(*_):
        record.append({key: value.grad.clone() for key, value in model.networks[name].named_parameters()})

    model.optimizers[name].register_step_pre_hook(keep)


def our_key(official: str) -> str:
    return translate_official_key(official, use_dropout=False)


def select(arrays: dict, prefix: str) -> list[tuple[str, np.ndarray]]:
    return [(key.removeprefix(prefix), array) for key, array in arrays.items() if key.startswith(prefix)]
