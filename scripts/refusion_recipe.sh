# Sourced by train_refusion_TASK.sh: what the four tasks share. Where a value comes from stands behind it:
# [code] the authors' training code, [group] the same group's habit, [ours].
# Measured on one thread of a shared AMD EPYC core: a full epoch 3.6 CPU hours and 4.4 GB, an hour's epoch 2 CPU minutes and
# 1.7 GB; a smoke run some minutes. docs/methods/refusion.md has the figures.
source "$(dirname "${BASH_SOURCE[0]}")/recipe.sh"

# train_refusion TASK FLAGS...: train on $data.
train_refusion() {
    local task="$1" flags
    shift
    # [group] 6 patches of 128 with stride 200 from each of the 1083 pairs of MSRS: as many samples an epoch from any data.
    local samples=$(((6498 + pairs - 1) / pairs))
    case "$BUDGET" in
    full) flags=(
        --crop_size 128                         # [group] not in the code; CDDFuse's patch, and that of the network's self-test
        --samples_per_pair "$samples"           # [ours] random places instead of a grid
        --batch_size 2                          # [code] four with the swapped pairs
        --lr 1e-4 --beta1 0.9                   # [code] Adam for F and R; the same number is P's and the virtual steps' length
        --lr_policy step --lr_decay_iters 10    # [code] a tenth every 10 epochs
        --n_epochs 50 --n_epochs_decay 0        # [code]
        --meta_steps 600 --meta_accumulation 2  # [code]
        --save_epoch_freq 5) ;;
    hour) flags=( # [ours] few, larger steps on small patches; what it reached is in docs/methods/refusion.md
        --crop_size 64 --batch_size 2 --lr 1e-3 --beta1 0.9 --lr_P 2e-3 --lr_policy linear --n_epochs 6 --n_epochs_decay 9
        --samples_per_pair "$(((160 + pairs - 1) / pairs))" --meta_steps 20 --meta_accumulation 2
        --save_latest_freq 300 --print_freq 40) ;;
    smoke) flags=(--crop_size 64 --max_dataset_size 16 --n_epochs 2 --n_epochs_decay 0 --meta_steps 8 --print_freq 8) ;;
    esac
    # [code] No flips, the pair in both orders, the gradient term's ramp: the model's defaults but for the first.
    train --model refusion --task "$task" --name "${NAME:-refusion_$task}" --no_flip "${flags[@]}" "$@"
}
