#!/usr/bin/env bash
# LeNet-5 on MNIST, trained until it survives a chip of 2-bit cells that drift.
#
#     bash examples/train_on_chip/lenet_mnist.sh FOLDER [none|noise|device|full]
#
# FOLDER holds the four files of MNIST (train-images-idx3-ubyte.gz, ...). The strength of the hardware in the loop is
# `device` where none is given. Writes lenet_float.h5 (the teacher, unless it is there), lenet_STRENGTH.h5 and
# lenet_STRENGTH.jsonl into the current folder; then measures the network on chips of 5 % and of 10 % programming error.
set -euo pipefail

folder=${1:?"usage: lenet_mnist.sh FOLDER [none|noise|device|full]"}
strength=${2:-device}
bitline=${BITLINE_PROGRAM:-$(dirname "${BASH_SOURCE[0]}")/../../build/bitline}

case $strength in
    none) in_loop=() ;;
    noise) in_loop=(--hardware noise --weight-noise 0.1 --hardware-after 2 --freeze-batch-norm 3) ;;
    device | full) in_loop=(--hardware "$strength" --hardware-after 2 --freeze-batch-norm 3) ;;
    *) echo "lenet_mnist.sh: $strength is none of none, noise, device, full" >&2; exit 2 ;;
esac
train="idx:$folder/train-images-idx3-ubyte.gz,$folder/train-labels-idx1-ubyte.gz"
test="idx:$folder/t10k-images-idx3-ubyte.gz,$folder/t10k-labels-idx1-ubyte.gz"

# 4-bit weights (-7 .. 7) in a pair of cells for each of two slices, the single bit at the bottom; 4-bit inputs, a 5-bit
# converter; drift by (t / 1 s)^-nu with nu = 0.05 and a spread of 0.01 from cell to cell; one gain for the chip from a
# reference read, and converter ranges for what is left of the currents.
chip=(--set adc.bits=5 --set weights.short_slice=bottom --set cell.drift.model=power
    --set cell.drift.exponent.polynomial=0.05 --set cell.drift.deviation.polynomial=0.01
    --set compensation.drift_gain=chip --set compensation.adc_ranges=true)

[ -e lenet_float.h5 ] || "$bitline" train lenet5 --data "$train" --test "$test" --epochs 20 --batch 64 --rate 0.002 \
    -o lenet_float.h5

# Training meets cells of 10 % error, twice what the chip is to have, that are a day to a month old.
"$bitline" train lenet5 --data "$train" --test "$test" \
    --method ste --weight-bits 4 --input-bits 4 --first-last-bits same --teacher lenet_float.h5 \
    --epochs 24 --batch 64 --rate 0.003 "${in_loop[@]}" --age 1d,30d --chip-limit 2000 \
    "${chip[@]}" --set cell.programming_error.sigma=0.10 -o "lenet_$strength.h5" --json "lenet_$strength.jsonl"

for error in 0.05 0.10; do
    "$bitline" simulate "lenet_$strength.h5" --data "$test" --calibration "$train:64" --arch default \
        "${chip[@]}" --set cell.programming_error.sigma=$error --age 0,1d,30d --trials 10
done
