#!/usr/bin/env bash
# LeNet-5 on MNIST, trained until it survives a chip of 2-bit cells that drift.
#
#     bash examples/train_on_chip/lenet_mnist.sh FOLDER [none|noise|device|full]
#
# FOLDER holds the four files of MNIST (train-images-idx3-ubyte.gz, ...). The strength of the hardware in the loop is
# `device` where none is given. Writes lenet_STRENGTH.h5 and lenet_STRENGTH.jsonl into the current folder.
set -euo pipefail

folder=${1:?"usage: lenet_mnist.sh FOLDER [none|noise|device|full]"}
strength=${2:-device}
bitline=${BITLINE_PROGRAM:-$(dirname "${BASH_SOURCE[0]}")/../../build/bitline}

case $strength in
    none) in_loop=() ;;
    noise) in_loop=(--hardware noise --weight-noise 0.1 --hardware-after 3 --freeze-batch-norm 3) ;;
    device | full) in_loop=(--hardware "$strength" --hardware-after 3 --freeze-batch-norm 3) ;;
    *) echo "lenet_mnist.sh: $strength is none of none, noise, device, full" >&2; exit 2 ;;
esac

# 4-bit weights in two slices of 2 bits, 4-bit inputs, a 5-bit converter, 5 % of G_max as programming error, drift by
# (t / 1 s)^-nu with nu = 0.05 and a spread of 0.01 from cell to cell, one gain for the chip from a reference read.
exec "$bitline" train lenet5 \
    --data "idx:$folder/train-images-idx3-ubyte.gz,$folder/train-labels-idx1-ubyte.gz" \
    --test "idx:$folder/t10k-images-idx3-ubyte.gz,$folder/t10k-labels-idx1-ubyte.gz" \
    --method lsq --weight-bits 4 --input-bits 4 --first-last-bits same \
    --epochs 14 --batch 64 --rate 0.002 "${in_loop[@]}" --age 0,1d,30d \
    --set adc.bits=5 --set cell.programming_error.sigma=0.05 \
    --set cell.drift.model=power --set cell.drift.exponent.polynomial=0.05 --set cell.drift.deviation.polynomial=0.01 \
    --set compensation.drift_gain=chip \
    -o "lenet_$strength.h5" --json "lenet_$strength.jsonl"
