#!/usr/bin/env bash
# Installs what is missing, builds everything in Release in build/, runs every test and closes on a line with counts.
# BITLINE_SHARED_DATA: real models and data made by others (default ../shared/data); tests on them are skipped without.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec </dev/null
# shellcheck source=tests/install.sh
. tests/install.sh
# shellcheck source=tests/steps.sh
. tests/steps.sh
use_results build/test-results

# The virtual environment is made anew only when the requirements change.
python_environment() {
    local requirements=tests/python/requirements.txt stamp=build/.venv/requirements.txt python=python3
    ! cmp -s "$requirements" "$stamp" || return 0
    [ ! -x /usr/bin/python3 ] || python=/usr/bin/python3
    rm -rf build/.venv
    "$python" -m venv build/.venv || return 1
    build/.venv/bin/pip install --quiet --disable-pip-version-check --no-input -r "$requirements" || return 1
    cp "$requirements" "$stamp"
}

# PyTorch's CPU build for the tests of bitline.torch (PyPI's brings gigabytes for graphics cards). Where its own index
# cannot be reached these tests are skipped; a later run tries again.
torch_for_tests() {
    local python=build/.venv/bin/python version=2.13.0
    "$python" -c 'import torch' 2>/dev/null && return 0
    timeout 900 "$python" -m pip install --quiet --disable-pip-version-check --no-input --retries 1 --timeout 15 \
        --index-url https://download.pytorch.org/whl/cpu "torch==$version" >build/torch.log 2>&1 && return 0
    echo "PyTorch $version cannot be had from download.pytorch.org (build/torch.log): its tests are skipped."
}

build() {
    local cmake
    cmake=$(find_cmake) || return 1
    configure "$cmake" build -DCMAKE_BUILD_TYPE=Release -DBITLINE_TESTS=ON -DBITLINE_PYTHON=ON \
        "-DPython_EXECUTABLE=$PWD/build/.venv/bin/python" || return 1
    "$cmake" --build build --parallel "$(build_jobs)"
}

phase "Packages"
# shellcheck disable=SC2086
install_packages $BUILD_PACKAGES $TEST_PACKAGES
phase "Python environment"
must "Python environment" python_environment
torch_for_tests
phase "Build"
must "build in Release" build
phase "Order of includes"
check "include order" python3 tests/include_order || true
phase "C++ tests"
cpp_tests build
phase "Fuzz targets"
fuzz_targets build
phase "Python tests"
python_tests tests
complete=yes
