"""The closing line of the test scripts hides nothing."""

import subprocess
import sys

import pytest

GOOGLETEST = """<testsuites><testsuite name="S"><testcase name="a" status="run" classname="S"/>
<testcase name="b" status="{status}" classname="S">{inside}</testcase></testsuite></testsuites>"""
CTEST = """<testsuite><testcase name="core" classname="core" status="{status}">{inside}</testcase></testsuite>"""


@pytest.fixture
def summarize(root, tmp_path):
    """summarize({file: text}) -> (exit code, output lines)."""

    def run(files):
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        command = [sys.executable, root / "tests" / "summarize.py", tmp_path]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout.splitlines()

    return run


def test_passes_are_added_up(summarize):
    code, lines = summarize(
        {
            "test_core.xml": GOOGLETEST.format(status="run", inside=""),
            "ctest.xml": CTEST.format(status="run", inside=""),
            "checks.tsv": "passed\tinclude order\n",
        }
    )
    assert (code, lines) == (0, ["3 passed, 0 failed, 0 skipped"])


def test_failed_case_counts_once_although_ctest_saw_it_too(summarize):
    code, lines = summarize(
        {
            "test_core.xml": GOOGLETEST.format(status="run", inside='<failure message="1 is not 2"/>'),
            "ctest.xml": CTEST.format(status="fail", inside='<failure message="Failed"/>'),
        }
    )
    assert code == 1
    assert lines == ["failed: test_core: S.b: 1 is not 2", "1 passed, 1 failed, 0 skipped"]


@pytest.mark.parametrize("cases", [{}, {"test_core.xml": GOOGLETEST.format(status="run", inside="")}])
def test_crash_without_a_failed_case_counts(summarize, cases):
    code, lines = summarize({**cases, "ctest.xml": CTEST.format(status="fail", inside='<failure message="SEGFAULT"/>')})
    assert code == 1 and "SEGFAULT" in lines[0] and " 1 failed, " in lines[-1]


def test_skipped_and_disabled_cases_are_named(summarize):
    code, lines = summarize(
        {
            "a.xml": GOOGLETEST.format(status="run", inside='<skipped message="no data"/>'),
            "b.xml": GOOGLETEST.format(status="notrun", inside=""),
        }
    )
    assert code == 0
    assert lines[:2] == ["skipped: a: S.b: no data", "skipped: b: S.b: disabled"]
    assert lines[-1] == "2 passed, 0 failed, 2 skipped"


def test_results_cut_short_are_a_failure(summarize):
    code, lines = summarize({"test_core.xml": "<testsuites><testsuite>"})
    assert code == 1 and lines[-1] == "0 passed, 1 failed, 0 skipped"


def test_nothing_run_is_no_success(summarize):
    assert summarize({}) == (1, ["0 passed, 0 failed, 0 skipped"])
