"""Every mistake of a user ends in one sentence and status 2, before long work starts, and loses nothing on disk."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from broken_world import make_broken_world
from commands import REPOSITORY, call, environment

TRAIN, TEST, EVALUATE = "train.py", "test.py", "evaluate.py"


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    return make_broken_world(tmp_path_factory.mktemp("world"))


D = ["--dataroot", "{root}/strips"]
R = ["--checkpoints_dir", "{root}/runs", "--results_dir", "{root}/results2", "--gpu_ids", "-1"]
G = ["--dataroot", "{root}/pairs", "--name", "good", *R]


def go_on(name: str, *words: str) -> list[str]:
    return ["--continue_train", "--name", name, "--checkpoints_dir", "{root}/runs", *words]


def fuse(name: str, *words: str) -> list[str]:
    return ["--dataroot", "{root}/pairs", "--name", name, *R, *words]


def judge(*words: str) -> list[str]:
    return ["--dataroot", "{root}/pairs", "--results_dir", "{root}/results2", *words]


def judge_folder(name: str, *words: str) -> list[str]:
    return judge("--fused", f"m={{root}}/fused/{name}", *words)


TABLE = {  # id: (script, arguments, what the sentence must say)
    # flags
    "unknown flag": (TRAIN, [*D, "--bach_size", "3"], ["--bach_size", "--batch_size"]),
    "unknown flag with =": (TRAIN, [*D, "--n_epoch=3"], ["--n_epoch", "--n_epochs"]),
    "abbreviated flag": (TRAIN, [*D, "--print_fre", "3"], ["--print_fre", "--print_freq"]),
    "stray word": (TRAIN, [*D, "fast"], ["'fast'"]),
    "flag without value": (TRAIN, [*D, "--lr"], ["--lr"]),
    "unknown model": (TRAIN, [*D, "--model", "r2gam"], ["r2gam", "'r2gan'"]),
    "unknown dataset": (TRAIN, [*D, "--dataset_mode", "lytra"], ["lytra", "'lytro'"]),
    "unknown metric": (TEST, [*G, "--metrics", "EN,SDD"], ["SDD", "'SD'"]),
    "unknown validation metric": (TRAIN, [*D, "--val_metric", "PSNRGTT"], ["PSNRGTT", "PSNR_GT"]),
    "no metric": (TEST, [*G, "--metrics", ","], ["--metrics"]),
    "unknown generator": (TRAIN, [*D, "--netG", "resnet_9blocks"], ["resnet_9blocks"]),
    "unknown blend": (TEST, [*G, "--model", "blurcnn", "--blend", "sofd"], ["--blend", "'soft'"]),
    "unknown working size": (TEST, [*G, "--model", "blurcnn", "--work_size", "457"], ["--work_size", "'456'"]),
    "windows with gaps": (TEST, [*G, "--model", "blurcnn", "--vote_stride", "33"], ["--vote_stride", "1 to 32"]),
    "no Gaussian at all": (TEST, [*G, "--model", "blurcnn", "--retinex_sigma", "0"], ["--retinex_sigma", "1 to 10000"]),
    "patches of nothing": (TRAIN, [*D, "--model", "blurcnn", "--patches_per_photo", "0"], ["--patches_per_photo"]),
    "all photographs held out": (TRAIN, [*D, "--model", "blurcnn", "--hold_out", "1"], ["--hold_out", "0 to 0.9"]),
    "no photograph": (
        TRAIN,
        ["--dataroot", "{root}/letters", "--phase", "test", "--model", "blurcnn", "--gpu_ids", "-1"],
        ["letters", "sharp photographs"],
    ),
    "pairs for a classifier of patches": (
        TRAIN,
        [*D, "--model", "blurcnn", "--dataset_mode", "pmf", "--gpu_ids", "-1"],
        ["single photographs", "--dataset_mode blur_patches"],
    ),
    "patches for another method": (
        TRAIN,
        [*D, "--model", "ignet", "--dataset_mode", "blur_patches", "--gpu_ids", "-1"],
        ["--model blurcnn", "ignet"],
    ),
    "patches at test": (
        TEST,
        [
            "--dataroot",
            "{root}/strips",
            "--phase",
            "train",
            "--dataset_mode",
            "blur_patches",
            "--model",
            "blurcnn",
            "--name",
            "good",
            *R,
        ],
        ["patches", "score_blur_patches.py"],
    ),
    "unknown discriminator": (TRAIN, [*D, "--netD", "pixle"], ["pixle", "pixel"]),
    "discriminator as generator": (TRAIN, [*D, "--netG", "pixel"], ["pixel"]),
    "pix2pix with another generator": (
        TRAIN,
        [*D, "--model", "pix2pix", "--netG", "unet_256"],
        ["unet_256", "R2GAN_generator"],
    ),
    "network of another method": (TRAIN, [*D, "--model", "refusion", "--netG", "pixel"], ["--netG pixel", "refusion"]),
    "unknown task": (TRAIN, [*D, "--model", "refusion", "--task", "irvis"], ["--task", "ivif"]),
    "nothing to learn": (TRAIN, [*D, "--model", "laplacian"], ["--model laplacian", "test.py"]),
    "snapshot of a classic": (TEST, [*G, "--model", "dwt", "--epoch", "3"], ["--epoch 3", "--model dwt"]),
    "unknown wavelet": (TEST, [*G, "--model", "dwt", "--wavelet", "db1000"], ["db1000", "--wavelet"]),
    "tiles of a word": (TEST, [*G, "--tile", "atuo"], ["--tile", "'atuo'", "auto or off"]),
    "tiles too small": (TEST, [*G, "--tile", "8"], ["--tile", "from 32", "auto or off"]),
    "tiles of what is whole": (
        TEST, [*G, "--model", "blurcnn", "--tile", "512"], ["--tile 512", "--model blurcnn", "as a whole"],
    ),
    "no pyramid": (TEST, [*G, "--model", "laplacian", "--pyramid_levels", "0"], ["--pyramid_levels"]),
    "all is hidden and more": (TRAIN, [*D, "--model", "fusion2void", "--mask_ratio", "1.2"], ["--mask_ratio"]),
    "no block": (TRAIN, [*D, "--model", "fusion2void", "--mask_block", "0"], ["--mask_block"]),
    "images below a block": (
        TRAIN,
        [*D, "--model", "fusion2void", "--mask_block", "64"],
        ["smaller than --mask_block 64"],
    ),
    "lowest rate above the first": (TRAIN, [*D, "--lr", "1e-4", "--lr_min", "1e-3"], ["--lr_min 0.001", "--lr 0.0001"]),
    "no wave": (TRAIN, [*D, "--lr_half_wave", "0"], ["--lr_half_wave"]),
    "no meta-step": (TRAIN, [*D, "--model", "refusion", "--meta_steps", "0"], ["--meta_steps"]),
    "further data are not there": (
        TRAIN,
        [*D, "--more_dataroots", "{root}/strips", "{root}/nowhere"],
        ["--more_dataroots", "nowhere"],
    ),
    "no sample of a pair": (TRAIN, [*D, "--samples_per_pair", "0"], ["--samples_per_pair"]),
    "unknown registry": (TRAIN, ["--list", "model"], ["models"]),
    "unknown norm": (TRAIN, [*D, "--norm", "layer"], ["--norm", "batch"]),
    "unknown gan mode": (TRAIN, [*D, "--gan_mode", "lsgn"], ["lsgan"]),
    "unknown policy": (TRAIN, [*D, "--lr_policy", "liner"], ["linear"]),
    "unknown preprocess": (TRAIN, [*D, "--preprocess", "crops"], ["crop"]),
    "unknown rotation": (TRAIN, [*D, "--rotate", "half"], ["quarter"]),
    "unknown way to fuse": (TEST, [*G, "--fast", "turbo"], ["--fast", "exact", "bf16"]),
    "unknown precision": (TRAIN, [*D, "--amp", "fp8"], ["--amp", "fp16"]),
    "unknown colour rule": (TEST, [*G, "--color", "lum"], ["luma"]),
    "unknown initialisation": (TRAIN, [*D, "--init_type", "gauss"], ["normal"]),
    "epochs are no number": (TRAIN, [*D, "--n_epochs", "many"], ["--n_epochs", "'many'"]),
    "negative epochs": (TRAIN, [*D, "--niter", "-3"], ["-3", "at least 0"]),
    "nothing to train": (TRAIN, [*D, "--n_epochs", "0", "--n_epochs_decay", "0"], ["--n_epochs"]),
    "first epoch behind the last": (TRAIN, [*D, "--epoch_count", "900"], ["900"]),
    "batch of none": (TRAIN, [*D, "--batch_size", "0"], ["--batch_size", "from 1 to"]),
    "rate of zero": (TRAIN, [*D, "--lr", "0"], ["--lr", "larger than 0"]),
    "rate is nan": (TRAIN, [*D, "--lr", "nan"], ["--lr", "nan"]),
    "rate is text": (TRAIN, [*D, "--lr", "2e-"], ["--lr", "2e-"]),
    "momentum above one": (TRAIN, [*D, "--beta1", "1.5"], ["--beta1"]),
    "average that never moves": (TRAIN, [*D, "--ema", "1"], ["--ema"]),
    "negative seed": (TRAIN, [*D, "--seed", "-1"], ["--seed"]),
    "negative clip": (TRAIN, [*D, "--clip_grad", "-1"], ["--clip_grad"]),
    "gather none": (TRAIN, [*D, "--accumulate", "0"], ["--accumulate"]),
    "no update": (TRAIN, [*D, "--max_steps", "0"], ["--max_steps"]),
    "negative loaders": (TRAIN, [*D, "--num_threads", "-1"], ["--num_threads"]),
    "port out of range": (TRAIN, [*D, "--display_port", "70000"], ["--display_port", "65535"]),
    "panels": (TRAIN, [*D, "--panels", "4"], ["--panels"]),
    "crop of zero": (TRAIN, [*D, "--crop_size", "0"], ["--crop_size"]),
    "crop above load": (TRAIN, [*D, "--load_size", "64", "--crop_size", "128"], ["--load_size 64", "--crop_size 128"]),
    "crop that no network takes": (
        TRAIN,
        [*D, "--load_size", "0", "--crop_size", "30", "--preprocess", "crop"],
        ["--crop_size 30", "4"],
    ),
    "crop too small for the discriminator": (TRAIN, [*D, "--crop_size", "16", "--netD", "basic"], ["--netD basic"]),
    "GPU list is text": (TRAIN, [*D, "--gpu_ids", "one"], ["--gpu_ids", "'one'"]),
    "GPU twice": (TRAIN, [*D, "--gpu_ids", "0,0"], ["twice"]),
    "half precision on the CPU": (TRAIN, [*D, "--amp", "fp16", "--gpu_ids", "-1"], ["--amp fp16", "bf16"]),
    "suffix of no option": (TRAIN, [*D, "--suffix", "{colour}"], ["--suffix", "colour"]),
    "name is a path": (TRAIN, [*D, "--name", "a/b"], ["--name", "a/b"]),
    "name is empty": (TRAIN, [*D, "--name", ""], ["--name"]),
    "test none": (TEST, [*G, "--num_test", "0"], ["--num_test"]),
    # runs
    "no dataroot": (TRAIN, ["--name", "x"], ["--dataroot"]),
    "run with another width": (TEST, [*G, "--ngf", "8"], ["--ngf 8", "trained with 4"]),
    "run with more blocks": (TEST, [*G, "--n_blocks", "2"], ["--n_blocks 2", "trained with 1"]),
    "unknown run": (TEST, fuse("goood"), ["goood", "'good'"]),
    "no run at all": (
        TEST,
        ["--dataroot", "{root}/pairs", "--name", "x", "--checkpoints_dir", "{root}/empty"],
        ["none at all"],
    ),
    "snapshot is no snapshot": (TEST, [*G, "--epoch", "last"], ["--epoch", "latest"]),
    "snapshot was not kept": (TEST, [*G, "--epoch", "77"], ["77_net_G.pth"]),
    "go on and start again": (TRAIN, go_on("good", "--overwrite"), ["--continue_train", "--overwrite"]),
    "go on without a run": (TRAIN, go_on("nothing"), ["nothing"]),
    "go on with another width": (TRAIN, go_on("good", "--ngf", "8"), ["--ngf 8", "4"]),
    "run is there already": (
        TRAIN,
        [*D, "--name", "good", "--checkpoints_dir", "{root}/runs"],
        ["--continue_train", "--overwrite"],
    ),
    "results of somebody else": (
        TEST,
        [
            "--dataroot",
            "{root}/pairs",
            "--name",
            "good",
            "--checkpoints_dir",
            "{root}/runs",
            "--results_dir",
            "{root}/results",
            "--gpu_ids",
            "-1",
        ],
        ["--results_dir"],
    ),
    # folders
    "dataroot is not there": (TRAIN, ["--dataroot", "{root}/nowhere"], ["nowhere", "no such folder"]),
    "dataroot is a file": (TRAIN, ["--dataroot", "{root}/letters/test/letter.txt"], ["no such folder"]),
    "one folder of two": (TRAIN, ["--dir_A", "{root}/pairs/test/A"], ["--dir_A", "--dir_B"]),
    "own folder is not there": (
        TEST,
        ["--dir_A", "{root}/pairs/test/A", "--dir_B", "{root}/pairs/test/C", "--name", "good", *R],
        ["pairs/test/C"],
    ),
    "phase is not there": (TEST, [*G, "--phase", "holiday"], ["holiday", "--phase"]),
    "empty folder": (TEST, ["--dataroot", "{root}/empty", "--name", "good", *R], ["empty"]),
    "folder of text": (TEST, ["--dataroot", "{root}/letters", "--name", "good", *R], ["letters"]),
    "validation data are not there": (TRAIN, [*D, "--val_dataroot", "{root}/nowhere"], ["--val_dataroot"]),
    "validation metric without a ground truth": (
        TRAIN,
        [*D, "--val_dataroot", "{root}/pairs", "--val_metric", "PSNR_GT"],
        ["PSNR_GT", "ground truth"],
    ),
    "metric without a ground truth": (TEST, [*G, "--metrics", "PSNR_GT"], ["PSNR_GT", "ground truth"]),
    "training without a ground truth": (TRAIN, ["--dataroot", "{root}/no_gt"], ["ground truth", "--dir_GT"]),
    # images
    "no partner": (TEST, ["--dataroot", "{root}/lone", "--name", "good", *R], ["pair-01-A.png", "--skip_bad"]),
    "two sizes": (
        TEST,
        ["--dataroot", "{root}/sizes", "--name", "good", *R],
        ["pair-01", "30x24", "31x24", "--skip_bad"],
    ),
    "file of no bytes": (TEST, ["--dataroot", "{root}/hollow", "--name", "good", *R], ["pair-01-B.png", "--skip_bad"]),
    "text in a picture's clothes": (
        TEST,
        ["--dataroot", "{root}/text", "--name", "good", *R],
        ["pair-01-B.png", "--skip_bad"],
    ),
    "torn picture": (TEST, ["--dataroot", "{root}/torn", "--name", "good", *R], ["pair-00-A.png", "--skip_bad"]),
    "picture with NaN": (TEST, ["--dataroot", "{root}/nan", "--name", "good", *R], ["pair-00-A.tif"]),
    "training image that no network takes": (
        TRAIN,
        ["--dataroot", "{root}/oblong", "--preprocess", "none", "--load_size", "0", "--gpu_ids", "-1"],
        ["the pair odd", "multiples of 4"],
    ),
    "strip that no panel fits": (
        TRAIN,
        ["--dataroot", "{root}/ragged", "--panels", "3", "--dataset_mode", "pmf"],
        ["strip.png"],
    ),
    # checkpoints
    "weights torn": (TEST, fuse("torn"), ["latest_net_G.pth"]),
    "weights of no bytes": (TEST, fuse("hollow"), ["latest_net_G.pth", "empty"]),
    "weights with code": (TEST, fuse("code"), ["latest_net_G.pth", "pickled code"]),
    "weights are prose": (TEST, fuse("prose"), ["latest_net_G.pth"]),
    "weights are a list": (TEST, fuse("numbers"), ["latest_net_G.pth"]),
    "published weights without a method": (TEST, fuse("x", "--weights", "{root}/runs"), ["--weights", "--model"]),
    "published weights are not there": (
        TEST,
        fuse("x", "--model", "refusion", "--weights", "{root}/empty", "--task", "mif"),
        ["ReFusion_MIF.pth", "no such file"],
    ),
    "published weights and a snapshot": (
        TEST,
        fuse("x", "--model", "refusion", "--weights", "{root}/runs/good/latest_net_G.pth", "--epoch", "5"),
        ["--epoch 5", "--weights"],
    ),
    "weights that nobody published": (
        TEST,
        fuse("x", "--model", "refusion", "--weights", "{root}/runs/good/latest_net_G.pth"),
        ["latest_net_G.pth", "refusion"],
    ),
    "own weights as published ones": (
        TEST,
        fuse("x", "--model", "r2gan", "--weights", "{root}/runs/good/latest_net_G.pth"),
        ["--weights", "latest_net_G.pth", "authors", "--name"],
    ),
    "weights of another network": (TEST, fuse("foreign"), ["latest_net_G.pth", "no tensor"]),
    "weights are gone": (TEST, fuse("no_weights"), ["latest_net_G.pth"]),
    "options torn": (TEST, fuse("bad_json"), ["train_opt.json"]),
    "options are a list": (TEST, fuse("list_json"), ["train_opt.json"]),
    "options of the future": (TEST, fuse("future"), ["train_opt.json", "99"]),
    "state torn": (TRAIN, go_on("torn_state"), ["latest_train_state.pth"]),
    "state of the future": (TRAIN, go_on("future_state"), ["latest_train_state.pth"]),
    "state of another model": (TRAIN, go_on("other_state"), ["--model other"]),
    "state without a network": (TRAIN, go_on("half_state"), ["network D"]),
    # fused images of anybody
    "no fused images": (EVALUATE, judge(), ["--fused NAME=FOLDER"]),
    "fused images without a name": (EVALUATE, judge("--fused", "{root}/fused/whole"), ["NAME=FOLDER"]),
    "method named twice": (
        EVALUATE,
        judge("--fused", "m={root}/fused/whole", "m={root}/fused/half"),
        ["--fused names m twice"],
    ),
    "folder of fused images is not there": (EVALUATE, judge_folder("nowhere"), ["--fused m=", "no such folder"]),
    "folder of fused images is empty": (EVALUATE, judge_folder("none"), ["--fused m=", "no image"]),
    "fused images of another data set": (EVALUATE, judge_folder("strange"), ["sea.png", "pair-00"]),
    "fused image is missing": (EVALUATE, judge_folder("half"), ["m: 1 of 2 pairs", "pair-01", "--skip_bad"]),
    "fused image is broken": (EVALUATE, judge_folder("torn"), ["m: 1 pictures are broken", "pair-01", "--skip_bad"]),
    "fused images of another size": (
        EVALUATE,
        judge_folder("small"),
        ["15x12 for sources of 30x24", "--resize sources", "--skip_bad"],
    ),
    "unknown resize": (EVALUATE, judge_folder("small", "--resize", "fuse"), ["--resize", "'fused'"]),
    "sources without partner": (
        EVALUATE,
        ["--dataroot", "{root}/lone", "--fused", "m={root}/fused/whole"],
        ["pair-01-A.png", "--skip_bad"],
    ),
    "no sources": (EVALUATE, ["--fused", "m={root}/fused/whole"], ["--dataroot"]),
    "unknown metric to judge by": (EVALUATE, judge_folder("whole", "--metrics", "EN,Qabg"), ["Qabg", "'Qabf'"]),
    "metric without its ground truth": (EVALUATE, judge_folder("whole", "--metrics", "PSNR_GT"), ["PSNR_GT"]),
    "unknown protocol": (EVALUATE, judge_folder("whole", "--metrics_protocol", "vifbb"), ["vifbb", "'vifb'"]),
    "protocol and metrics": (
        TEST,
        fuse("good", "--metrics", "EN", "--metrics_protocol", "vifb"),
        ["--metrics EN", "--metrics_protocol vifb"],
    ),
    "nothing to go on with": (EVALUATE, judge_folder("whole", "--resume"), ["--resume", "stopped half-way"]),
    "negative jobs": (EVALUATE, judge_folder("whole", "--jobs", "-1"), ["--jobs"]),
    "comparison named like a path": (EVALUATE, judge_folder("whole", "--name", "../x"), ["--name"]),
    "flag of another command": (EVALUATE, judge_folder("whole", "--model", "r2gan"), ["--model"]),
    "results among files that are not ours": (
        EVALUATE,
        judge_folder("whole", "--results_dir", "{root}/results"),
        ["pairs_test", "--results_dir"],
    ),
}


def listing(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.replace(" ", "_"))
def test_bad_input_ends_in_one_sentence(case, world, tmp_path, monkeypatch, capsys):
    script, arguments, said = TABLE[case]
    arguments = [word.format(root=world) if "{root}" in word else word for word in arguments]
    if script == TRAIN and "--checkpoints_dir" not in arguments:
        arguments += ["--checkpoints_dir", str(tmp_path / "runs")]
    before = listing(world)
    status, output, errors = call(script, *arguments, monkeypatch=monkeypatch, capsys=capsys)
    assert status == 2, output + errors
    sentences = [line for line in errors.splitlines() if line.startswith(f"{script}: error: ")]
    assert len(sentences) == 1 and errors.splitlines()[-1] == sentences[0], errors
    assert "Traceback" not in errors
    for words in said:
        assert words in sentences[0]
    assert listing(world) == before
    assert not (tmp_path / "runs").exists()


def test_table_is_large_enough():
    assert len(TABLE) >= 60


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--list", "models"],
        ["--list", "metrics"],
        ["--list", "networks"],
        ["--list", "datasets"],
        ["--model", "r2gam"],
        ["--dataroot", "/nowhere"],
        ["--lr", "x"],
    ],
    ids=" ".join,
)
def test_refusals_and_help_do_not_load_torch(arguments):
    probe = (
        f"import sys, runpy; sys.argv = ['train.py', *{arguments!r}]\n"
        "try: runpy.run_path('train.py', run_name='__main__')\n"
        "except SystemExit: print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, cwd=REPOSITORY, env=environment()
    )
    assert done.stdout.splitlines()[-1] == "False", done.stderr
