"""The check of the folder order finds what it is there to find."""

import subprocess
import sys

import pytest


@pytest.fixture
def check(root, tmp_path):
    """check({file: text}) -> (exit code, output) of tests/include_order on a tree that holds these files."""

    def run(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        done = subprocess.run(
            [sys.executable, root / "tests" / "include_order", tmp_path], capture_output=True, text=True, timeout=60
        )
        return done.returncode, done.stdout + done.stderr

    return run


def test_downward_and_sideways_includes_pass(check):
    code, output = check(
        {
            "core/a.h": "#include <vector>\n",
            "core/b.h": '#include "core/a.h"\n',
            "core/made.h.in": "",
            "mapping/m.cpp": '#include "core/b.h"\n#include "core/made.h"\n#include "m_detail.h"\n',
            "mapping/m_detail.h": '#include "core/a.h"\n',
            "tests/support/s.h": "",
            "tests/core/b.cpp": '#include "mapping/m_detail.h"\n#include "support/s.h"\n',
        }
    )
    assert code == 0, output


@pytest.mark.parametrize(
    "includer, target",
    [("core/a.h", "mapping/m.h"), ("devices/d.cpp", "peripherals/p.h"), ("mapping/m.cpp", "bindings/cli/c.h")],
)
@pytest.mark.parametrize("form", ['#include "{}"\n', "  #  include <{}>\n"])
def test_upward_include_is_named_with_its_line(check, includer, target, form):
    code, output = check({target: "", includer: "\n" + form.format(target)})
    assert code == 1
    assert f"{includer}:2:" in output and target in output


def test_nothing_includes_tests(check):
    code, output = check({"tests/support/s.h": "", "bindings/cli/c.cpp": '#include "tests/support/s.h"\n'})
    assert code == 1 and "bindings/cli/c.cpp:1:" in output


def test_cycle_is_printed_in_full(check):
    code, output = check(
        {"core/a.h": '#include "core/b.h"\n', "core/b.h": '#include "core/c.h"\n', "core/c.h": '#include "core/a.h"\n'}
    )
    assert code == 1
    assert "core/a.h -> core/b.h -> core/c.h -> core/a.h" in output


def test_missing_file(check):
    code, output = check({"core/a.h": '#include "core/gone.h"\n'})
    assert code == 1 and "core/gone.h" in output


@pytest.mark.parametrize("line", ['#include "core/network.h"', "#include <Eigen/Dense>"])
def test_kernel_files_stay_free_of_library_types(check, line):
    code, output = check({"core/network.h": "", "core/kernels/fast.cpp": line + "\n"})
    assert code == 1 and "core/kernels/fast.cpp:1:" in output


def test_empty_tree_is_no_success(check):
    code, output = check({"README.md": ""})
    assert code == 2, output
