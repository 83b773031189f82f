#!/usr/bin/env bash
# Fuse every data set with runs of yours and with the classics, score all of them together, and write docs/benchmarks.md.
#   bash scripts/benchmark.sh refusion_ivif fusion2void blurcnn    # names of runs in CHECKPOINTS
#   SETS="TNO Lytro" OUT=results/two bash scripts/benchmark.sh PMF_R2GAN
#   DATASETS     folder of the data sets (default: datasets); of each its part "test" is taken, or all there is
#   SETS         which of them (default: TNO MSRS MD Lytro MFFW NYU-D-100 MEF, as far as they are there)
#   CLASSICS     which of the methods that learn nothing (default: average maximum laplacian dwt guided focus)
#   CHECKPOINTS  where the runs are (default: checkpoints)
#   OUT          where pictures and tables go (default: results/benchmark)
#   PAGE         the page to write (default: docs/benchmarks.md)
#   REMARK       a sentence for the page: what a reader has to know of this comparison
# What is fused already is not fused again: stopped at any moment, the same command goes on.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/recipe.sh"
CLASSICS="${CLASSICS:-average maximum laplacian dwt guided focus}"
OUT="${OUT:-results/benchmark}" CHECKPOINTS="${CHECKPOINTS:-checkpoints}" PAGE="${PAGE:-docs/benchmarks.md}"

for run in "$@"; do
    [ -f "$CHECKPOINTS/$run/train_opt.json" ] || refuse "there is no run $run in $CHECKPOINTS: name them by CHECKPOINTS=FOLDER"
done

# fuse SET RUN FLAGS...: unless it was done.
fuse() {
    local set="$1" run="$2"
    shift 2
    [ -f "$OUT/$set/$run/test_latest/metrics.json" ] || "$python" test.py --dataroot "$DATASETS/$set" --name "$run" \
        --checkpoints_dir "$CHECKPOINTS" --results_dir "$OUT/$set" --metrics EN --no_maps "$@"
}

evaluations=()
for set in ${SETS:-TNO MSRS MD Lytro MFFW NYU-D-100 MEF}; do
    [ -d "$DATASETS/$set" ] || { echo "$DATASETS/$set is not there: going on without it"; continue; }
    methods=()
    for run in "$@"; do
        fuse "$set" "$run"
        methods+=("$run=$OUT/$set/$run/test_latest")
    done
    for classic in $CLASSICS; do
        fuse "$set" "$classic" --model "$classic"
        methods+=("$classic=$OUT/$set/$classic/test_latest")
    done
    "$python" evaluate.py --dataroot "$DATASETS/$set" --fused "${methods[@]}" --results_dir "$OUT/$set" --name all
    evaluations+=("$OUT/$set/all"/*/)
done
[ "${#evaluations[@]}" -gt 0 ] || refuse "none of the data sets is in $DATASETS: name the folder that holds them with DATASETS=FOLDER"
"$python" scripts/write_benchmarks.py "${evaluations[@]}" --checkpoints_dir "$CHECKPOINTS" --out "$PAGE" ${REMARK:+--remark "$REMARK"}
