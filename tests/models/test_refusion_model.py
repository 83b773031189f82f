"""ReFusion's training: the meta-gradient, who learns in which phase, and the authors' weights on the command line."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from commands import REPOSITORY, run
from torch.func import functional_call

from models.losses import sobel_magnitude
from models.meta_learning import MaxNormalisedDescent
from tests.reference import read_fixture
from util.inference import explain_images, fuse_images

OPTIONS = ("--crop_size", "16", "--meta_accumulation", "1")


@pytest.fixture
def model(make_model):
    model = make_model("refusion", *OPTIONS)
    model.prelude = model.count_prelude(1)
    return model


def weights_of(network) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in network.named_parameters()}


def equal(first: dict, second: dict) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


def to_double(model) -> None:
    for network in model.networks.values():
        network.double()


def double_batch(make_batch, seed: int) -> dict:
    batch = make_batch(2, 16, 16)
    generator = torch.Generator().manual_seed(seed)
    return {**batch, **{key: torch.rand(2, 3, 16, 16, generator=generator).double() for key in "AB"}}


def rebuild_after_virtual_step(model, first: dict, second: dict, rate: float) -> float:
    """Return L_r on the second batch after virtual steps on the first, written down as the paper has it."""
    losses = []
    theta_f, theta_r = weights_of(model.net_F), weights_of(model.net_R)
    for batch in (first, second):
        model.set_input(batch)
        a, b = model.first, model.second
        theta_f = {name: weight.requires_grad_() for name, weight in theta_f.items()}
        theta_r = {name: weight.requires_grad_() for name, weight in theta_r.items()}
        fused = functional_call(model.net_F, theta_f, (a, b))
        w, v = model.net_P(a, b, sobel_magnitude(a), sobel_magnitude(b))
        loss_f = torch.zeros(())
        for source, part_w, part_v in zip((a, b), w.split(1, 1), v.split(1, 1), strict=True):
            loss_f = loss_f + torch.mean((part_w * (source - fused)) ** 2)
            difference = sobel_magnitude(source) - sobel_magnitude(fused)
            loss_f = loss_f + model.epoch / model.opt.n_epochs * torch.mean((part_v * difference) ** 2)
        rebuilt = functional_call(model.net_R, theta_r, (fused.detach(),)).split(1, 1)
        errors = [(target - part).abs() for target, part in zip(model.targets, rebuilt, strict=True)]
        slopes = [
            (sobel_magnitude(target) - sobel_magnitude(part)).abs()
            for target, part in zip(model.targets, rebuilt, strict=True)
        ]
        loss_r = torch.mean(torch.max(*errors) ** 2) + torch.mean(torch.max(*slopes) ** 2)
        losses.append(loss_r)
        step_f = torch.autograd.grad(loss_f, list(theta_f.values()))
        step_r = torch.autograd.grad(loss_r, list(theta_r.values()))
        theta_f = {name: (w - rate * g).detach() for (name, w), g in zip(theta_f.items(), step_f, strict=True)}
        theta_r = {name: (w - rate * g).detach() for (name, w), g in zip(theta_r.items(), step_r, strict=True)}
    return losses[-1].item()


def test_the_meta_gradient_agrees_with_finite_differences(make_model, make_batch):
    """Along three random directions, in float64, on patches of 16x16.

    The step is short, since the losses have kinks (|x|, max): over 1e-3 they add per cents, over 1e-5 nothing.
    """
    model = make_model("refusion", *OPTIONS, "--lr", "0.5", "--n_epochs", "2")
    model.prelude = 2
    to_double(model)
    first, second = double_batch(make_batch, 1), double_batch(make_batch, 2)
    gradients = []
    model.optimizer_P.register_step_pre_hook(
        lambda *_: gradients.extend(parameter.grad.clone() for parameter in model.net_P.parameters())
    )
    before = weights_of(model.net_P)
    model.train_on(first)
    model.train_on(second)
    generator = torch.Generator().manual_seed(3)
    for _ in range(3):
        along = {
            name: torch.randn(weight.shape, generator=generator, dtype=torch.float64) * weight.abs().mean()
            for name, weight in before.items()
        }
        losses = []
        for place in (-1e-5, 1e-5):
            with torch.no_grad():
                for name, parameter in model.net_P.named_parameters():
                    parameter.copy_(before[name] + place * along[name])
            losses.append(rebuild_after_virtual_step(model, first, second, 0.5))
        expected = (losses[1] - losses[0]) / 2e-5
        found = sum((part * way).sum().item() for part, way in zip(gradients, along.values(), strict=True))
        assert found == pytest.approx(expected, rel=1e-5)


def test_p_learns_in_the_first_phase_and_f_and_r_in_the_second(model, make_batch):
    first = {name: weights_of(network) for name, network in model.networks.items()}
    assert [model.train_on(make_batch(2, 16, 16)) for _ in range(2)] == [False, True]
    second = {name: weights_of(network) for name, network in model.networks.items()}
    assert not equal(first["P"], second["P"])
    assert equal(first["F"], second["F"]) and equal(first["R"], second["R"])
    assert model.train_on(make_batch(2, 16, 16))
    third = {name: weights_of(network) for name, network in model.networks.items()}
    assert equal(second["P"], third["P"])
    assert not equal(second["F"], third["F"]) and not equal(second["R"], third["R"])


def test_a_step_of_p_is_as_long_as_its_rate(model, make_batch):
    before = weights_of(model.net_P)
    for _ in range(2):
        model.train_on(make_batch(2, 16, 16))
    largest = max((before[name] - weight).abs().max() for name, weight in weights_of(model.net_P).items())
    assert largest.item() == pytest.approx(model.opt.lr, rel=1e-3)


def test_no_gradient_moves_nothing():
    weight = torch.nn.Parameter(torch.ones(3))
    weight.grad = torch.zeros(3)
    MaxNormalisedDescent([weight], lr=0.1).step()
    assert torch.equal(weight.detach(), torch.ones(3))


def test_the_order_of_the_sources_is_swapped_for_f_alone(model, make_batch):
    model.set_input(make_batch(2, 16, 16))
    assert len(model.first) == 4
    assert torch.equal(model.first[:2], model.second[2:]) and torch.equal(model.first[2:], model.second[:2])
    a, b = model.targets
    assert torch.equal(a[:2], a[2:]) and torch.equal(b[:2], b[2:]) and torch.equal(a[:2], model.first[:2])
    levels = 255 * model.first
    torch.testing.assert_close(levels, levels.round(), rtol=0, atol=1e-4)


def test_the_legacy_gradient_adds_the_inner_loss_of_all_but_the_first_step(make_model, make_batch):
    batches = [make_batch(2, 16, 16) for _ in range(4)]
    gradients = {}
    for legacy in (False, True):
        flags = ("--crop_size", "16", "--meta_accumulation", "2", *(["--legacy_accumulate"] if legacy else []))
        model = make_model("refusion", *flags)
        model.prelude = 4
        kept = gradients[legacy] = []
        model.optimizer_P.register_step_pre_hook(
            lambda *_, model=model, kept=kept: kept.extend(part.grad for part in model.net_P.parameters())
        )
        for batch in batches:
            model.train_on(batch)
    fresh = make_model("refusion", *OPTIONS)
    fresh.set_input(batches[2])
    loss = fresh._bind_fusion_loss(fresh.net_P(fresh.first, fresh.second, *fresh.gradients))
    direct = torch.autograd.grad(loss(fresh.net_F(fresh.first, fresh.second)), list(fresh.net_P.parameters()))
    for clean, mixed, leaked in zip(gradients[False], gradients[True], direct, strict=True):
        torch.testing.assert_close(mixed - clean, leaked, rtol=1e-3, atol=1e-6)


def test_the_first_phase_is_whole_steps_of_p(make_model):
    model = make_model("refusion", "--meta_steps", "10", "--meta_accumulation", "2")
    assert [model.count_prelude(batches) for batches in (1, 4, 7, 8, 19, 20, 21, 500)] == [4, 4, 4, 8, 16, 20, 20, 20]


def test_the_gradient_term_is_ramped(make_model, make_batch):
    model = make_model("refusion", "--n_epochs", "50")
    shares = []
    for epoch in (1, 25, 50):
        model.start_epoch(epoch)
        model.set_input(make_batch())
        weights = model.net_P(model.first, model.second, *model.gradients)
        shares.append(model._bind_fusion_loss(weights).share)
    assert shares == [1 / 50, 1 / 2, 1]


def test_the_maps_of_a_test_are_those_of_p(make_model, make_batch, model):
    model.save_networks("latest")
    loaded, batch = make_model("refusion", is_train=False), make_batch(2, 16, 16)
    loaded.load_networks("latest")
    maps = explain_images(loaded, batch)
    assert list(maps) == ["W", "V"] and all(image.shape == (2, 1, 16, 16) for image in maps.values())
    assert all(0 < image.min() and image.max() < 1 and image.std() > 0 for image in maps.values())
    loaded.weights_path("latest", "P").unlink()
    mute = make_model("refusion", is_train=False)
    mute.load_networks("latest")
    assert explain_images(mute, batch) == {}
    assert explain_images(make_model("refusion", "--no_maps", is_train=False), batch) == {}


def test_the_fused_luminance_is_stretched(make_model, make_batch):
    a, b = (make_batch(1, 24, 24)[key].mean(1, keepdim=True).expand(-1, 3, -1, -1) for key in "AB")
    stretched = fuse_images(make_model("refusion", is_train=False), a, b)
    plain = fuse_images(make_model("refusion", "--no_stretch", is_train=False), a, b)
    assert stretched.min() == pytest.approx(0, abs=1e-6) and stretched.max() == pytest.approx(1, abs=1e-6)
    low, high = plain.min(), plain.max()
    assert 0 < low < high < 1
    torch.testing.assert_close(stretched, (plain - low) / (high - low), rtol=0, atol=1e-5)


def write_official_file(shared, task: str, folder) -> None:
    """Write the fixture's weights as the authors' file holds them: every convolution under two names."""
    fixture, arrays = read_fixture(shared / "parity", f"refusion_official_{task}")
    state = {key[3:]: torch.from_numpy(array) for key, array in arrays.items() if key.startswith("sd.")}
    state |= {alias: state[name] for alias, name in fixture["alias"].items()}
    assert len(state) == fixture["checkpoint_keys"]
    torch.save(state, folder / f"ReFusion_{task}.pth")


@pytest.mark.parametrize(("task", "folders"), [("IVIF", ("infrared", "visible")), ("MFIF", ("near", "far"))])
def test_the_authors_weights_fuse_as_their_pipeline_does(task, folders, shared, tmp_path, make_model):
    """Colour rule, stretch and 8 bits against OpenCV's own conversions, from files to files, within a gray level."""
    write_official_file(shared, task, tmp_path)
    dataroot = shared / "data" / "ReFusion" / "test_cases" / task
    done = run(
        REPOSITORY / "test.py", "--model", "refusion", "--weights", tmp_path, "--task", task.lower(), "--dataroot",
        dataroot, "--name", "official", "--results_dir", tmp_path, "--gpu_ids", "-1", "--jobs", "1", "--num_test", "1",
        "--no_maps", "--metrics", "EN",
    )  # fmt: skip
    assert "warning" not in done.stderr
    (written,) = (tmp_path / "official" / f"test_ReFusion_{task}" / "images").glob("*_fused.png")
    name = written.name.removesuffix("_fused.png")

    model = make_model("refusion", is_train=False)
    model.load_published(tmp_path / f"ReFusion_{task}.pth")
    sources = [next((dataroot / folder).glob(f"{name}.*")) for folder in folders]
    converted = [cv2.cvtColor(cv2.imread(str(path)).astype(np.float32), cv2.COLOR_BGR2YCrCb) for path in sources]
    luma = [torch.from_numpy(image[..., 0].copy())[None, None] / 255 for image in converted]
    with torch.no_grad():
        fused = model.net_F(*luma)[0, 0].numpy()
    fused = (fused - fused.min()) / (fused.max() - fused.min()) * 255
    chroma = [image[..., 1:] for image in converted]
    if task == "IVIF":  # the infrared image is gray
        merged = chroma[1]
    else:
        away = [np.abs(part - 0.5) for part in chroma]
        merged = (chroma[0] * away[0] + chroma[1] * away[1]) / (away[0] + away[1] + 1e-4)
    expected = cv2.cvtColor(np.dstack([fused, merged]).astype(np.float32), cv2.COLOR_YCrCb2BGR).clip(0, 255)
    # They leave neutral pixels a chroma of 0 where 0.5 is neutral: up to 0.9 levels of tint, which ours lacks.
    difference = np.abs(np.rint(expected) - cv2.imread(str(written)).astype(np.float32))
    assert difference.max() <= 1


def test_bad_weights_are_refused_in_a_sentence(tmp_path, make_model, make_batch):
    words = [REPOSITORY / "test.py", "--dataroot", tmp_path, "--name", "x", "--gpu_ids", "-1"]
    assert "ReFusion_MIF.pth: no such file" in run(
        *words, "--model", "refusion", "--weights", tmp_path, "--task", "mif", status=2
    ).stderr.replace("\n", " ")
    assert "--weights needs --model" in run(*words, "--weights", tmp_path / "some.pth", status=2).stderr
