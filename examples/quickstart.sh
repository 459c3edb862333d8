#!/usr/bin/env bash
# From a fresh Debian 12 machine to a quantized CNN on an imperfect chip: installs what is missing, builds the program,
# then runs inspect, map and simulate on the digits example. Run it again any time; the second time takes seconds.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=tests/install.sh
. tests/install.sh

digits=examples/digits
model=$digits/digits_cnn.onnx
result=build/quickstart.json
trials=10

say() { printf '\n== %s\n' "$*"; }

# quietly LOG COMMAND...: shows a command's output on a terminal; elsewhere only where it fails.
quietly() {
    local log=$1
    shift
    if [ -t 1 ]; then
        "$@" </dev/null
    elif ! "$@" </dev/null >"$log" 2>&1; then
        tail -n 60 "$log" >&2
        return 1
    fi
}

# show COMMAND...: prints the command as one would type it, then runs it.
show() {
    printf '\n$ %s\n' "$*"
    "$@" </dev/null
}

# value KEY...: one value of the simulation's JSON.
value() {
    local IFS=';'
    "$cmake" -DFILE="$result" "-DKEYS=$*" -P examples/json_value.cmake
}

percent() { awk -v x="$1" 'BEGIN { printf "%.2f %%", 100 * x }'; }

build() {
    local start=$SECONDS
    cmake=$(find_cmake)
    mkdir -p build 2>/dev/null || true
    if [ ! -w build ]; then
        echo "$PWD/build cannot be written: run this from a checkout that belongs to you ($(id -un))." >&2
        exit 1
    fi
    quietly build/quickstart-configure.log configure "$cmake" build -DCMAKE_BUILD_TYPE=Release
    quietly build/quickstart-build.log "$cmake" --build build --target bitline --parallel "$(build_jobs)"
    echo "build/bitline is ready ($((SECONDS - start)) s)"
}

# What `sudo bash quickstart.sh` built belongs to whoever typed it.
hand_back() {
    if [ "$(id -u)" = 0 ] && [ -n "${SUDO_UID:-}" ] && [ -d build ]; then
        chown -R "$SUDO_UID:${SUDO_GID:-$SUDO_UID}" build
    fi
}
trap hand_back EXIT

say "Packages"
# shellcheck disable=SC2086
install_packages $BUILD_PACKAGES
echo "everything needed is installed"

say "Build (a few minutes the first time)"
build

say "The network: what it is made of"
show build/bitline inspect $model

say "The network on 128 x 128 RRAM arrays"
show build/bitline map $model --arch default

say "500 images on $trials chips, each programmed with its own errors"
show build/bitline simulate $model --float $digits/digits_float.onnx --arch default --data $digits/digits.h5 \
    --calibration $digits/digits_calibration.h5 --trials $trials --seed 1 --json $result

software=$(value software accuracy)
mean=$(value chip accuracy mean)
spread=$(value chip accuracy std)
cat <<TEXT

Software accuracy: $(percent "$software")  (the quantized network in exact integers)
Chip accuracy:     $(percent "$mean") +- $(percent "$spread")  (mean and standard deviation over $trials chips)

Try next:
  worse cells      build/bitline simulate $model --data $digits/digits.h5 --arch default --set cell.programming_error.sigma=0.05
  a bit-exact chip build/bitline simulate $model --data $digits/digits.h5 --arch isaac
  every knob       build/bitline list keys
TEXT
