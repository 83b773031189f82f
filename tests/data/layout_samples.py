"""For each registered dataset a small generated folder in that dataset's own layout.

Every image is one flat colour: red is the place in natural order, green the side (10 A, 20 B, 30 GT), so that a test
sees from the pixels alone what was paired with what.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PIL import Image

GREEN = {"A": 10, "B": 20, "GT": 30}


def paint(place: int, side: str, size: tuple[int, int] = (24, 16)) -> Image.Image:
    return Image.new("RGB", size, (place, GREEN[side], 0))


def save(image: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def two_folders(a: str, b: str, stems: list[tuple[str, str]], gt: str | None = None, suffix: str = ".png"):
    """A maker of folders ``a`` and ``b``, and ``gt`` with the stems of ``a``."""

    def make(root: Path) -> None:
        for place, (stem_a, stem_b) in enumerate(stems):
            save(paint(place, "A"), root / a / (stem_a + suffix))
            save(paint(place, "B"), root / b / (stem_b + suffix))
            if gt:
                save(paint(place, "GT"), root / gt / (stem_a + suffix))

    return make


def same(*stems: str) -> list[tuple[str, str]]:
    return [(stem, stem) for stem in stems]


def make_pmf(root: Path) -> None:
    for place, name in enumerate(["img_1", "img_2", "img_10"]):
        strip = Image.new("RGB", (48, 16))
        for panel, side in enumerate(["A", "B", "GT"]):
            strip.paste(paint(place, side, (16, 16)), (16 * panel, 0))
        save(strip, root / "train" / f"{name}.png")


def make_md(root: Path) -> None:
    for modality in ("CT", "PET", "SPECT"):
        two_folders(f"{modality}-MRI/{modality}", f"{modality}-MRI/MRI", same("2004", "10012"))(root / "test")
    save(Image.new("L", (24, 16)), root / "test" / "PET-MRI" / "41101.png")  # a stray file beside the two folders


def make_m3fd(root: Path) -> None:
    two_folders("M3FD_Fusion/Ir", "M3FD_Fusion/Vis", same("00000", "00001"))(root)


def make_mef(root: Path) -> None:
    save(paint(0, "A"), root / "test/under/Night.png")
    save(paint(0, "B"), root / "test/over/Night.PNG")
    save(paint(1, "A"), root / "test/under/sKY.png")
    save(paint(1, "B"), root / "test/over/Sky.tif")


# name: (maker, phase, name of the folder, names of the pairs in order, whether there is a ground truth)
SAMPLES: dict[str, tuple[Callable[[Path], None], str, str, list[str], bool]] = {
    "pmf": (make_pmf, "train", "PMF", ["img_1", "img_2", "img_10"], True),
    "tno": (two_folders("test/ir", "test/vis", same("01", "03", "21")), "test", "TNO", ["01", "03", "21"], False),
    "md": (
        make_md,
        "test",
        "MD",
        [f"{modality}-MRI_{name}" for modality in ("CT", "PET", "SPECT") for name in ("2004", "10012")],
        False,
    ),
    "lytro": (
        two_folders("test/A", "test/B", [("lytro-01-A", "lytro-01-B"), ("lytro-02-A", "lytro-02-B")], suffix=".jpg"),
        "test",
        "Lytro",
        ["lytro-01", "lytro-02"],
        False,
    ),
    "mffw": (
        two_folders("source_1", "source_2", [("mffw_01_A", "mffw_01_B"), ("mffw_02_A", "mffw_02_B")]),
        "test",
        "MFFW",
        ["mffw_01", "mffw_02"],
        False,
    ),
    "mfi_whu": (
        two_folders("test/source_1", "test/source_2", same("2", "10", "100"), gt="test/full_clear"),
        "test",
        "MFI-WHU",
        ["2", "10", "100"],
        True,
    ),
    "nyud": (
        two_folders("train/source_1", "train/source_2", same("NYU-D (1)", "NYU-D (11)"), gt="train/full_clear"),
        "train",
        "NYU-D-100",
        ["NYU-D (1)", "NYU-D (11)"],
        True,
    ),
    "roadscene": (
        two_folders("cropinfrared", "crop_LR_visible", same("FLIR_00006", "FLIR_00018")),
        "test",
        "RoadScene",
        ["FLIR_00006", "FLIR_00018"],
        False,
    ),
    "msrs": (
        two_folders("train/ir", "train/vi", same("00001D", "00004N")), "train", "MSRS", ["00001D", "00004N"], False
    ),
    "m3fd": (make_m3fd, "test", "M3FD", ["00000", "00001"], False),
    "llvip": (
        two_folders("infrared/test", "visible/test", same("190001", "190002")),
        "test",
        "LLVIP",
        ["190001", "190002"],
        False,
    ),
    "mef": (make_mef, "test", "MEF", ["Night", "sKY"], False),
    "pairs": (two_folders("Mine_A", "Mine_B", same("ä x", "ö (2)")), "test", "own", ["ä x", "ö (2)"], False),
}
