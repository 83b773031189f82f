"""Running the entry scripts as users do, in processes of their own or, where only the answer counts, in this one."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

from util.launch import run_script

REPOSITORY = Path(__file__).resolve().parent.parent

# A run small enough to be over in seconds, whatever is added to it.
SMALL = ["--ngf", "4", "--ndf", "4", "--n_blocks", "1", "--load_size", "32", "--crop_size", "32", "--batch_size", "2",
         "--print_freq", "2", "--display_id", "0", "--num_threads", "0", "--gpu_ids", "-1"]  # fmt: skip


def environment(**more: str) -> dict[str, str]:
    """Return an environment in which each process keeps to one thread: tests share two cores."""
    return {**os.environ, "OMP_NUM_THREADS": "1", **more}


def start(*words: str, **more) -> subprocess.Popen:
    """Start ``python words...`` with its output captured."""
    return subprocess.Popen(
        [sys.executable, *map(str, words)],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        **more,
    )


def run(*words: str, status: int = 0, **more) -> subprocess.CompletedProcess:
    """Run ``python words...`` to its end and check its exit status."""
    done = subprocess.run(
        [sys.executable, *map(str, words)], text=True, capture_output=True, env=environment(), timeout=300, **more
    )
    assert done.returncode == status, f"exit status {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-9000:]}"
    return done


def torchrun(processes: int, *words: str, **more) -> subprocess.CompletedProcess:
    """Run ``torchrun --nproc_per_node N words...`` to its end."""
    return run("-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}", *words, **more)


def call(script: str, *words: str, monkeypatch, capsys) -> tuple[int, str, str]:
    """Call an entry script in this process; return its exit status, standard output and standard error."""
    path = REPOSITORY / script
    specification = importlib.util.spec_from_file_location(f"entry_{path.stem}", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    monkeypatch.setattr(sys, "argv", [str(path), *map(str, words)])
    capsys.readouterr()
    try:
        run_script(module.main)
    except SystemExit as end:
        status = end.code
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def losses(run_dir: Path) -> list[dict]:
    """Return what a run has logged, without the times (which differ from run to run)."""
    lines = (run_dir / "loss_log.jsonl").read_text().splitlines()
    return [
        {
            key: value
            for key, value in json.loads(line).items()
            if key in ("epoch", "iter", "total_iters", "step", "losses", "lr")
        }
        for line in lines
    ]
