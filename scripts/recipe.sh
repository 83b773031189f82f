# Sourced by the recipes, train_METHOD_TASK.sh: finds Python and the data sets, and reads how much is to be done.
#   BUDGET    full (default): as published; hour: a small training, about an hour on a laptop without a GPU; smoke: some
#             minutes, to see that everything works
#   DATASETS  where the data sets are (default: datasets in the repository)
#   NAME      the run's name (default: that of the recipe)
# Further words of a recipe are flags of train.py and win over its own: --gpu_ids 0,1, --continue_train, --checkpoints_dir.

repository="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$repository"
python="${FUSELAB_VENV:-.venv}/bin/python"
[ -x "$python" ] || python="$(command -v python3)"
BUDGET="${BUDGET:-full}" DATASETS="${DATASETS:-datasets}"

refuse() { echo "${0##*/}: error: $1" >&2; exit 2; }

case "$BUDGET" in full | hour | smoke) ;; *) refuse "BUDGET is '$BUDGET', expected full, hour or smoke" ;; esac

# find_data NAME...: put the data sets that are there into $data, and their number of pairs into $pairs. Copies without a
# training part have one folder test: all they have.
find_data() {
    data=() pairs=0
    local name part images
    for name in "$@"; do
        part="$DATASETS/$name"
        [ -d "$part" ] || { echo "$part is not there: going on without it"; continue; }
        for split in train test; do [ -d "$part/$split" ] && part="$part/$split" && break; done
        images="$(find -L "$part" -type f \( -iname '*.png' -o -iname '*.jpg' -o -iname '*.jpeg' -o -iname '*.bmp' -o -iname '*.tif' \) | wc -l)"
        data+=("$part") pairs=$((pairs + images / 2))
    done
    [ "${#data[@]}" -gt 0 ] || refuse "none of $* is in $DATASETS: name the folder that holds them with DATASETS=FOLDER"
}

# train FLAGS...: start train.py on $data.
train() {
    local more=()
    [ "${#data[@]}" -eq 1 ] || more=(--more_dataroots "${data[@]:1}")
    exec "$python" train.py --dataroot "${data[0]}" "${more[@]}" "$@"
}
