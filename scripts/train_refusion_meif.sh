#!/usr/bin/env bash
# Train ReFusion for exposures too dark and too bright, on MEF [ours; the authors' group uses SICE].
#   bash scripts/train_refusion_meif.sh
#   BUDGET=smoke bash scripts/train_refusion_meif.sh      # does everything work here? recipe.sh tells of BUDGET and DATASETS
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/refusion_recipe.sh"
find_data MEF
train_refusion meif "$@"
