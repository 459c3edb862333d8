# Shell functions of tests/run.sh and .ci/run: headings, checks that are counted, the closing line. Source it.
# The caller sets `results`, the folder of the results in hand; every folder used is summed up at the end.

result_folders=()

# phase TEXT: a heading with the seconds since the script began.
phase() { printf '\n== %4d s  %s\n' "$SECONDS" "$*"; }

# use_results FOLDER: empties it; what follows is recorded there.
use_results() {
    results=$1
    rm -rf "$results"
    mkdir -p "$results"
    result_folders+=("$results")
}

# record passed|failed|skipped NAME
record() { printf '%s\t%s\n' "$1" "$2" >>"$results/checks.tsv"; }

# check NAME COMMAND...: runs it and counts one; its output stays visible.
check() {
    local name=$1
    shift
    if "$@"; then
        record passed "$name"
    else
        echo "failed: $name ($*)" >&2
        record failed "$name"
        return 1
    fi
}

# must NAME COMMAND...: a check without which nothing else makes sense.
must() {
    if ! check "$@"; then
        complete=yes
        exit 1
    fi
}

# cpp_tests FOLDER CTEST_OPTION...: the GoogleTest programs of a build folder, each case counted.
cpp_tests() {
    local folder=$1 ctest
    shift
    ctest=$(find_cmake)
    ctest=${ctest%cmake}ctest
    GTEST_OUTPUT="xml:$PWD/$results/" "$ctest" --test-dir "$folder" --output-on-failure --no-tests=error --timeout 1200 \
        --output-junit "$PWD/$results/ctest.xml" "$@" || [ -s "$results/ctest.xml" ] || record failed "ctest in $folder"
}

# python_tests PATH...: pytest in the virtual environment, each case counted.
python_tests() {
    local status=0
    build/.venv/bin/python -m pytest -q -ra -p no:cacheprovider -o junit_family=xunit1 --junit-xml="$results/pytest.xml" "$@" || status=$?
    # 1: cases failed, and the file names them; anything else: pytest itself did not get through
    [ "$status" -le 1 ] || record failed "pytest $* (exit code $status)"
}

# fuzz_targets FOLDER: the short deterministic run of each fuzz target of a build folder.
fuzz_targets() {
    local target
    for target in "$1"/tests/fuzz_*; do
        [ -x "$target" ] || continue
        check "${target##*/}" "$target" || true
    done
}

# Ends the script: sums up, and fails where anything failed or the script stopped before `complete=yes`.
complete=no
finish() {
    local status=$?
    trap - EXIT
    [ "$complete" = yes ] || record failed "${0##*/} stopped early (exit code $status)"
    phase "Summary"
    if ! have python3; then
        echo "0 passed, 1 failed, 0 skipped"
        exit 1
    fi
    python3 tests/summarize.py "${result_folders[@]}" || exit 1
    exit 0
}
trap finish EXIT
