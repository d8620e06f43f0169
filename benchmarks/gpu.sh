#!/usr/bin/env bash
# Test and measure on one GPU, in at most 8 minutes: tests marked gpu, then training and
# prediction beside the plain reference, shares of the card's own limits, features, and
# fits from pixels with curves of loss and ACC.
#
#     benchmarks/gpu.sh [DEVICE] [DATA_DIR] [RESULTS]
#
# It needs torch, timm, skorch, scikit-learn, open_clip, torchvision, pytest and this
# package's other dependencies, no network, and no weights. DATA_DIR has cifar10_5k.npz;
# without it ("") shapes are drawn. With DEVICE=cpu tests are only collected, and every
# case is tried at sizes that mean nothing. RESULTS has what was measured in time.
set -uo pipefail
cd "$(dirname "$0")/.."
device=${1:-cuda} data=${2:-} results=${3:-benchmarks/results/gpu.jsonl}
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" TOKENIZERS_PARALLELISM=false
ends=$((SECONDS + ${GPU_SECONDS:-470}))
failed=0

run() { # at most so many seconds, less what is left
    local most=$1 left=$((ends - SECONDS))
    [[ $device == cpu* ]] && most=$left
    shift
    echo "== $* (${left} s left)"
    if ((left < 5)); then
        echo "left out: no time"
        failed=1
    elif ! timeout -k 5 $((most < left ? most : left)) "$@"; then
        echo "failed, or ended for want of time: $*"
        failed=1
    fi
}

quick=() tests=(-q)
[[ $device == cpu* ]] && quick=(--quick) tests=(-q --collect-only)
measure() {
    local most=$1
    shift
    run "$most" python -m benchmarks.speed.run --device "$device" "${quick[@]}" \
        ${data:+--data-dir "$data"} --results "$results" --only "$@"
}

run 120 python -m pytest "${tests[@]}" -n0 -p no:cacheprovider --import-mode=importlib \
    -o addopts= -m gpu ${GPU_TESTS:-tests}
measure 100 ceilings train_mfavb train_vtcc
measure 60 share_vtcc busy_mfavb busy_vtcc
measure 60 predict_mfavb predict_vtcc
measure 60 clip photos
measure 65 fit_defaults
measure 65 fit_paper
measure 60 loader_array_64 loader_array_224 loader_folder_64 loader_folder_224
exit $failed
