"""Reference outputs of the methods' official networks: reading a fixture and making its weights ("hash-fill v1")."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch


def read_fixture(folder: Path, name: str) -> tuple[dict, dict[str, np.ndarray]]:
    """Return the description (``NAME.json``) and the arrays (``NAME.npz``) of a parity fixture."""
    description = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    with np.load(folder / f"{name}.npz") as arrays:
        return description, {key: arrays[key] for key in arrays.files}


def hash_uniform(stream: int, count: int) -> np.ndarray:
    """Return elements 1..count of a stream of the 64-bit mix: float64 in [-1, 1)."""
    index = np.arange(1, count + 1, dtype=np.uint64)
    with np.errstate(over="ignore"):
        z = index * np.uint64(0xD1342543DE82EF95) + np.uint64((stream + 1) * 0x9E3779B97F4A7C15 % 2**64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float64) / 2**23 - 1


def fill_weights(table: list[dict], gain: float | None = None) -> dict[str, torch.Tensor]:
    """Return the state that a fixture's table describes, under its own names, after checking the table's own sums.

    With ``gain`` every matrix has that gain instead of its row's own, which leaves nothing to check it by.
    """
    state = {}
    for row in table:
        if row["kind"] == "counter":
            state[row["name"]] = torch.tensor(0)
            continue
        if row["kind"] == "explicit":
            state[row["name"]] = torch.tensor(row["explicit"])
            continue
        regain = gain is not None and row["kind"] == "matrix"
        scale = row["scale"] * gain / row["gain"] if regain else row["scale"]
        values = row["offset"] + scale * hash_uniform(row["stream"], int(np.prod(row["shape"])))
        values = values.astype(np.float32)
        if not regain:
            np.testing.assert_array_equal(values[: len(row["first"])], np.float32(row["first"]), row["name"])
            np.testing.assert_allclose(values.sum(dtype=np.float64), row["sum"], 1e-9, 1e-6, err_msg=row["name"])
        state[row["name"]] = torch.from_numpy(values.reshape(row["shape"]))
    return state
