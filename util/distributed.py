"""One process per device: starting them, one flat all-reduce per update, and agreeing on what to do.

Networks stay bare (no DistributedDataParallel): parameters and buffers are broadcast once, and the gradients of one
optimiser's parameters are flattened, summed over the processes and divided, just before that optimiser steps. GAN
pairs, frozen phases, accumulation and functional meta-steps are all served by the same two calls.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta

from util.errors import RunError, UserError
from util.lazy import torch
from util.logger import is_main_process, warn

PARTING = 0.5  # seconds in which the others read the last message before the connections close
# The longest that one process may wait for another: rank 0 checks a large data set, and at test a slower machine has
# hours of work left when the others have done their shares. A process that was killed is missed at once all the same.
TIMEOUT, TIMEOUT_AT_TEST = timedelta(minutes=30), timedelta(days=7)


def world_size() -> int:
    """Return the number of processes that train or test together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Return this process's number, from 0."""
    return int(os.environ.get("RANK", "0"))


def launched() -> bool:
    """Whether torchrun or Slurm has started this process as one of a group; Slurm's variables are translated."""
    if "RANK" not in os.environ and int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1:
        os.environ.update(
            RANK=os.environ["SLURM_PROCID"],
            LOCAL_RANK=os.environ["SLURM_LOCALID"],
            WORLD_SIZE=os.environ["SLURM_STEP_NUM_TASKS"],
        )
        if "MASTER_ADDR" not in os.environ:
            if int(os.environ.get("SLURM_NNODES", "1")) > 1:
                raise UserError(
                    "MASTER_ADDR is not set for a Slurm job on several nodes: export it and MASTER_PORT as "
                    "scripts/slurm.sbatch does"
                )
            os.environ["MASTER_ADDR"] = "127.0.0.1"
        os.environ.setdefault("MASTER_PORT", "29500")
    return "RANK" in os.environ


def start(opt: argparse.Namespace) -> None:
    """Choose the device, and where several GPUs are asked for, run this command once on each of them.

    Sets ``opt.device`` ("cpu" or "cuda:N").

    Raises:
        UserError: a GPU that is not there is asked for; the sentence says which exist.
    """
    inside = launched()
    ids = opt.gpu_ids
    if ids == []:
        opt.device = "cpu"
    else:
        present = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if not present:
            if ids != "auto":
                asked = ",".join(map(str, ids))
                warn(
                    f"--gpu_ids {asked}: this machine has no CUDA device, so one process runs on the CPU "
                    "(--gpu_ids -1 asks for that)"
                )
            opt.device = "cpu"
        else:
            ids = [0] if ids == "auto" and not inside else list(range(present)) if ids == "auto" else ids
            missing = [number for number in ids if number >= present]
            if missing:
                raise UserError(
                    f"--gpu_ids asks for GPU {', '.join(map(str, missing))}, but this machine has only "
                    f"{', '.join(map(str, range(present)))} (-1 is the CPU)"
                )
            if len(ids) > 1 and not inside:
                _become_one_process_each(len(ids))
            opt.device = f"cuda:{ids[int(os.environ.get('LOCAL_RANK', '0')) % len(ids)]}"
    if getattr(opt, "amp", "off") == "fp16" and opt.device == "cpu":
        raise UserError("--amp fp16 needs a GPU, and this run is on the CPU: use --amp bf16 or off")
    if opt.device != "cpu":
        torch.cuda.set_device(opt.device)
    if inside and world_size() > 1:
        _join(opt.device, TIMEOUT if getattr(opt, "is_train", False) else TIMEOUT_AT_TEST)


def _become_one_process_each(count: int) -> None:
    # torchrun takes this process's place: signals reach it, and nothing is left behind when it is killed.
    sys.stdout.flush()
    sys.stderr.flush()
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={count}"]
    os.execv(sys.executable, [sys.executable, *launcher, *sys.argv])


def _join(device: str, timeout: timedelta) -> None:
    distributed = torch.distributed
    try:
        # Flags and scores, on the CPU, go over gloo where gradients go over NCCL: agreeing never waits for a GPU.
        distributed.init_process_group("cpu:gloo,cuda:nccl" if device != "cpu" else "gloo", timeout=timeout)
    except (RuntimeError, ValueError) as error:
        raise RunError(
            f"process {rank()} of {world_size()} could not join the others at "
            f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}: {error}"
        ) from error


def finish() -> None:
    """Wait until everybody has come this far: a rank that leaves early would abort the others."""
    if _active():
        barrier()
        time.sleep(PARTING)


def barrier() -> None:
    """Wait until every process has come to this line."""
    if _active():
        _sum_over_processes(torch.zeros(1))


def broadcast_tensors(tensors: Iterable[torch.Tensor]) -> None:
    """Give every process rank 0's values of ``tensors``, in place, in one flat message per dtype."""

    def broadcast(flat: torch.Tensor) -> None:
        with _reporting_a_lost_process():
            torch.distributed.broadcast(flat, src=0)

    if _active():
        _send_flat((tensor.detach() for tensor in tensors), broadcast)


def all_reduce_gradients(parameters: Iterable[torch.nn.Parameter]) -> None:
    """Replace each gradient by its mean over the processes, in one flat all-reduce per dtype.

    A parameter without a gradient takes part with zeros: phases may differ in what they use, never in what they send.
    """
    if not _active():
        return

    def average(flat: torch.Tensor) -> None:
        _sum_over_processes(flat)
        flat /= world_size()

    taking_part = [parameter for parameter in parameters if parameter.requires_grad]
    for parameter in taking_part:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    _send_flat((parameter.grad for parameter in taking_part), average)


def mean_over_processes(values: list[float]) -> list[float]:
    """Return the mean of each value over all processes (float64)."""
    if not _active():
        return values
    total = torch.tensor(values, dtype=torch.float64)
    _sum_over_processes(total)
    return (total / world_size()).tolist()


def any_process(flag: bool) -> bool:
    """Whether ``flag`` is set on at least one process: how all of them stop at the same update."""
    if not _active():
        return flag
    count = torch.tensor([int(flag)])
    _sum_over_processes(count)
    return bool(count.item())


def fail_together(sentence: str) -> None:
    """End every process of a run for a reason that all of them have seen; it is told once.

    Raises:
        RunError: on rank 0, with the sentence; the others leave silently.
    """
    if is_main_process():
        raise RunError(sentence)
    raise SystemExit(RunError.exit_status)


def gather(values: list) -> list:
    """Return the concatenation of every process's list, on every process, in the order of the ranks."""
    if not _active():
        return values
    parts: list[list] = [[] for _ in range(world_size())]
    with _reporting_a_lost_process():
        torch.distributed.all_gather_object(parts, values)
    return [value for part in parts for value in part]


def on_main_process(action: Callable[[], object]) -> object:
    """Run ``action`` on rank 0 alone and hand its result to all; a refusal there ends every process, told once."""
    if not _active():
        return action()
    message: list = [None, None]
    if is_main_process():
        try:
            message[0] = action()
        except UserError as error:
            message[1] = error
    with _reporting_a_lost_process():
        torch.distributed.broadcast_object_list(message, src=0)
    if message[1] is not None:
        if is_main_process():
            raise message[1]
        raise SystemExit(message[1].exit_status)  # rank 0 has said why
    return message[0]


def _active() -> bool:
    return world_size() > 1 and torch.distributed.is_available() and torch.distributed.is_initialized()


def _send_flat(tensors: Iterable[torch.Tensor], send: Callable[[torch.Tensor], None]) -> None:
    """Replace the values of ``tensors`` by what ``send`` makes of them, flattened into one tensor per dtype."""
    groups: dict[torch.dtype, list] = {}
    for tensor in tensors:
        groups.setdefault(tensor.dtype, []).append(tensor)
    for members in groups.values():
        flat = torch.cat([tensor.reshape(-1) for tensor in members])
        send(flat)
        parts = flat.split([tensor.numel() for tensor in members])
        for tensor, part in zip(members, parts, strict=True):
            tensor.copy_(part.view_as(tensor))


def _sum_over_processes(tensor: torch.Tensor) -> None:
    with _reporting_a_lost_process():
        torch.distributed.all_reduce(tensor)


@contextlib.contextmanager
def _reporting_a_lost_process() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise RunError(f"process {rank()} has lost another one, which has said why or was killed") from error
