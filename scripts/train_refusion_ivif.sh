#!/usr/bin/env bash
# Train ReFusion for infrared and visible light, on MSRS [code] and RoadScene [ours].
#   bash scripts/train_refusion_ivif.sh
#   BUDGET=smoke bash scripts/train_refusion_ivif.sh      # does everything work here? recipe.sh tells of BUDGET and DATASETS
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/refusion_recipe.sh"
find_data MSRS RoadScene
train_refusion ivif "$@"
