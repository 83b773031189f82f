"""What the loops need to know of detection and of segmentation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from downstream import detection, networks, segmentation
from downstream.detection import DetectionScore, Found
from downstream.labels import (
    BACKGROUND,
    IGNORED,
    Boxes,
    Labels,
    Scene,
    match_classes,
    name_map_classes,
    read_boxes,
    read_map,
    read_maps,
    renumber_boxes,
)
from downstream.segmentation import SegmentationScore
from util.errors import UserError
from util.lazy import torch

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as torchvision's segmentation networks expect

Batch = Sequence[tuple]  # (picture, target)


class Task(ABC):
    """Labels, networks, loss and score of a task.

    Attributes:
        models: the names of its networks, the default first.
        measure, definition: what is told of a method, and what that is.
    """

    models: tuple[str, ...]
    measure: str
    definition: str

    @abstractmethod
    def read_labels(self, source: Path) -> Labels:
        """Read all labels, numbered as they number themselves."""

    @abstractmethod
    def choose_classes(self, asked: int | str | tuple[str, ...] | None, labels: Labels) -> tuple[str, ...]:
        """Return the names of a network's outputs, the background first.

        ``asked`` is ``--classes``: a number, names, "torchvision" for those of torchvision's own weights, or None.
        """

    @abstractmethod
    def fit_labels(self, labels: Labels, classes: Sequence[str]) -> Labels:
        """Number the labels as a network with these classes does."""

    @abstractmethod
    def read_truth(self, scene: Scene) -> Boxes | np.ndarray:
        """Return the boxes of a scene, or its label map, uint8 (H, W)."""

    @abstractmethod
    def make_target(self, truth: Boxes | np.ndarray, size: tuple[int, int]) -> object:
        """Return what the loss wants of a scene whose picture has this (width, height)."""

    @abstractmethod
    def mirror(self, image: torch.Tensor, target: object) -> tuple:
        """Return a picture and its target with left and right exchanged."""

    @abstractmethod
    def loss(self, network: torch.nn.Module, batch: Batch, device: str) -> torch.Tensor:
        """Return the loss of a batch of (picture, target), a scalar."""

    @abstractmethod
    def predict(self, network: torch.nn.Module, image: torch.Tensor) -> Found | np.ndarray:
        """Return what the network makes of a picture (3, H, W): what ``make_score(...).add(truth, ...)`` takes."""

    @abstractmethod
    def make_score(self, labels: Labels, classes: Sequence[str]) -> DetectionScore | SegmentationScore:
        """Return an empty score of the labels' classes, for a network with ``classes``."""


class Detection(Task):
    """Boxes. A target is {"boxes": float32 (n, 4), "labels": int64 (n,)}."""

    models = networks.DETECTORS
    measure = "mAP@.5"
    definition = detection.DEFINITION

    def read_labels(self, source):
        return read_boxes(source)

    def choose_classes(self, asked, labels):
        if isinstance(asked, int):
            raise UserError(f"--classes {asked}: a detector's classes are named, as in --classes person,car")
        if asked == "torchvision":
            from torchvision.models.detection import FasterRCNN_ResNet50_FPN_Weights

            return tuple(FasterRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"])
        return (BACKGROUND, *asked) if asked else labels.classes

    def fit_labels(self, labels, classes):
        return renumber_boxes(labels, classes)

    def read_truth(self, scene):
        return scene.truth

    def make_target(self, truth, size):
        # Difficult objects and crowds are not learnt, as usual on VOC and COCO; nor is what the picture does not show.
        corners = np.clip(truth.corners, 0, (*size, *size)).astype(np.float32)
        learnt = ~truth.ignored & (corners[:, 2:] > corners[:, :2]).all(1)
        return {"boxes": torch.from_numpy(corners[learnt]), "labels": torch.from_numpy(truth.labels[learnt])}

    def mirror(self, image, target):
        left, top, right, bottom = target["boxes"].unbind(1)
        width = image.shape[-1]
        return image.flip(-1), {**target, "boxes": torch.stack([width - right, top, width - left, bottom], 1)}

    def loss(self, network, batch, device):
        images = [image.to(device) for image, _ in batch]
        targets = [{key: value.to(device) for key, value in target.items()} for _, target in batch]
        return sum(network(images, targets).values())

    def predict(self, network, image):
        found = network([image])[0]
        return Found(*(found[key].cpu().numpy() for key in ("boxes", "labels", "scores")))

    def make_score(self, labels, classes):
        return DetectionScore(match_classes(labels, classes))


class Segmentation(Task):
    """Label maps. A target is int64 (H, W) with 255 for what nobody labelled."""

    models = networks.SEGMENTERS
    measure = "mIoU"
    definition = segmentation.DEFINITION

    def read_labels(self, source):
        return read_maps(source)

    def choose_classes(self, asked, labels):
        if asked is None:
            raise UserError(
                "label maps do not name their classes: give --classes with their number, the background counted, or "
                "with all their names"
            )
        if asked == "torchvision":
            from torchvision.models.segmentation import DeepLabV3_ResNet50_Weights

            return tuple(DeepLabV3_ResNet50_Weights.COCO_WITH_VOC_LABELS_V1.meta["categories"])
        return tuple(map(str, range(asked))) if isinstance(asked, int) else asked

    def fit_labels(self, labels, classes):
        return name_map_classes(labels, classes)

    def read_truth(self, scene):
        return read_map(scene.truth.path)

    def make_target(self, truth, size):
        return torch.from_numpy(truth).long()

    def mirror(self, image, target):
        return image.flip(-1), target.flip(-1)

    def loss(self, network, batch, device):
        height, width = (max(image.shape[side] for image, _ in batch) for side in (1, 2))
        images = torch.zeros(len(batch), 3, height, width)
        targets = torch.full((len(batch), height, width), IGNORED)
        for number, (image, target) in enumerate(batch):
            images[number, :, : image.shape[1], : image.shape[2]] = image
            targets[number, : image.shape[1], : image.shape[2]] = target
        logits = network(self._normalise(images.to(device)))["out"]
        return torch.nn.functional.cross_entropy(logits, targets.to(device), ignore_index=IGNORED)

    def predict(self, network, image):
        return network(self._normalise(image[None]))["out"][0].argmax(0).cpu().numpy()

    def make_score(self, labels, classes):
        return SegmentationScore(tuple(classes))

    def _normalise(self, images):
        mean, std = (images.new_tensor(values)[:, None, None] for values in (MEAN, STD))
        return (images - mean) / std


TASKS: dict[str, type[Task]] = {"detection": Detection, "segmentation": Segmentation}
