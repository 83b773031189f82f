#!/usr/bin/env bash
# Train ReFusion for two focus distances, on NYU-D-100 and PMF [ours; the authors' group uses Real-MFF or MFI-WHU].
#   bash scripts/train_refusion_mfif.sh
#   BUDGET=smoke bash scripts/train_refusion_mfif.sh      # does everything work here? recipe.sh tells of BUDGET and DATASETS
# PMF is made from photographs by scripts/make_pmf.py; where it is not there, NYU-D-100 serves alone.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/refusion_recipe.sh"
find_data NYU-D-100 PMF
train_refusion mfif "$@"
