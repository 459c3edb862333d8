"""Every notebook runs from top to bottom and says what is committed in it."""

import importlib.util
import os
import re
import sys
from pathlib import Path

import pytest

pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
pytest.importorskip("matplotlib")

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "notebooks"
LARGEST = 400 * 1024  # bytes of a notebook with its pictures
NAMES = [path.name for path in sorted(FOLDER.glob("*.ipynb"))]


def load_runner():
    spec = importlib.util.spec_from_file_location("run_notebooks", FOLDER / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


runner = load_runner()


def test_there_are_notebooks():
    assert "1_first_chip.ipynb" in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_committed_outputs_are_there_and_small(name):
    path = FOLDER / name
    assert path.stat().st_size < LARGEST
    cells = [cell for cell in runner.read(path).cells if cell.cell_type == "code"]
    outputs = [output for cell in cells for output in cell.outputs]
    assert all(cell.execution_count == number for number, cell in enumerate(cells, 1)), "not run from top to bottom"
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not any(output.output_type == "error" for output in outputs)
    assert not any(output.get("name") == "stderr" for output in outputs), "warnings or progress bars"


@pytest.mark.parametrize("name", NAMES)
def test_no_path_of_a_machine(name):
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert not re.search(r"/(home|root|tmp|Users|work)/", text)


@pytest.mark.parametrize("name", NAMES)
def test_runs_and_says_what_is_committed(bl, program, name, monkeypatch):
    committed = runner.read(FOLDER / name)
    for package in runner.required(committed):
        pytest.importorskip(package)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    made = runner.tidy(runner.run(runner.read(FOLDER / name)))  # an exception of a cell fails here
    assert not any(output.get("name") == "stderr" for cell in made.cells for output in cell.get("outputs", []))
    if not runner.required(committed):  # other packages' numbers may differ from machine to machine
        assert runner.texts(made) == runner.texts(committed)
