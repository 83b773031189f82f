#!/usr/bin/env bash
# The main job from nothing: environment, data, a short training of R2GAN, fusion of pairs it never saw, a gallery.
#   bash scripts/demo.sh        a second call installs nothing, makes nothing anew, and takes the training up where it is
# Variables: FUSELAB_VENV (place of the environment), FUSELAB_DEMO (folder of data, run and results; default: the repository)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
setup_environment requirements.txt
place="$(realpath -m -- "${FUSELAB_DEMO:-$repository}")"
cd "$repository"

echo "== 1/4 pairs from the photographs that scikit-image carries"
"$python" scripts/make_demo_data.py --out "$place/datasets/demo"

echo "== 2/4 training R2GAN on two-focus pairs (a small network, so that a laptop is done in minutes)"
"$python" train.py --continue_train --dataroot "$place/datasets/demo" --name demo --checkpoints_dir "$place/checkpoints" \
    --model r2gan --ngf 16 --ndf 16 --n_blocks 1 --norm none --init_type kaiming --no_dropout --color luma \
    --preprocess crop --load_size 0 --crop_size 64 --batch_size 4 --lr 0.001 --beta1 0.9 --ema 0.995 --channels_last \
    --n_epochs 14 --n_epochs_decay 14 --print_freq 480 --update_html_freq 1920 --display_id 0 --save_latest_freq 1920

echo "== 3/4 fusing pairs it never saw"
"$python" test.py --dataroot "$place/datasets/demo" --name demo --checkpoints_dir "$place/checkpoints" --results_dir "$place/results"

echo "== 4/4 against the plain average and the better source"
"$python" scripts/compare_with_sources.py --results "$place/results/demo/test_latest"
echo "gallery: $place/results/demo/test_latest/index.html"
