#!/usr/bin/env bash
# Train Fusion2Void for two focus distances, on MFI-WHU [code] and NYU-D-100 [ours], without any ground truth.
#   bash scripts/train_fusion2void.sh
#   SCHEDULE=epoch bash scripts/train_fusion2void.sh        # the rate falls once over all epochs, which was probably meant
#   BUDGET=smoke bash scripts/train_fusion2void.sh          # does everything work here? recipe.sh tells of BUDGET and DATASETS
# To hold pairs out first: python scripts/split_pairs.py --dataroot datasets/MFI-WHU --out split/MFI-WHU --held 19, the same for
# NYU-D-100 with --held 20, and DATASETS=split. docs/methods/fusion2void.md has what an hour reached.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/recipe.sh"
find_data MFI-WHU NYU-D-100
case "${SCHEDULE:-iteration}" in
iteration) schedule=(--lr_policy cosine_wave --lr_half_wave 1000) ;;  # [code]
epoch) schedule=(--lr_policy cosine) ;;                               # [ours]
*) refuse "SCHEDULE is '$SCHEDULE', expected iteration or epoch" ;;
esac
case "$BUDGET" in
full) flags=(
    --preprocess none --batch_size 1 --accumulate 2 # [code] whole images of any size; two GPUs with one each
    --rotate quarter                                # [code] half turns, since an image that is not square keeps its shape
    --lr 2e-4 --lr_min 2e-6 --beta1 0.9             # [code] Adam, 0.9 and 0.999
    "${schedule[@]}" --n_epochs 1000                # [code]
    --save_epoch_freq 100 --seed 42) ;;             # [code]
hour) flags=( # [ours] small crops, a higher rate that falls once; begun at a pyramid's result, docs/methods/fusion2void.md tells why
    --preprocess crop --crop_size 64 --batch_size 2 --accumulate 1 --rotate quarter
    --samples_per_pair "$(((364 + pairs - 1) / pairs))" --lr 8e-4 --lr_policy cosine --lr_min 2e-6 --n_epochs 33
    --warmup_updates 3500 --save_epoch_freq 11 --save_latest_freq 728 --print_freq 92) ;;
smoke) flags=(--preprocess crop --crop_size 64 --max_dataset_size 8 --n_epochs 2 --print_freq 8) ;;
esac
# [code] decay 0.996, blocks of 8 pixels, 7 of 10 hidden, fidelity 10: the model's defaults.
train --model fusion2void --name "${NAME:-fusion2void}" --flip_vertical "${flags[@]}" --n_epochs_decay 0 "$@"
