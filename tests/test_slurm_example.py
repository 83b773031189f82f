"""scripts/slurm.sbatch as Slurm runs it: a copy of the file, two tasks by srun, and the job submitted again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tiny
from commands import SMALL, environment, losses

SCONTROL = """#!/bin/sh
[ "$*" = "show hostnames node[1-2]" ] || exit 1
printf 'localhost\\nnode2\\n'
"""

# Starts its command once per task with what srun tells each; the script's promise of a common end is looked at.
SRUN = """#!/bin/sh
[ "$1" = "--kill-on-bad-exit=1" ] || exit 1
shift
for task in 0 1; do
    SLURM_STEP_NUM_TASKS=2 SLURM_PROCID=$task SLURM_LOCALID=0 SLURM_NNODES=2 "$@" & tasks="$tasks $!"
done
for task in $tasks; do wait $task || exit 1; done
"""


@pytest.fixture
def submit(repository, tmp_path):
    """Return a function that runs the example as a job of two tasks on two nodes."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, text in {"scontrol": SCONTROL, "srun": SRUN}.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    venv = tmp_path / "venv" / "bin"
    venv.mkdir(parents=True)
    (venv / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (venv / "python").chmod(0o755)
    spooled = shutil.copy(repository / "scripts" / "slurm.sbatch", tmp_path / "slurm_script")
    job = environment(
        PATH=f"{tools}:{os.environ['PATH']}",
        SLURM_SUBMIT_DIR=str(repository),
        SLURM_JOB_NODELIST="node[1-2]",
        SLURM_JOB_ID=str(os.getpid()),
        FUSELAB_VENV=str(venv.parent),
    )

    def run(*words: str, **more: str) -> subprocess.CompletedProcess:
        command = ["bash", spooled, *map(str, words)]
        return subprocess.run(command, env={**job, **more}, cwd=tmp_path, capture_output=True, text=True, timeout=300)

    return run


def test_two_tasks_train_one_run_and_go_on(submit, tmp_path):
    data = tiny.make_strips(tmp_path / "pairs" / "train", 6).parent
    runs = tmp_path / "runs"
    words = ["--dataroot", data, "--name", "job", "--checkpoints_dir", runs, *SMALL, "--n_epochs_decay", "0"]
    words = ["train.py", *words]
    first = submit(*words, "--n_epochs", "1")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "2 per process x 2 processes x 1 accumulated" in first.stdout
    second = submit(*words, "--n_epochs", "2")
    assert second.returncode == 0, second.stdout + second.stderr
    assert "going on at epoch 2" in second.stdout
    records = losses(runs / "job")
    assert [record["epoch"] for record in records] == sorted(record["epoch"] for record in records)
    assert {record["epoch"] for record in records} == {1, 2} and records[-1]["total_iters"] == 12


def test_a_job_from_another_folder_is_told_where_to_submit(submit, tmp_path: Path):
    refused = submit("train.py", "--name", "job", SLURM_SUBMIT_DIR=str(tmp_path))
    assert refused.returncode == 2 and "submit from FuseLab's folder" in refused.stderr


def test_two_tasks_share_a_test_and_a_job_started_again_goes_on(submit, tmp_path):
    data = tiny.make_pairs(tmp_path / "pairs" / "test", 3).parent
    words = ["test.py", "--dataroot", data, "--model", "average", "--gpu_ids", "-1", "--num_threads", "0"]
    words += ["--metrics", "EN", "--results_dir", tmp_path / "results"]
    again = submit(*words, SLURM_RESTART_COUNT="1")
    assert again.returncode != 0 and "--resume finds nothing to go on with" in again.stderr
    done = submit(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 pairs fused" in done.stdout
    assert len((tmp_path / "results/average/test_latest/metrics.csv").read_text().splitlines()) == 1 + 3 + 3


def test_another_first_word_is_refused(submit):
    refused = submit("--name", "job")
    assert refused.returncode == 2 and "the first word should be train.py, test.py or evaluate.py" in refused.stderr
