#!/usr/bin/env bash
# Train the classifier of the blur-classifier pipeline on a folder of sharp photographs, and say how often it is right.
#   IMAGES=coco/train2017 bash scripts/train_blurcnn.sh
#   IMAGES=photographs HOLD_OUT=0.2 bash scripts/train_blurcnn.sh
#   BUDGET=hour bash scripts/train_blurcnn.sh          # the quick setting
#   BUDGET=smoke bash scripts/train_blurcnn.sh         # does everything work here? recipe.sh tells of BUDGET
# IMAGES     photographs (default: DATASETS/BSDS500 or DATASETS/COCO, the one that is there)
# HOLD_OUT   share of them that is validated on and never trained on (default: 0.2) [ours]
# The authors published no training script for it: values are those of their sibling project and of ECNN, or ours.
# Measured on one thread of a shared AMD EPYC core: some 40 stacks for each CPU second, so that a full epoch is 9 CPU hours and
# wants a GPU; 7,424 stacks of an hour's run told 99.9 % right where blocks are not flat. docs/methods/blurcnn.md has the figures.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/recipe.sh"
HOLD_OUT="${HOLD_OUT:-0.2}" name="${NAME:-blurcnn}"
if [ -z "${IMAGES:-}" ]; then
    for IMAGES in "$DATASETS/BSDS500" "$DATASETS/COCO"; do [ -d "$IMAGES" ] && break; done
fi
[ -d "$IMAGES" ] || refuse "no folder $IMAGES: name a folder of sharp photographs with IMAGES=FOLDER"
patches="$DATASETS/BlurPatches_$name"
case "$BUDGET" in
full) photographs=300 flags=(
    --batch_size 2 --patches_per_photo 16          # 64 stacks [ECNN]: 32 blocks in both orders
    --samples_per_pair 20                          # [ours] 2000 photographs of COCO: 1.28 million stacks an epoch, as published
    --lr 2e-4 --lr_policy exponential --lr_gamma 0.9 --n_epochs 30 --n_epochs_decay 0) ;; # [sibling project]
hour) photographs=50 flags=(--batch_size 4 --patches_per_photo 16 --samples_per_pair 4 --lr 1e-2 --lr_gamma 0.5 --n_epochs 3
    --print_freq 80 --save_latest_freq 400) ;; # [ours] 128 stacks; 200 photographs give 25,600 an epoch, 10 CPU minutes
smoke) photographs=4 flags=(--batch_size 2 --patches_per_photo 4 --max_dataset_size 8 --lr 1e-2 --n_epochs 1 --print_freq 4) ;;
esac
"$python" scripts/make_blur_patches.py --images "$IMAGES" --hold_out "$HOLD_OUT" --limit "$photographs" --per_photo 24 --out "$patches"
exec "$python" train.py --model blurcnn --dataroot "$IMAGES" --hold_out "$HOLD_OUT" --val_dataroot "$patches" --name "$name" "${flags[@]}" "$@"
