"""The contract of a method: what a model file gives, and what it gets for nothing.

A method is a class ``NAMEModel(BaseModel)`` in ``models/NAME_model.py``. The loop knows only what stands here;
``models/template_model.py`` is a commented pattern.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
from collections.abc import Iterator
from pathlib import Path

from models import fast
from models.optimisers import load_state
from models.stored_weights import fill_networks, read_weights
from util import checkpoint, distributed
from util.errors import RunError, UserError
from util.lazy import torch
from util.logger import log
from util.schedule import Schedule
from util.tiling import Place, Tiling


class BaseModel:
    """Holds the networks and optimisers of one method on one device.

    A subclass sets the class attributes below, builds its networks and optimisers in ``__init__`` with
    ``register_network`` and ``register_optimizer``, and gives ``optimize_parameters`` and ``fuse``.
    """

    title = ""  # one line for --list models
    color_mode = "rgb"  # "luma": the framework hands the luminance to fuse() and puts the colour back
    channels = 3  # channels that fuse() takes
    size_multiple = 1  # fuse() gets sides that are multiples of this
    needs_gt = False  # training needs a ground truth
    inference_networks: tuple[str, ...] = ("G",)  # what test.py loads
    explain_networks: tuple[str, ...] = ()  # what explain() needs beside them, loaded where its file is there
    loss_names: tuple[str, ...] = ()  # loss_NAME, scalar tensors without gradient, set by optimize_parameters()
    logged_names: tuple[str, ...] = ()  # value_NAME likewise: scalars worth a curve that are no losses
    visual_names: tuple[str, ...] = ("A", "B", "fused")  # attributes (N, C, H, W) in [0, 1]

    def __init__(self, opt: argparse.Namespace):
        self.opt = opt
        self.is_train = opt.is_train
        self.device = torch.device(opt.device)
        self.networks: dict[str, torch.nn.Module] = {}
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        self.averages: dict[str, torch.nn.Module] = {}
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.is_train and opt.amp == "fp16")
        self.epoch = 1
        self.prelude = 0  # batches of an epoch before its pass over the data, see count_prelude()
        self.batches_seen = 0  # of this epoch, the running one not counted
        self.gathered = 0  # batches that the coming update holds so far
        self.updating = True  # whether step() may move parameters: False while batches are gathered
        self.finite = torch.ones((), dtype=torch.bool, device=self.device)
        self._kept: tuple | None = None  # see keep_for_maps()

    @classmethod
    def learns(cls) -> bool:
        """Whether there is anything to train; a method without networks fuses without a checkpoint."""
        return bool(cls.inference_networks)

    # What a method gives -----------------------------------------------------------------------------------------

    @staticmethod
    def modify_commandline_options(parser, is_train: bool):
        """Add the method's own options, or change defaults with ``parser.set_defaults``; return the parser."""
        return parser

    @staticmethod
    def check_options(opt: argparse.Namespace) -> None:
        """Refuse, with a UserError, options that this method cannot be built with; torch is not loaded."""

    @staticmethod
    def check_training_size(width: int, height: int, what: str, opt: argparse.Namespace) -> None:
        """Refuse, with a UserError that begins with ``what``, a training image that the networks cannot take."""

    @staticmethod
    def check_dataset(dataset, opt: argparse.Namespace) -> None:
        """Refuse, with a UserError, or warn of, pairs that this method is not meant for; torch is not loaded."""

    @staticmethod
    def find_tiling(opt: argparse.Namespace) -> Tiling | None:
        """Return how pictures too large for the memory are fused in tiles; None: whole ones alone; torch not loaded."""
        return None

    @staticmethod
    def translate_weights(weights: dict[str, torch.Tensor], opt: argparse.Namespace) -> dict[str, dict]:
        """Return {network: its state} of a file that the method's authors published (``--weights``)."""
        raise UserError(f"--model {opt.model} knows no published weights: leave --weights out and name a run of yours")

    def count_prelude(self, batches: int) -> int:
        """Return how many batches, shuffled on their own, come before an epoch's pass over the data of ``batches``.

        For methods that learn in two phases; ``self.batches_seen < self.prelude`` tells which one a batch is of. A
        multiple of what an update of that phase gathers.
        """
        return 0

    def batches_per_update(self) -> int:
        """Return how many batches the running update gathers."""
        return self.opt.accumulate

    def set_input(self, batch: dict) -> None:
        """Take a batch to the device: ``A``, ``B`` and ``GT`` (None without one), (N, 3, H, W) in [0, 1]."""
        self.A, self.B, self.GT = (self._to_device(batch.get(key)) for key in ("A", "B", "GT"))
        self.names = batch["name"]

    def optimize_parameters(self) -> None:
        """Learn from the batch of ``set_input``: forward, ``self.backward(loss)``, ``self.step("G")``."""
        raise TypeError(f"{type(self).__name__} cannot be trained: it gives no optimize_parameters()")

    def fuse(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """Fuse (N, channels, H, W) in [0, 1] to the same shape and range; no state, no auxiliary branch."""
        raise TypeError(f"{type(self).__name__} gives no fuse()")

    def fuse_tile(self, a: torch.Tensor, b: torch.Tensor, place: Place) -> torch.Tensor:
        """Fuse what a tile sees, as ``fuse`` does; for networks that have to know where in the picture that is."""
        return self.fuse(a, b)

    def finish(self, fused: torch.Tensor) -> torch.Tensor:
        """Return what the method makes of whole pictures that ``fuse`` gave, the colour not yet put back."""
        return fused

    def explain(self, a: torch.Tensor, b: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return maps that show how a pair is fused (weights, votes, decisions), for the gallery of a test.

        Args:
            a, b: what ``fuse`` gets.

        Returns:
            {label: (N, 1 or 3, H, W) in [0, 1]}, in the order of the columns; none by default. A label is short and
            ends file names: letters, digits and '_'.
        """
        return {}

    def postprocess(self, fused: torch.Tensor) -> torch.Tensor:
        """Return what the method makes of finished pictures, (N, 3, H, W) in [0, 1], colour put back; at test only."""
        return fused

    def validate(self, loader) -> dict[str, float]:
        """Return scores of the method's own on validation data, the deciding one first; the higher the better.

        For methods whose networks do not fuse while they learn. {} (the default): pairs are fused, and metrics judge.
        Every process calls it with its share of the data and returns the scores of all.
        """
        return {}

    def compute_visuals(self) -> None:
        """Compute pictures that ``optimize_parameters`` has not left behind; called before they are shown."""

    # What a method gets ------------------------------------------------------------------------------------------

    def register_network(self, name: str, network: torch.nn.Module) -> torch.nn.Module:
        """Move a network to the device and keep it as ``self.net_NAME``, file name ``EPOCH_net_NAME.pth``."""
        network = network.to(self.device)
        if self.is_train and self.opt.channels_last:
            network = network.to(memory_format=torch.channels_last)
        if self.is_train and self.opt.compile:
            network.compile()  # in place: names in the state dict stay as they are
        self.networks[name] = network
        setattr(self, f"net_{name}", network)
        return network

    def register_optimizer(self, name: str, optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
        """Keep an optimiser as ``self.optimizer_NAME``; its state is saved and its learning rate follows the plan."""
        self.optimizers[name] = optimizer
        setattr(self, f"optimizer_{name}", optimizer)
        return optimizer

    def keep_for_maps(self, a: torch.Tensor, b: torch.Tensor, made) -> None:
        """Keep what ``fuse`` has made of a pair, until ``take_kept`` or the next pair."""
        self._kept = a, b, made

    def take_kept(self, a: torch.Tensor, b: torch.Tensor):
        """Return what was kept of this very pair, once; None where nothing was: ``explain`` then makes it anew."""
        kept, self._kept = self._kept, None
        return kept[2] if kept and torch.equal(kept[0], a) and torch.equal(kept[1], b) else None

    def speed_up(self) -> None:
        """Prepare the networks, whose weights are there, for fusing as ``--fast`` says; then they cannot be saved."""
        fast.speed_up(self.networks, self.opt)

    def autocast(self):
        """Return the context of ``--amp`` in training and of ``--fast`` in fusing: how layers are computed."""
        if self.is_train:
            return fast.autocast(self.device, self.opt.amp)
        return fast.fusing(self.device, self.opt.fast)

    def backward(self, loss: torch.Tensor) -> None:
        """Add the gradients of ``loss`` (scalar), scaled for accumulation and for fp16."""
        self.scaler.scale(loss / self.opt.accumulate).backward()

    def step(self, name: str) -> None:
        """Move the parameters of one optimiser: mean gradient over the processes, clip, step, clear.

        Does nothing while batches are still being gathered (``--accumulate``).
        """
        if not self.updating:
            return
        optimizer = self.optimizers[name]
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        # The reduction comes before the unscaling: an overflow on one process must be seen by all.
        distributed.all_reduce_gradients(parameters)
        if self.opt.clip_grad > 0:
            self.scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(parameters, self.opt.clip_grad)
        self.scaler.step(optimizer)
        optimizer.zero_grad(set_to_none=True)

    @staticmethod
    def set_requires_grad(network: torch.nn.Module, wanted: bool) -> None:
        """Freeze or free a network's parameters."""
        for parameter in network.parameters():
            parameter.requires_grad_(wanted)

    # What the loop calls -----------------------------------------------------------------------------------------

    def finish_setup(self) -> None:
        """Complete the model once its networks and optimisers are registered."""
        for network in self.networks.values():
            distributed.broadcast_tensors([*network.parameters(), *network.buffers()])
        if not self.is_train:
            for network in self.networks.values():
                network.eval().requires_grad_(False)
            return
        self.schedule = Schedule(self.opt, self.optimizers)
        if self.opt.ema:
            for name in self.inference_networks:
                self.averages[name] = copy.deepcopy(self.networks[name]).eval().requires_grad_(False)

    def start_epoch(self, epoch: int, batches_seen: int = 0) -> None:
        """Go to an epoch, behind the batches that were already learned from."""
        self.epoch, self.batches_seen = epoch, batches_seen
        self.schedule.start_epoch(epoch)

    def train_on(self, batch: dict, *, last_of_epoch: bool = False) -> bool:
        """Learn from one batch; return whether the parameters moved (``--accumulate`` gathers several first)."""
        self.gathered += 1
        self.updating = self.gathered >= self.batches_per_update() or last_of_epoch
        self.set_input(batch)
        self.optimize_parameters()
        # Remembered on the device: reading it at every update would make the device wait.
        for name in self.loss_names:
            self.finite &= torch.isfinite(getattr(self, f"loss_{name}"))
        if self.updating:
            self.gathered = 0
            if self.scaler.is_enabled():
                self.scaler.update()
            self._update_averages()
            self.schedule.end_update()
        self.batches_seen += 1
        return self.updating

    def share_statistics(self) -> None:
        """Give every process rank 0's running statistics, which are those that are saved; training never reads them."""
        for network in (*self.networks.values(), *self.averages.values()):
            distributed.broadcast_tensors(network.buffers())

    def get_current_losses(self) -> dict[str, float]:
        """Return the losses of the last batch, and behind them the other values that are logged with them.

        Means over all processes; this waits for the device.
        """
        losses = {name: getattr(self, f"loss_{name}") for name in self.loss_names}
        losses |= {name: getattr(self, f"value_{name}") for name in self.logged_names}
        values = torch.stack([value.detach().float() for value in losses.values()]).tolist()
        return dict(zip(losses, distributed.mean_over_processes(values), strict=True))

    def get_current_visuals(self) -> dict[str, torch.Tensor]:
        """Return the pictures of the last batch by label, (N, C, H, W) in [0, 1]; those it has not are left out."""
        with torch.no_grad():
            self.compute_visuals()
        found = {name: getattr(self, name, None) for name in self.visual_names}
        return {name: image.detach().float().clamp(0, 1) for name, image in found.items() if image is not None}

    def check_finite(self) -> None:
        """Stop the run when a loss since the last check, on any process, was not finite.

        Raises:
            RunError: with the losses that went wrong.
        """
        if distributed.any_process(not bool(self.finite)):
            values = self.get_current_losses()
            wrong = ", ".join(f"{name} {value:g}" for name, value in values.items() if not abs(value) < float("inf"))
            distributed.fail_together(f"training diverged: a loss is not finite ({wrong or 'since the last check'})")

    @contextlib.contextmanager
    def knowing_picture(self, a: torch.Tensor, b: torch.Tensor, margin: float) -> Iterator[None]:
        """Within, ``fuse`` gets tiles, and what its networks have to know of the whole picture is that of windows.

        Args:
            a, b: the windows, (windows, channels, side, side).
            margin: the share of their side that does not count; see ``models/networks/whole_picture.py``.
        """
        from models.networks.whole_picture import find_parts

        parts = find_parts([*self.networks.values(), *self.averages.values()])
        try:
            for part in parts:
                part.look(len(a), margin)
            self.fuse(a, b)
            for part in parts:
                part.know()
            yield
        finally:
            for part in parts:
                part.forget()

    @contextlib.contextmanager
    def evaluating(self) -> Iterator[None]:
        """Switch to what a reader of the saved files gets: evaluation mode and, where there is one, the average."""
        modes = {name: network.training for name, network in self.networks.items()}
        trained = {name: self.networks[name] for name in self.averages}
        for name in modes:
            self.networks[name].eval()
        for name, average in self.averages.items():
            setattr(self, f"net_{name}", average)
        try:
            yield
        finally:
            for name, network in trained.items():
                setattr(self, f"net_{name}", network)
            for name, mode in modes.items():
                self.networks[name].train(mode)

    def state_dict(self) -> dict:
        """Return everything that training needs to go on: tensors and plain values only."""
        return {
            "networks": {name: network.state_dict() for name, network in self.networks.items()},
            "averages": {name: network.state_dict() for name, network in self.averages.items()},
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "schedule": self.schedule.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def load_state_dict(self, state: dict, source: str) -> None:
        """Restore what ``state_dict`` returned; ``source`` names the file in a refusal."""
        fill_networks(self.opt, self.networks, state["networks"], source)
        averages = state["averages"] if state["averages"] else state["networks"]
        fill_networks(self.opt, self.averages, averages, source)
        for name, optimizer in self.optimizers.items():
            saved = state["optimizers"][name]
            if not self.schedule.follows_scores:  # rates and momenta are the options', which may have changed
                saved = {**saved, "param_groups": optimizer.state_dict()["param_groups"]}
            load_state(optimizer, saved)
        self.schedule.load_state_dict(state["schedule"])
        if state["scaler"]:  # empty where the run had no --amp fp16 so far
            self.scaler.load_state_dict(state["scaler"])

    def check_weights(self) -> None:
        """Refuse to save weights that are not finite: the last good state stays.

        Raises:
            RunError: naming the first such tensor.
        """
        for name, network in self.networks.items():
            for key, tensor in network.state_dict().items():
                if tensor.is_floating_point() and not torch.isfinite(tensor).all():
                    raise RunError(f"training diverged: {key} of network {name} is not finite")

    def save_networks(self, prefix: str | int) -> None:
        """Write ``PREFIX_net_NAME.pth`` for every network, the moving average where there is one."""
        for name, network in self.networks.items():
            network = self.averages.get(name, network)
            weights = {key: tensor.detach().cpu() for key, tensor in network.state_dict().items()}
            checkpoint.save(self.weights_path(prefix, name), weights)

    def load_networks(self, prefix: str | int) -> None:
        """Read the weights that fusing needs, and those that ``explain`` would like; without the latter it is mute.

        Raises:
            UserError: a file is missing or broken, or the networks asked for are not those that were trained.
        """
        for name in self.explain_networks:
            if not self.weights_path(prefix, name).is_file():
                self.networks.pop(name, None)
        for name in self.networks:
            path = self.weights_path(prefix, name)
            fill_networks(self.opt, {name: self.networks[name]}, {name: read_weights(path, self.device)}, str(path))

    def load_published(self, path: Path) -> None:
        """Read the weights that the method's authors published in one file; ``explain`` may be mute then.

        Raises:
            UserError: the file is broken or not of this method.
        """
        states = self.translate_weights(read_weights(path, self.device), self.opt)
        for name in set(self.explain_networks) - set(states):
            self.networks.pop(name, None)
        fill_networks(self.opt, self.networks, states, str(path))

    def weights_path(self, prefix: str | int, name: str) -> Path:
        return Path(self.opt.run_dir) / f"{prefix}_net_{name}.pth"

    def print_networks(self) -> None:
        """Print each network's number of parameters, and with ``--verbose`` its layers."""
        for name, network in self.networks.items():
            if self.opt.verbose:
                log(str(network))
            count = sum(parameter.numel() for parameter in network.parameters())
            log(f"network {name}: {type(network).__name__}, {count:,} parameters")

    # ---------------------------------------------------------------------------------------------------------------

    def _to_device(self, image):
        if image is None:
            return None
        image = image.to(self.device, non_blocking=True)
        is_last = self.is_train and self.opt.channels_last
        return image.contiguous(memory_format=torch.channels_last) if is_last else image

    def _update_averages(self) -> None:
        for name, average in self.averages.items():
            pairs = list(zip(average.state_dict().values(), self.networks[name].state_dict().values(), strict=True))
            for mean, value in pairs:
                if not mean.is_floating_point():  # batch normalisation's count
                    mean.copy_(value)
            means, values = zip(*(pair for pair in pairs if pair[0].is_floating_point()), strict=True)
            torch.optim.swa_utils.get_ema_multi_avg_fn(self.opt.ema)(means, values, None)  # all in one operation
