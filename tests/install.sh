# Shell functions that the quickstart, the tests and CI share: Debian packages, CMake, number of jobs. Source it.

# What compiling Bitline needs beyond the tools (which may come from anywhere), and what its tests add.
BUILD_PACKAGES="libeigen3-dev libboost-dev libhdf5-dev libonnx-dev libprotobuf-dev libcli11-dev libyaml-cpp-dev
    nlohmann-json3-dev libfmt-dev libtbb-dev zlib1g-dev liblzma-dev libzip-dev libssl-dev libgtest-dev libgmock-dev"
TEST_PACKAGES="python3-venv python3-dev clang-format-14 ngspice"

# have COMMAND...: every command exists.
have() {
    local command
    for command in "$@"; do
        command -v "$command" >/dev/null 2>&1 || return 1
    done
}

# The first CMake of at least 3.25, of those on the PATH and Debian's own.
find_cmake() {
    local candidate version
    for candidate in cmake /usr/bin/cmake; do
        version=$("$candidate" --version 2>/dev/null </dev/null | sed -n '1s/^cmake version \([0-9]*\.[0-9]*\).*/\1/p')
        if [ -n "$version" ] && [ "$(printf '3.25\n%s\n' "$version" | sort -V | head -n 1)" = 3.25 ]; then
            echo "$candidate"
            return 0
        fi
    done
    return 1
}

# missing_packages PACKAGE...: those not installed, with the packages of missing tools.
missing_packages() {
    local package
    find_cmake >/dev/null || echo cmake
    have g++ || echo g++
    have make || echo make
    have pkg-config || echo pkg-config
    have protoc || echo protobuf-compiler
    for package in "$@"; do
        dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null | grep -q '^install ok installed$' || echo "$package"
    done
}

# Somebody is there to type sudo's password (sudo reads it from the terminal, whatever stdin is).
have_terminal() {
    [ -z "${CI:-}" ] && (: </dev/tty) 2>/dev/null
}

may_become_root() {
    [ "$(id -u)" = 0 ] || { have sudo && { have_terminal || sudo -n true 2>/dev/null; }; }
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# install_packages PACKAGE...: installs what is missing and nothing else; without anything missing, no network is used.
install_packages() {
    local missing log
    if ! have dpkg-query apt-get; then
        echo "This is no Debian system: please see to these packages (Debian's names) yourself: $(echo "$@")" >&2
        return 0
    fi
    missing=$(missing_packages "$@" | tr '\n' ' ')
    missing=${missing% }
    [ -n "$missing" ] || return 0
    if ! may_become_root; then
        {
            echo "Some packages are missing, and installing them needs root. Please run this line as root, then come back:"
            echo "    apt-get update && apt-get install -y --no-install-recommends $missing"
        } >&2
        return 1
    fi
    echo "Installing $missing"
    log=$(mktemp)
    # A source that cannot be reached is no failure as long as the packages can be had.
    as_root apt-get update -qq </dev/null >"$log" 2>&1 || true
    # shellcheck disable=SC2086
    if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 $missing </dev/null >>"$log" 2>&1; then
        tail -n 30 "$log" >&2
        rm -f "$log"
        echo "apt-get could not install: $missing" >&2
        return 1
    fi
    rm -f "$log"
}

# Compiler processes at a time: one per processor, and no more than memory allows (about 1 GiB each).
build_jobs() {
    local processors kib
    processors=$(nproc)
    kib=$(sed -n 's/^MemAvailable: *\([0-9]*\) kB$/\1/p' /proc/meminfo)
    awk -v p="$processors" -v m="$((${kib:-0} / 1048576))" 'BEGIN { print (m >= 1 && m < p) ? m : p }'
}

# configure CMAKE FOLDER OPTION...: configures a build folder; the first time with Ninja where there is one.
configure() {
    local cmake=$1 folder=$2
    shift 2
    if [ ! -e "$folder/CMakeCache.txt" ] && have ninja; then
        set -- -G Ninja "$@"
    fi
    "$cmake" -S . -B "$folder" "$@"
}
