"""IGNet as a method: its losses and updates, its options and refusals, and what it makes of images."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from models import networks
from models.ignet_model import IGNetModel
from models.networks import strips, winograd
from tests.reference import fill_weights, read_fixture
from util.errors import UserError
from util.inference import fuse_images

FULL_RANGE = torch.tensor([0.0, 1.0])


def listen(network: torch.nn.Module, gamma: float = 0.5) -> torch.nn.Module:
    """Let fresh graphs hear their messages, which they do not before gamma has moved."""
    with torch.no_grad():
        for value in network.gammas().values():
            value.fill_(gamma)
    return network


@pytest.fixture
def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return listen(networks.build("ignet")).eval().requires_grad_(False)


@pytest.fixture
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    """Return infrared and visible luminance, (3, 1, 40, 56)."""
    return tuple(torch.rand(2, 3, 1, 40, 56, generator=torch.Generator().manual_seed(1)))


@pytest.mark.parametrize("elements", [1, 100_000])
@pytest.mark.parametrize("winograd_pixels", [1, 10**9], ids=["winograd", "direct"])
@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_strips_give_what_whole_maps_give(elements, winograd_pixels, order, network, pair, monkeypatch):
    """With gradients every map is made whole by direct sums; without, in strips of rows of any height."""
    monkeypatch.setattr(strips, "STRIP_ELEMENTS", elements)
    monkeypatch.setattr(winograd, "_PIXELS", winograd_pixels)
    network = network.to(memory_format=order)
    with torch.enable_grad():
        whole = network(*pair)
    with torch.no_grad():
        cut = network(*pair)
    assert whole.std() > 1e-4
    torch.testing.assert_close(cut, whole, rtol=0, atol=1e-6)


@pytest.mark.parametrize("bn_train_mode", [False, True])
def test_a_batch_is_its_pairs(bn_train_mode, pair):
    """Also with the statistics of the image, which are those of each image and not of the batch."""
    torch.manual_seed(0)
    network = listen(networks.build("ignet", bn_train_mode=bn_train_mode)).eval().requires_grad_(False)
    together = network(*pair)
    for index in range(3):
        alone = network(*(image[index : index + 1] for image in pair))
        torch.testing.assert_close(together[index : index + 1], alone, rtol=0, atol=1e-5)


def test_fusing_leaves_the_running_statistics_alone(make_model, make_batch):
    model, batch = make_model("ignet", "--bn_train_mode", is_train=False), make_batch()
    before = {key: value.clone() for key, value in model.net_G.state_dict().items()}
    fuse_images(model, batch["A"], batch["B"])
    assert all(torch.equal(before[key], value) for key, value in model.net_G.state_dict().items())


@pytest.mark.parametrize("arguments, parameters", [
    ({"salience": "figure"}, 7_871_327),
    ({"salience": "off"}, 7_871_327 - 4 * 512 * 32),
    ({"use_leader": False}, 7_871_327 - 2 * sum(3 * c * c // 2 for c in (16, 8, 4))),
    ({"use_interaction": False}, 7_871_327 - 2 * (16 + 8 + 4)),
    ({"n_scales": 2}, None),
    ({"n_scales": 1}, None),
])  # fmt: skip
def test_ablations(arguments, parameters, network, pair):
    """Each leaves out what it names and nothing else, and gives another picture."""
    torch.manual_seed(0)
    ablated = listen(networks.build("ignet", **arguments)).eval()
    if parameters is not None:
        assert sum(parameter.numel() for parameter in ablated.parameters()) == parameters
    kept = {key: value for key, value in network.state_dict().items() if key in ablated.state_dict()}
    if "n_scales" in arguments:
        assert len(ablated.gammas()) == 2 * arguments["n_scales"]
        kept = ablated.state_dict()  # the cascade has other widths
    ablated.load_state_dict(kept)
    with torch.no_grad():
        fused = ablated(*pair)
    assert fused.shape == pair[0].shape and not torch.allclose(fused, network(*pair))


def test_gamma_is_logged_and_moves(make_model, make_batch):
    model, batch = make_model("ignet", "--lr", "0.001"), make_batch()
    history = []
    for _ in range(3):
        model.train_on(batch)
        history.append(model.get_current_losses())
    names = {f"gamma_{side}_{channels}" for side in ("ir", "vis") for channels in (512, 256, 128)}
    assert set(history[0]) == {"intensity", "gradient", "ssim"} | names
    assert all(history[0][name] != 0 and history[0][name] != history[2][name] for name in names)


def test_the_terms_by_other_code(make_model, make_batch):
    """Intensity and gradient written out with OpenCV's Sobel, SSIM by scikit-image, weights of --preset and flags."""
    flags = ("--preset", "ignet_grad10", "--lambda_ssim", "0.5")
    model, batch = make_model("ignet", *flags), make_batch()
    seen = []
    model.backward = lambda loss: (seen.append(loss.item()), loss.backward())
    model.train_on(batch)
    a, b, fused = (getattr(model, name).detach().double().numpy()[:, 0] for name in ("A", "B", "fused"))
    expected = {"intensity": np.abs(np.maximum(a, b) - fused).mean()}
    edges_a, edges_b, edges = (np.array([find_edges(image) for image in images]) for images in (a, b, fused))
    expected["gradient"] = 10 * np.abs(np.maximum(edges_a, edges_b) - edges).mean()
    likeness = [compare(x, f) for images in (a, b) for x, f in zip(images, fused, strict=True)]
    expected["ssim"] = 0.5 * (1 - np.mean(likeness))
    losses = model.get_current_losses()
    for name, value in expected.items():
        assert losses[name] == pytest.approx(value, abs=2e-5), name
    assert seen == [pytest.approx(sum(expected.values()), abs=1e-4)]


def find_edges(image: np.ndarray) -> np.ndarray:
    x, y = (cv2.Sobel(image, cv2.CV_64F, *order, borderType=cv2.BORDER_CONSTANT) for order in ((1, 0), (0, 1)))
    return np.abs(x) + np.abs(y)


def compare(x: np.ndarray, y: np.ndarray) -> float:
    return structural_similarity(
        x, y, data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )  # fmt: skip


@pytest.mark.parametrize("flags, weights", [
    ((), [1, 1, 1]),
    (("--preset", "ignet_grad10"), [1, 10, 1]),
    (("--preset", "ignet_grad10", "--lambda_intensity", "0", "--lambda_gradient", "3"), [0, 3, 1]),
])  # fmt: skip
def test_presets(flags, weights, make_model):
    assert make_model("ignet", *flags).weights == weights


def test_the_schedule_is_ours_unless_asked_for(make_options):
    opt = make_options("ignet")
    assert (opt.lr, opt.beta1, opt.lr_policy, opt.batch_size, opt.clip_grad) == (1e-4, 0.9, "cosine", 8, 1.0)
    assert (opt.n_epochs, opt.n_epochs_decay, opt.preprocess, opt.crop_size) == (50, 0, "crop", 256)


def test_learning_makes_the_loss_smaller(make_model, make_batch):
    model, batch = make_model("ignet", "--lr", "0.001"), make_batch()
    losses = []
    for _ in range(12):
        model.train_on(batch)
        losses.append(sum(getattr(model, f"loss_{name}").item() for name in model.loss_names))
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("flags", [
    ("--amp", "bf16"),
    ("--bn_train_mode", "--legacy_interleave"),
    ("--salience", "figure", "--graph_scales", "1", "--no_leader", "--no_interaction"),
    ("--accumulate", "2", "--channels_last"),
])  # fmt: skip
def test_every_reading_trains_and_fuses(flags, make_model, make_batch):
    model, batch = make_model("ignet", *flags), make_batch()
    before = [value.clone() for value in model.net_G.parameters()]
    for _ in range(2):
        model.train_on(batch)
    assert all(np.isfinite(value) for value in model.get_current_losses().values())
    assert any(not torch.equal(old, new) for old, new in zip(before, model.net_G.parameters(), strict=True))
    assert model.fused.dtype == torch.float32
    fused = fuse_images(model, batch["A"][..., :30, :21], batch["B"][..., :30, :21])
    assert fused.shape == (2, 3, 30, 21) and torch.isfinite(fused).all()


def test_finished_pictures_are_stretched_each_on_its_own(make_model, make_batch):
    """The range of all three channels together becomes [0, 1]; --no_stretch leaves it; one value stays as it is."""
    stretching, plain = make_model("ignet", is_train=False), make_model("ignet", "--no_stretch", is_train=False)
    a, b = (0.45 + 0.1 * make_batch(3)[key] for key in "AB")
    with torch.no_grad():
        stretching.net_G.graph.C_cls.bias.fill_(0.5)
    plain.net_G.load_state_dict(stretching.net_G.state_dict())
    stretched, as_it_is = (fuse_images(model, a, b) for model in (stretching, plain))
    for one, other in zip(stretched, as_it_is, strict=True):
        torch.testing.assert_close(torch.stack(one.aminmax()), FULL_RANGE)
        low, high = other.aminmax()
        assert high - low < 0.99
        torch.testing.assert_close(one, (other - low) / (high - low), rtol=0, atol=1e-5)
    flat = torch.full((1, 3, 4, 4), 0.25)
    assert torch.equal(stretching.postprocess(flat), flat)


def test_the_authors_pipeline_to_a_gray_level(shared, make_model):
    """Their colours, batch statistics, interleaving, stretch and eight bits, from images to image."""
    _, arrays = read_fixture(shared / "parity", "ignet_pipeline")
    state = fill_weights(read_fixture(shared / "parity", "ignet_backbone")[0]["table"])
    state["graph.C_cls.bias"].fill_(0.85)
    model = make_model("ignet", "--legacy_interleave", "--bn_train_mode", is_train=False)
    model.net_G.load_state_dict(state)
    ir, vis = (torch.from_numpy(arrays[f"in.{name}"]) for name in ("ir", "vis_rgb"))
    fused = fuse_images(model, ir.expand(-1, 3, -1, -1), vis)
    levels = (fused * 255).round().permute(0, 2, 3, 1).numpy()
    assert np.abs(levels - arrays["out.final_u8"]).max() <= 1


def test_the_authors_files_bring_their_interleaving(tmp_path, make_options, pair):
    torch.manual_seed(0)
    official = listen(networks.build("ignet", legacy_interleave=True)).eval().requires_grad_(False)
    path = tmp_path / "IGNet.pth"
    torch.save({f"module.{key}": value for key, value in official.state_dict().items()}, path)
    opt = make_options("ignet", "--weights", str(path), is_train=False)
    assert opt.legacy_interleave and not opt.bn_train_mode
    model = IGNetModel(opt)
    model.finish_setup()
    model.load_published(path)
    torch.testing.assert_close(model.fuse(*pair), official(*pair), rtol=0, atol=1e-5)


@pytest.mark.parametrize("flags, sentence", [
    (("--crop_size", "30"), "--crop_size 30 cannot be trained on: sides must be multiples of 8, 16 pixels or more"),
    (("--crop_size", "8"), "16 pixels or more"),
    (("--preset", "ignet_grad"), "the nearest is 'ignet_grad10'"),
    (("--graph_scales", "4"), "out of range"),
    (("--lambda_ssim", "-1"), "out of range"),
])  # fmt: skip
def test_refusals(flags, sentence, make_options):
    with pytest.raises(UserError, match=sentence):
        make_options("ignet", *flags)


def test_small_crops_are_warned_of(make_options, capsys):
    make_options("ignet", "--crop_size", "128")
    assert "--crop_size 128: in crops under 136 pixels" in capsys.readouterr().err
    make_options("ignet", "--crop_size", "136")
    assert not capsys.readouterr().err


def test_the_smallest_crop_trains(make_model, make_batch):
    model = make_model("ignet", "--crop_size", "16", "--batch_size", "1")
    model.train_on(make_batch(1, 16, 16))
    assert all(np.isfinite(value) for value in model.get_current_losses().values())
