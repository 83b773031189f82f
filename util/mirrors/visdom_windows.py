"""What the windows on a Visdom page hold: curves as Plotly figures, images as one labelled picture."""

from __future__ import annotations

import base64
import math

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from util.mirrors.curve import Curve

GAP = 8  # pixels between two images
LABEL_HEIGHT = 22  # pixels above an image
LABEL_SIZE = 14  # pixels
SCORE_COLUMNS = 4
SCORE_WIDTH, SCORE_HEIGHT = 150, 143  # pixels for one score's curve
INK = "#333333"
GRID = {"gridcolor": "#e8e8e8", "zerolinecolor": "#cccccc", "automargin": True}


def plot_curves(title: str, curves: dict[str, Curve], *, exponent: bool = False) -> dict:
    """Compose one plot with a line per curve and a legend; x counts the images that were trained on.

    No size is given: the user may pull the window to any, and an update leaves it so.
    """
    layout = _layout()
    layout["xaxis"] = {"title": {"text": "images", "standoff": 4}, "rangemode": "tozero", **GRID}
    layout["yaxis"] = {"exponentformat": "power" if exponent else "SI", **GRID}
    layout["showlegend"] = len(curves) > 1
    layout["legend"] = {"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "font": {"size": 11}}
    traces = [_trace(name, curve) for name, curve in curves.items()]
    return {"data": traces, "layout": layout, "opts": {"title": title}}


def plot_scores(title: str, curves: dict[str, Curve]) -> dict:
    """Compose a small plot per score with its newest value above: entropy and SSIM do not share an axis."""
    columns = min(SCORE_COLUMNS, len(curves))
    rows = math.ceil(len(curves) / columns)
    layout, traces = _layout(), []
    layout.update(showlegend=False, annotations=[])
    for index, (name, curve) in enumerate(curves.items()):
        row, column = divmod(index, columns)
        number = "" if index == 0 else str(index + 1)
        left, right = _share(column, columns, gap=0.25)
        low, high = _share(rows - 1 - row, rows, gap=0.3)
        trace = _trace(name, curve)
        trace.update(mode="lines+markers", xaxis=f"x{number}", yaxis=f"y{number}")
        traces.append(trace)
        layout[f"xaxis{number}"] = {"domain": [left, right], "anchor": f"y{number}", "nticks": 3, **GRID}
        layout[f"yaxis{number}"] = {"domain": [low, high], "anchor": f"x{number}", "nticks": 4, **GRID}
        known = [value for value in curve.points()[1] if value is not None]
        layout["annotations"].append(
            {
                "text": f"<b>{name}</b>  {known[-1]:.4g}" if known else f"<b>{name}</b>",
                "showarrow": False,
                "xref": "paper",
                "yref": "paper",
                "x": left,
                "y": high,
                "xanchor": "left",
                "yanchor": "bottom",
                "font": {"size": 12, "color": INK},
            }
        )
    size = {"width": SCORE_WIDTH * columns + 50, "height": SCORE_HEIGHT * rows + 50}
    return {"data": traces, "layout": layout, "opts": {"title": title, **size}}


def show_picture(title: str, picture: np.ndarray) -> dict:
    """Compose a window with one image, uint8 (H, W, 3)."""
    # cv2 encodes without the interpreter's lock, so training runs on meanwhile.
    _, content = cv2.imencode(".png", picture[:, :, ::-1], (cv2.IMWRITE_PNG_COMPRESSION, 1))
    source = "data:image/png;base64," + base64.b64encode(content).decode("ascii")
    height, width = picture.shape[:2]
    return {
        "data": [{"type": "image", "content": {"src": source, "caption": None}}],
        "opts": {"title": title, "width": width, "height": height},
    }


def label_grid(images: dict[str, np.ndarray], columns: int, size: int) -> np.ndarray:
    """Put images side by side, each below its label.

    Args:
        images: uint8 (H, W, 3) by label; the sizes may differ.
        columns: images in a row, at least 1.
        size: pixels of the longer side of each; larger images are averaged down, smaller ones keep whole pixels.

    Returns:
        uint8 (H', W', 3) on white.
    """
    columns = min(columns, len(images))
    scaled = [(label, _fit(image, size)) for label, image in images.items()]
    cell_width = max(image.shape[1] for _, image in scaled)
    cell_height = max(image.shape[0] for _, image in scaled) + LABEL_HEIGHT
    rows = math.ceil(len(scaled) / columns)
    sheet = Image.new("RGB", (columns * (cell_width + GAP) + GAP, rows * (cell_height + GAP) + GAP), "white")
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(LABEL_SIZE)
    for index, (label, image) in enumerate(scaled):
        row, column = divmod(index, columns)
        left, top = GAP + column * (cell_width + GAP), GAP + row * (cell_height + GAP)
        pen.text((left, top + LABEL_HEIGHT // 2), label, INK, font, anchor="lm")
        sheet.paste(Image.fromarray(image), (left, top + LABEL_HEIGHT))
    return np.asarray(sheet)


def _fit(image: np.ndarray, size: int) -> np.ndarray:
    height, width = image.shape[:2]
    scale = size / max(height, width)
    target = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(image, target, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST)


def _trace(name: str, curve: Curve) -> dict:
    x, y = curve.points()
    # A lone point has no line; the marker's line is what the page's smoothing button wants to find.
    mode = "lines" if len(x) > 1 else "markers"
    return {
        "type": "scatter",
        "name": name,
        "mode": mode,
        "x": x,
        "y": y,
        "marker": {"size": 5, "line": {}},
        "line": {"width": 1.5},
    }


def _layout() -> dict:
    # No title: the window's bar has it. Plotly's buttons stand in a column of their own at the right.
    return {
        "margin": {"l": 45, "r": 40, "t": 40, "b": 40},
        "modebar": {"orientation": "v"},
        "hovermode": "x",
        "plot_bgcolor": "white",
        "paper_bgcolor": "white",
        "font": {"size": 11, "color": INK},
    }


def _share(index: int, count: int, gap: float) -> tuple[float, float]:
    """Return the stretch of [0, 1] that part ``index`` of ``count`` gets; ``gap`` is the share of a part left empty."""
    whole = 1 / (count - gap) if count > 1 else 1.0
    part = whole * (1 - gap) if count > 1 else 1.0
    return index * whole, min(1.0, index * whole + part)
