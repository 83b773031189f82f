#!/usr/bin/env bash
# Train IGNet for infrared and visible light, on MSRS, M3FD [ours: the sets that the paper tests on, their training parts]
# and RoadScene [ours], each as far as it is there.
#   bash scripts/train_ignet.sh
#   PRESET=ignet_grad10 bash scripts/train_ignet.sh       # sharper edges
#   SCHEDULE=a2rnet bash scripts/train_ignet.sh           # that of the first author's later code instead of the safer one
#   BUDGET=smoke bash scripts/train_ignet.sh              # does everything work here? recipe.sh tells of BUDGET and DATASETS
# Nothing of IGNet's own training was published: losses and values are inferred, or ours.
# Measured on one thread of a shared AMD EPYC core: a full update (8 crops of 256x256) 34 CPU seconds and 5.7 GB, so an epoch of
# MSRS and M3FD 5 CPU hours; a GPU is what this wants. docs/methods/ignet.md has the figures.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/recipe.sh"
find_data MSRS M3FD RoadScene
case "${SCHEDULE:-safe}" in
safe) schedule=(--lr 1e-4 --lr_policy cosine --batch_size 8 --clip_grad 1.0) ;;                # [ours]
a2rnet) schedule=(--lr 1e-3 --lr_policy exponential --lr_gamma 0.75 --batch_size 4 --clip_grad 0) ;; # [inferred: A2RNet's script]
*) refuse "SCHEDULE is '$SCHEDULE', expected safe or a2rnet" ;;
esac
case "$BUDGET" in
full) flags=(
    --crop_size 256                       # [ours] a multiple of 8 that the widest dilation still sees across
    --n_epochs 50 --n_epochs_decay 0      # [inferred: A2RNet's script]
    --beta1 0.9 --seed 3407) ;;           # [inferred: A2RNet's script]
hour) flags=(--crop_size 128 --batch_size 4 --n_epochs 5 --n_epochs_decay 0 --beta1 0.9 --print_freq 40 --save_latest_freq 200) ;; # [ours]
smoke) flags=(--crop_size 64 --batch_size 2 --max_dataset_size 8 --n_epochs 1 --n_epochs_decay 0 --print_freq 8) ;;
esac
train --model ignet --preset "${PRESET:-ignet_unit}" --name "${NAME:-ignet}" "${schedule[@]}" "${flags[@]}" "$@"
