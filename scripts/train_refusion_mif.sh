#!/usr/bin/env bash
# Train ReFusion for medical pairs: CT, PET or SPECT with MRI, from MD [group: the Harvard atlas].
#   bash scripts/train_refusion_mif.sh
#   BUDGET=smoke bash scripts/train_refusion_mif.sh       # does everything work here? recipe.sh tells of BUDGET and DATASETS
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/refusion_recipe.sh"
find_data MD
train_refusion mif "$@"
