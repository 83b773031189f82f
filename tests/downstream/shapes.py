"""A generated set: bright squares and darker disks that the infrared shows and the visible light does not."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import tiny

SIDE = 96  # pixels of a picture
CLASSES = ("square", "disk")
LEVELS = {1: 230, 2: 150}


def make_scene(seed: int) -> tuple[np.ndarray, np.ndarray, list[tuple[int, tuple[int, int, int, int]]]]:
    """Return an infrared and a visible picture, the label map, and the objects: class from 1, corners."""
    generator = np.random.default_rng(seed)
    labels = np.zeros((SIDE, SIDE), np.uint8)
    objects: list = []
    for _ in range(int(generator.integers(1, 4))):
        for _ in range(30):
            size = int(generator.integers(14, 30))
            left, top = (int(place) for place in generator.integers(1, SIDE - size - 1, 2))
            box = (left, top, left + size, top + size)
            if not labels[max(0, top - 2) : box[3] + 2, max(0, left - 2) : box[2] + 2].any():
                break
        else:
            continue
        number = int(generator.integers(1, 3))
        if number == 1:
            labels[top : box[3], left : box[2]] = 1
        else:
            rows, columns = np.mgrid[top : box[3], left : box[2]] + 0.5
            inside = (rows - top - size / 2) ** 2 + (columns - left - size / 2) ** 2 <= (size / 2) ** 2
            labels[top : box[3], left : box[2]][inside] = 2
        objects.append((number, box))
    ir = generator.normal(50, 8, labels.shape)
    for number, level in LEVELS.items():
        ir[labels == number] += level - 50
    coarse = generator.integers(40, 120, (5, 5)).astype(np.float32)
    vis = cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) + generator.normal(0, 8, labels.shape)
    return ir, vis, labels, objects


def make_set(root: Path, seeds: range) -> Path:
    """Write ``root``/{maximum,noise,visible}, and the labels: boxes.json, voc/, maps/; return ``root``."""
    images, annotations = [], []
    for number, seed in enumerate(seeds):
        ir, vis, labels, objects = make_scene(seed)
        noise = np.random.default_rng((seed, 1)).integers(0, 256, labels.shape)
        for method, picture in {"maximum": np.maximum(ir, vis), "noise": noise, "visible": vis}.items():
            picture = picture.clip(0, 255).astype(np.uint8)
            # As test.py leaves them.
            tiny.write(root / method / "images" / f"{seed:03d}_fused.png", picture)
        tiny.write(root / "maps" / f"{seed:03d}.png", labels)
        images.append({"id": 10 + number, "file_name": f"{seed:03d}.png", "width": SIDE, "height": SIDE})
        for kind, (left, top, right, bottom) in objects:
            box = [left, top, right - left, bottom - top]
            annotations.append(
                {"id": len(annotations), "image_id": 10 + number, "category_id": kind, "bbox": box, "iscrowd": 0}
            )
        write_xml(root / "voc" / f"{seed:03d}.xml", [(CLASSES[kind - 1], box) for kind, box in objects])
    categories = [{"id": number, "name": name} for number, name in enumerate(CLASSES, start=1)]
    document = {"images": images, "annotations": annotations, "categories": categories}
    (root / "boxes.json").write_text(json.dumps(document))
    return root


def write_xml(path: Path, objects: list, size: tuple[int, int] = (SIDE, SIDE), difficult: int = 0) -> None:
    """Write VOC's annotation of (name, corners as ``make_scene`` gives them)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    items = "".join(
        f"<object><name>{name}</name><difficult>{difficult}</difficult><bndbox><xmin>{left + 1}</xmin>"
        f"<ymin>{top + 1}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>"
        for name, (left, top, right, bottom) in objects
    )
    width, height = size
    path.write_text(
        f"<annotation><filename>{path.stem}.png</filename><size><width>{width}</width><height>{height}</height>"
        f"<depth>3</depth></size>{items}</annotation>"
    )
