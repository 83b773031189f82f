"""Networks are built without a download, and weights are taken that fit and refused in a sentence that do not."""

from __future__ import annotations

import socket

import pytest
import torch
import torchvision
from torch.nn import functional

from downstream.networks import (
    DETECTORS,
    SEGMENTERS,
    Weights,
    build_network,
    check_fit,
    load_network,
    read_weights,
    save_weights,
    take_over,
)
from downstream.tasks import Detection, Segmentation
from util.errors import UserError


@pytest.fixture(autouse=True)
def no_download(monkeypatch, tmp_path):
    """Let every connection fail, with no earlier downloads at hand."""

    def refuse(*words):
        raise AssertionError("a download was tried")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_a_download_would_be_seen():
    with pytest.raises((AssertionError, OSError)):
        torchvision.models.detection.ssd300_vgg16(weights=None)  # whose backbone has weights unless it is told not to


@pytest.mark.parametrize("model", [*DETECTORS, *SEGMENTERS])
def test_every_network_is_built_with_its_number_of_classes_and_without_a_download(model):
    with torch.device("meta"):
        seven, nine = (build_network(model, outputs).state_dict() for outputs in (7, 9))
    other = [name for name in seven if seven[name].shape != nine[name].shape]
    assert other and seven.keys() == nine.keys()
    assert not any(name.startswith("backbone.body") for name in other)
    with torch.device("meta"), pytest.raises(UserError, match="another number of classes: its .* rows, and 9 classes"):
        check_fit(Weights("x.pth", seven), build_network(model, 9), model, 9)


def test_detectors_look_at_the_size_that_is_asked_for():
    network = build_network("retinanet_small", 3, min_size=96)
    assert network.transform.min_size == (96,) and network.transform.max_size == 160
    assert network.score_thresh == 0.001
    assert build_network("fasterrcnn_mobilenet_v3_large_320_fpn", 3).roi_heads.score_thresh == 0.001


def test_weights_come_back_with_their_record(tmp_path):
    torch.manual_seed(0)
    network = build_network("fcn_small", 4).eval()
    save_weights(tmp_path / "a.pth", network, {"model": "fcn_small", "classes": list("abcd")})
    weights = read_weights(tmp_path / "a.pth")
    assert weights.record == {"model": "fcn_small", "classes": list("abcd")}
    again = load_network(weights, "fcn_small", 4).eval()
    image = torch.rand(3, 40, 48)
    with torch.inference_mode():
        assert (Segmentation().predict(network, image) == Segmentation().predict(again, image)).all()
    with pytest.raises(UserError, match="is not of --model fcn_resnet50, but of fcn_small"):
        load_network(weights, "fcn_resnet50", 4)


@pytest.mark.parametrize("key", [None, "state_dict", "model"])
def test_state_dicts_of_others_alone_or_wrapped(tmp_path, key):
    state = build_network("fcn_small", 4).state_dict()
    state = {f"module.{name}": tensor for name, tensor in state.items()}
    torch.save(state if key is None else {key: state, "epoch": 3}, tmp_path / "a.pth")
    weights = read_weights(tmp_path / "a.pth")
    assert weights.record == {}
    load_network(weights, "fcn_small", 4)


def test_what_is_no_weights(tmp_path):
    for number, content in enumerate(([1, 2], {}, {"epoch": 3}, {"a": torch.ones(2), "b": 5})):
        torch.save(content, tmp_path / f"{number}.pth")
        with pytest.raises(UserError, match="holds no weights"):
            read_weights(tmp_path / f"{number}.pth")
    torch.save(torch.nn.Linear(2, 2), tmp_path / "code.pth")
    with pytest.raises(UserError, match="pickled code"):
        read_weights(tmp_path / "code.pth")


def test_torchvisions_own_files_fit():
    """They have an auxiliary head, and batch norms that were frozen and so count no batches."""
    with torch.device("meta"):
        published = torchvision.models.segmentation.deeplabv3_mobilenet_v3_large(
            weights=None, weights_backbone=None, num_classes=21, aux_loss=True
        ).state_dict()
        published = {name: value for name, value in published.items() if not name.endswith("num_batches_tracked")}
        assert any(name.startswith("aux_classifier.") for name in published)
        network = build_network("deeplabv3_mobilenet_v3_large", 21)
    check_fit(Weights("x.pth", published), network, "deeplabv3_mobilenet_v3_large", 21)
    with pytest.raises(UserError, match="is not of --model deeplabv3_mobilenet_v3_large: 1 tensors have no partner"):
        check_fit(Weights("x.pth", {**published, "more": torch.ones(1)}), network, "deeplabv3_mobilenet_v3_large", 21)


def test_classes_of_torchvisions_own_files():
    assert len(Detection().choose_classes("torchvision", None)) == 91
    assert len(Segmentation().choose_classes("torchvision", None)) == 21


@pytest.mark.parametrize(
    ("model", "backbone", "share"),
    [
        ("fasterrcnn_resnet50_fpn", "resnet50", 0.99),
        ("deeplabv3_resnet50", "resnet50", 0.99),
        ("fasterrcnn_mobilenet_v3_large_fpn", "mobilenet_v3_large", 0.95),
        ("lraspp_mobilenet_v3_large", "mobilenet_v3_large", 0.95),
        ("ssdlite320_mobilenet_v3_large", "mobilenet_v3_large", 0.5),
        ("ssd300_vgg16", "vgg16", 0.5),
    ],
)
def test_a_training_begins_with_a_backbone(model, backbone, share):
    with torch.device("meta"):
        state = getattr(torchvision.models, backbone)(weights=None).state_dict()
        network = build_network(model, 7)
    kept = [name for name in state if not name.startswith(("fc.", "classifier."))]
    assert take_over(Weights("x.pth", state), network) >= share * len(kept)


def test_a_training_begins_with_a_network_of_other_classes():
    torch.manual_seed(0)
    state = build_network("fcn_small", 21).state_dict()
    network = build_network("fcn_small", 4)
    assert take_over(Weights("x.pth", state), network) == len(state) - 2
    assert torch.equal(network.state_dict()["backbone.0.0.weight"], state["backbone.0.0.weight"])
    with pytest.raises(UserError, match="none of its 1 tensors fits"):
        take_over(Weights("x.pth", {"a": torch.ones(1)}), network)


def test_losses_are_those_of_torchvision_and_of_the_formula():
    torch.manual_seed(0)
    network = build_network("retinanet_small", 3, min_size=64)
    image = torch.rand(3, 64, 64)
    target = {"boxes": torch.tensor([[4.0, 6, 30, 40]]), "labels": torch.tensor([2])}
    expected = sum(network([image], [target]).values())
    assert Detection().loss(network, [(image, target)], "cpu") == expected

    network = build_network("fcn_small", 3).eval()
    labels = torch.randint(0, 3, (24, 32))
    labels[:5] = 255
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    logits = network((image[None, :, :24, :32] - mean[:, None, None]) / std[:, None, None])["out"]
    chosen = logits[0, :, 5:].flatten(1).T
    loss = Segmentation().loss(network, [(image[:, :24, :32], labels)], "cpu")
    assert loss.item() == pytest.approx(functional.cross_entropy(chosen, labels[5:].flatten()).item(), rel=1e-5)


def test_pictures_of_different_sizes_share_a_batch():
    network = build_network("fcn_small", 3)
    batch = [(torch.rand(3, *size), torch.zeros(size, dtype=torch.long)) for size in ((24, 40), (32, 32))]
    assert torch.isfinite(Segmentation().loss(network, batch, "cpu"))


def test_mirrored_boxes_stay_on_their_objects():
    image = torch.zeros(3, 20, 30)
    image[:, 5:9, 2:12] = 1
    target = {"boxes": torch.tensor([[2.0, 5, 12, 9]]), "labels": torch.tensor([1])}
    mirrored, moved = Detection().mirror(image, target)
    left, top, right, bottom = moved["boxes"][0].int().tolist()
    assert (left, top, right, bottom) == (18, 5, 28, 9)
    assert mirrored[:, top:bottom, left:right].min() == 1 and mirrored.sum() == image.sum()
