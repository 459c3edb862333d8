#!/usr/bin/env bash
# ResNet-20 on CIFAR-10, retrained until it survives a chip of 2-bit cells behind 6-bit converters.
#
#     bash examples/train_on_chip/resnet20_cifar10.sh MODEL.onnx FOLDER [none|noise|device|full] [ERROR]
#
# MODEL.onnx is a trained float network for images of 32 x 32, FOLDER holds CIFAR-10's files (data_batch_1.bin.xz ..
# test_batch.bin.xz, or without .xz). The strength of the hardware in the loop is `device` where none is given, the
# programming error 0.03 of G_max. LIMIT (12800) and EPOCHS (3) in the environment say how much is trained on, CHIP_LIMIT
# (500) on how many test images the chips are measured. Writes resnet20_STRENGTH_ERROR.h5 and .jsonl into the current folder.
set -euo pipefail

usage="usage: resnet20_cifar10.sh MODEL.onnx FOLDER [none|noise|device|full] [ERROR]"
model=${1:?$usage}
folder=${2:?$usage}
strength=${3:-device}
error=${4:-0.03}
bitline=${BITLINE_PROGRAM:-$(dirname "${BASH_SOURCE[0]}")/../../build/bitline}

case $strength in
    none) in_loop=() ;;
    noise) in_loop=(--hardware noise --weight-noise "$error") ;;
    device | full) in_loop=(--hardware "$strength") ;;
    *) echo "resnet20_cifar10.sh: $strength is none of none, noise, device, full" >&2; exit 2 ;;
esac
batches=("$folder"/data_batch_[1-5].bin*)
test_batch=("$folder"/test_batch.bin*)

# 8-bit weights and inputs. The sign selects the cell of a pair; the 7 bits of the magnitude lie in slices of 1, 2, 2 and
# 2 bits, the single bit at the bottom, where errors of its cell weigh least. Each column's gain and offset come from a
# read of the chip.
exec "$bitline" train "$model" --data "cifar10:$(IFS=,; echo "${batches[*]}")" --test "cifar10:${test_batch[0]}" \
    --preprocess imagenet --augment crop=4,flip \
    --method ste --weight-bits 8 --input-bits 8 --first-last-bits same \
    --limit "${LIMIT:-12800}" --epochs "${EPOCHS:-3}" --batch 128 --rate 2e-4 "${in_loop[@]}" \
    --set adc.bits=6 --set adc.range=calibrated --set weights.short_slice=bottom --set compensation.column_affine=true \
    --set cell.programming_error.sigma="$error" --set cell.read_noise.sigma=0 \
    --chip-limit "${CHIP_LIMIT:-500}" --test-limit 1000 \
    -o "resnet20_${strength}_$error.h5" --json "resnet20_${strength}_$error.jsonl"
