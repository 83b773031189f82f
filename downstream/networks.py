"""torchvision's detectors and segmentation networks, and their weights, from disk alone: nothing is ever downloaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from util import checkpoint
from util.errors import UserError, some
from util.lazy import torch

DETECTORS = (
    "fasterrcnn_resnet50_fpn", "fasterrcnn_resnet50_fpn_v2", "fasterrcnn_mobilenet_v3_large_fpn",
    "fasterrcnn_mobilenet_v3_large_320_fpn", "retinanet_resnet50_fpn", "retinanet_resnet50_fpn_v2",
    "fcos_resnet50_fpn", "ssd300_vgg16", "ssdlite320_mobilenet_v3_large", "retinanet_small",
)  # fmt: skip
SEGMENTERS = (
    "deeplabv3_resnet50", "deeplabv3_resnet101", "deeplabv3_mobilenet_v3_large", "fcn_resnet50", "fcn_resnet101",
    "lraspp_mobilenet_v3_large", "fcn_small",
)  # fmt: skip
FIXED_SIZE = ("ssd300_vgg16", "ssdlite320_mobilenet_v3_large")
LEAST_SCORE = 0.001  # as YOLOv5 validates: what is cut off above it is missing from the precision-recall curve
LONGEST = 1333 / 800  # torchvision's longest side for its shortest one
_RECORD = "fuselab_downstream"
_SMALL = 32  # channels of the small networks' middle layers


@dataclass(frozen=True)
class Weights:
    """A file of weights.

    Attributes:
        state: the tensors by name.
        record: what ``save_weights`` was given beside them; {} in files of others.
    """

    path: Path
    state: Mapping[str, torch.Tensor]
    record: dict = field(default_factory=dict)


def build_network(model: str, outputs: int, min_size: int = 0) -> torch.nn.Module:
    """Build a network with weights drawn at random.

    Args:
        model: a name in ``DETECTORS`` or ``SEGMENTERS``; all but retinanet_small and fcn_small are torchvision's.
        outputs: classes, the background counted.
        min_size: pixels of the shorter side to which a detector brings every picture; 0 keeps torchvision's 800, and
            has no meaning for segmentation.
    """
    from torchvision.models import detection, segmentation

    if model in SEGMENTERS:
        if model == "fcn_small":
            return _build_small_segmenter(outputs)
        return getattr(segmentation, model)(weights=None, weights_backbone=None, num_classes=outputs)
    options = {"box_score_thresh" if model.startswith("fasterrcnn") else "score_thresh": LEAST_SCORE}
    if min_size:
        options |= {"min_size": min_size, "max_size": round(min_size * LONGEST)}
    if model == "retinanet_small":
        return _build_small_detector(outputs, options)
    return getattr(detection, model)(weights=None, weights_backbone=None, num_classes=outputs, **options)


def read_weights(path: Path) -> Weights:
    """Read a state_dict, alone or in a dict under ``state_dict`` or ``model``; no code in the file is run.

    Raises:
        UserError: the file cannot be read or holds no tensors.
    """
    content = checkpoint.load(path)
    record = content.get(_RECORD, {}) if isinstance(content, dict) else {}
    for key in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not (
        isinstance(content, dict) and content and all(isinstance(value, torch.Tensor) for value in content.values())
    ):
        raise UserError(f"{path} holds no weights: expected a state_dict, tensors by name")
    return Weights(path, {name.removeprefix("module."): value for name, value in content.items()}, record)


def save_weights(path: Path, network: torch.nn.Module, record: dict) -> None:
    """Write a file for ``read_weights``: the tensors, and a record of plain values (model, classes, min_size, ...).

    Raises:
        RunError: it cannot be written.
    """
    state = {name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}
    checkpoint.save(path, {"state_dict": state, _RECORD: record})


def check_fit(weights: Weights, network: torch.nn.Module, model: str, outputs: int) -> None:
    """See that weights fit without a rest; an auxiliary head, which serves training alone, may be left over.

    Args:
        network: of ``model`` with ``outputs`` classes, on any device, meta included.

    Raises:
        UserError: they are of another model, or of another number of classes.
    """
    wanted, state = network.state_dict(), _without_auxiliary(weights.state)
    foreign = sorted(_without_counters(state) ^ _without_counters(wanted))
    other = [name for name in wanted if name in state and wanted[name].shape != state[name].shape]
    trained = weights.record.get("model", model)
    if trained != model:
        raise UserError(f"{weights.path} is not of --model {model}, but of {trained}")
    if foreign:
        raise UserError(
            f"{weights.path} is not of --model {model}: {len(foreign)} tensors have no partner ({some(foreign, 2)})"
        )
    if other:
        name = other[-1]
        raise UserError(
            f"{weights.path} is of another number of classes: its {name} has {len(state[name])} rows, and {outputs} "
            f"classes, the background counted, need {len(wanted[name])}; name with --classes all that it knows, or "
            "train one for these labels with --train"
        )


def load_network(weights: Weights, model: str, outputs: int, min_size: int = 0) -> torch.nn.Module:
    """Build a network and give it its weights; raises as ``check_fit``."""
    network = build_network(model, outputs, min_size)
    check_fit(weights, network, model, outputs)
    network.load_state_dict({**network.state_dict(), **_without_auxiliary(weights.state)})
    return network


def take_over(weights: Weights, network: torch.nn.Module) -> int:
    """Give a network what fits of a file: a whole network of other classes, or a backbone trained on ImageNet.

    Returns:
        how many of its tensors it has from there.

    Raises:
        UserError: nothing fits.
    """
    wanted = network.state_dict()
    fitting = max((_pick(weights.state, wanted, *names) for names in _RENAMES), key=len)
    if not fitting:
        raise UserError(f"--weights {weights.path}: none of its {len(weights.state)} tensors fits into the network")
    network.load_state_dict({**wanted, **fitting})
    return len(fitting)


# What torchvision's backbones are called alone, and inside a network.
_INSIDE = ("", "backbone.", "backbone.body.", "backbone.features.", "backbone.features.0.")
_RENAMES = [(old, new) for old in ("", "features.") for new in _INSIDE]


def _pick(state: Mapping, wanted: Mapping, old: str, new: str) -> dict:
    renamed = {new + name.removeprefix(old): tensor for name, tensor in state.items()}
    return {name: tensor for name, tensor in renamed.items() if name in wanted and wanted[name].shape == tensor.shape}


def _without_auxiliary(state: Mapping) -> dict:
    return {name: tensor for name, tensor in state.items() if not name.startswith("aux_classifier.")}


def _without_counters(state: Mapping) -> set[str]:
    # Frozen batch norms, in torchvision's own files, do not count their batches.
    return {name for name in state if not name.endswith("num_batches_tracked")}


def _build_small_detector(outputs: int, options: dict) -> torch.nn.Module:
    from torchvision.models.detection import RetinaNet
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.models.detection.retinanet import RetinaNetHead

    backbone = torch.nn.Sequential(*_make_small_layers())
    backbone.out_channels = 2 * _SMALL
    anchors = AnchorGenerator(((16, 32, 64, 128),), ((0.5, 1.0, 2.0),))
    # Without a norm, the head would take many epochs from first weights at random.
    norm = partial(torch.nn.GroupNorm, _SMALL)
    head = RetinaNetHead(backbone.out_channels, anchors.num_anchors_per_location()[0], outputs, norm_layer=norm)
    return RetinaNet(backbone, outputs, anchor_generator=anchors, head=head, **options)


def _build_small_segmenter(outputs: int) -> torch.nn.Module:
    from torchvision.models.segmentation.fcn import FCN, FCNHead

    class Backbone(torch.nn.Sequential):
        def forward(self, images):
            return {"out": super().forward(images)}

    return FCN(Backbone(*_make_small_layers()), FCNHead(2 * _SMALL, outputs))


def _make_small_layers() -> list[torch.nn.Module]:
    """Return five convolutions with strides that make 8: ours, to try the commands out without a GPU."""
    layers, channels = [], 3
    for width, stride in ((_SMALL // 2, 2), (_SMALL, 2), (_SMALL, 1), (2 * _SMALL, 2), (2 * _SMALL, 1)):
        convolution = torch.nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        layers.append(torch.nn.Sequential(convolution, torch.nn.BatchNorm2d(width), torch.nn.ReLU(inplace=True)))
        channels = width
    return layers
