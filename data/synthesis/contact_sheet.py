"""A page of triplets to look at: rows of A, B and ground truth with a caption each."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from data.synthesis.pmf import Settings, draw_optics, make_generator
from data.synthesis.pmf_folder import Target
from util.files import atomic_write

CELL = 224  # pixels, the longest side of one image at most
CAPTION = 20
GAP = 6
TITLES = ("A", "B", "ground truth")


def choose_rows(targets: list[Target], settings: Settings, count: int = 16) -> list[tuple[str, tuple[Path, ...]]]:
    """Choose ``count`` of the targets that were made, evenly over the list; the captions say how each was made."""
    made = [target for target in targets if all(file.exists() for file in target.files)]
    step = max(1.0, len(made) / count)
    rows = []
    for target in (made[int(index * step)] for index in range(min(count, len(made)))):
        rule = "the official rule, sigma 5.6"
        if not settings.legacy:
            rule = draw_optics(settings, make_generator(settings, target.photograph.name, target.variant)).describe()
        rows.append((f"{target.files[0].stem}: {rule}", target.files))
    return rows


def write_contact_sheet(path: Path, rows: list[tuple[str, tuple[Path, ...]]], *, columns: int = 2) -> Path:
    """Write a JPEG with one triplet per row and ``columns`` rows beside each other.

    Args:
        path: the JPEG file.
        rows: (caption, files) with one file, a strip ``[A | B | GT]``, or three.
        columns: rows side by side.
    """
    cells = [(caption, [_shrink(image) for image in _open_triplet(files)]) for caption, files in rows]
    cell = max(image.width for _, images in cells for image in images)
    width = 3 * (cell + GAP) + GAP
    lines = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    heights = [max(image.height for _, images in line for image in images) + CAPTION + GAP for line in lines]
    sheet = Image.new("RGB", (min(columns, len(cells)) * width, sum(heights) + CAPTION + GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=13)
    for column in range(min(columns, len(cells))):
        for index, title in enumerate(TITLES):
            draw.text((column * width + GAP + index * (cell + GAP), 4), title, fill="black", font=font)
    top = CAPTION + GAP
    for line, height in zip(lines, heights, strict=True):
        for column, (caption, images) in enumerate(line):
            left = column * width + GAP
            draw.text(
                (left, top + height - CAPTION - GAP + 1),
                _fit(caption, draw, font, width - 2 * GAP),
                fill="#444",
                font=font,
            )
            for index, image in enumerate(images):
                sheet.paste(image, (left + index * (cell + GAP), top))
        top += height
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=90)
    return atomic_write(path, buffer.getvalue())


def _open_triplet(files: tuple[Path, ...]) -> list[Image.Image]:
    images = []
    for file in files:
        with Image.open(file) as image:
            images.append(image.convert("RGB"))
    if len(images) == 1:
        width, height = images[0].width // 3, images[0].height
        images = [images[0].crop((part * width, 0, (part + 1) * width, height)) for part in range(3)]
    return images


def _shrink(image: Image.Image) -> Image.Image:
    scale = min(1.0, CELL / max(image.size))
    return image.resize(
        (max(1, round(image.width * scale)), max(1, round(image.height * scale))), Image.Resampling.LANCZOS
    )


def _fit(text: str, draw: ImageDraw.ImageDraw, font: ImageFont.ImageFont, width: int) -> str:
    if draw.textlength(text, font=font) <= width:
        return text
    while text and draw.textlength(text + "...", font=font) > width:
        text = text[:-1]
    return text.rstrip() + "..."
