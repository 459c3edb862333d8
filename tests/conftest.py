"""Fixtures of all Python tests. Environment: BITLINE_PROGRAM (default build/bitline), BITLINE_SHARED_DATA."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# A shell starts what runs in the background with SIGINT ignored, and the program would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def root():
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def program():
    """The bitline program under test."""
    path = Path(os.environ.get("BITLINE_PROGRAM", ROOT / "build" / "bitline")).resolve()
    if not path.is_file():
        pytest.fail(f"{path} is missing: build it first (bash tests/run.sh) or set BITLINE_PROGRAM")
    return path


@pytest.fixture(scope="session")
def tool(program):
    """tool(NAME): path of one of the small programs of tests/tools, built beside the program under test."""

    def find(name):
        path = program.parent / "tests" / name
        if not path.is_file():
            pytest.fail(f"{path} is missing: build the target {name}")
        return path

    return find


@pytest.fixture(scope="session")
def bl(program):
    """The Python package, built beside the program under test."""
    folder = program.parent / "python"
    if not list((folder / "bitline").glob("_bitline*.so")):
        pytest.fail(f"no module in {folder}: build it with -DBITLINE_PYTHON=ON")
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    import bitline

    return bitline


@pytest.fixture(scope="session")
def shared_data():
    """Folder of real models and data made by others. Tests that need it are skipped where it is missing."""
    path = Path(os.environ.get("BITLINE_SHARED_DATA", ROOT.parent / "shared" / "data")).resolve()
    if not path.is_dir():
        pytest.skip(f"no real models and data at {path}: set BITLINE_SHARED_DATA")
    return path


@pytest.fixture(scope="session")
def digits(root):
    """Folder of the digits example."""
    return root / "examples" / "digits"


@pytest.fixture(scope="session")
def run_bitline(program):
    """run_bitline(arguments, timeout=300, env=None, cwd=None, **subprocess options) -> CompletedProcess, text.

    stdin is empty; `env` is added to the environment. A run beyond the timeout fails the test.
    """

    def run(arguments, timeout=300, env=None, **options):
        command = [str(program), *map(str, arguments)]
        try:
            return subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout,
                env={**os.environ, **(env or {})},
                **options,
            )
        except subprocess.TimeoutExpired:
            pytest.fail(f"no end after {timeout} s: {' '.join(command)}")

    return run
