"""What the page can fuse with: trained runs, and methods that need no training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import models
from options import saved_options
from util.errors import UserError


@dataclass(frozen=True)
class Method:
    """One entry of the page's list.

    Attributes:
        model: the name of the model.
        run: the name of the trained run; "" for a model that needs no training.
        snapshots: the run's snapshots whose weights are there, the usual one first.
    """

    model: str
    run: str = ""
    snapshots: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name that results carry."""
        return self.run or self.model

    @property
    def label(self) -> str:
        """What the list shows; no two entries share it."""
        return f"{self.run} ({self.model}, trained)" if self.run else f"{self.model} (needs no training)"

    def words(self, snapshot: str | None) -> list[str]:
        """Return what names the method on the command line of ``test.py``; ``snapshot`` is one of its own."""
        return [f"--name={self.run}", f"--epoch={snapshot}"] if self.run else [f"--name={self.model}",
                                                                              f"--model={self.model}"]  # fmt: skip


def list_methods(checkpoints_dir: str) -> tuple[list[Method], list[str]]:
    """Return the runs of a folder and the models that need none, and a sentence for each run that was left out."""
    runs, left_out = [], []
    for path in sorted(Path(checkpoints_dir).glob("*/train_opt.json")):
        try:
            runs.append(read_run(path.parent))
        except UserError as error:
            left_out.append(f"run {path.parent.name} is not offered: {error}")
    free = [Method(name) for name in models.model_names() if not models.find_model(name).learns()]
    return runs + free, left_out


def read_run(folder: Path) -> Method:
    """Return a trained run.

    Raises:
        UserError: its options cannot be read, its model is unknown, or it has no weights.
    """
    stored = saved_options.read(str(folder.parent), folder.name)
    model = models.find_model(str(stored.get("model", "")))
    snapshots = find_snapshots(folder, model.inference_networks)
    if not snapshots:
        files = ", ".join(f"latest_net_{name}.pth" for name in model.inference_networks)
        raise UserError(f"no weights are in {folder} ({files})")
    return Method(stored["model"], folder.name, snapshots)


def find_snapshots(folder: Path, networks: tuple[str, ...]) -> tuple[str, ...]:
    """Return the snapshots that have a file for each network: latest, best, then epochs, the last first."""
    found = {path.name.partition("_net_")[0] for path in folder.glob("*_net_*.pth")}
    whole = {name for name in found if all((folder / f"{name}_net_{network}.pth").is_file() for network in networks)}
    epochs = sorted((name for name in whole if name.isdigit()), key=int, reverse=True)
    return tuple([name for name in ("latest", "best") if name in whole] + epochs)
