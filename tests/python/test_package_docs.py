"""Examples in docstrings run; stubs say what the module has; types check."""

import doctest
import importlib
import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

FLAGS = doctest.IGNORE_EXCEPTION_DETAIL


def modules(bl):
    """The package and its parts; that for PyTorch where there is one."""
    yield bl
    yield importlib.import_module("bitline.plot")
    if importlib.util.find_spec("torch"):
        yield importlib.import_module("bitline.torch")


def documented(bl):
    """Every public thing of the package with a docstring, by name."""
    for module in modules(bl):
        yield module.__name__, module
        for name in getattr(module, "__all__", []):
            thing = getattr(module, name)
            yield name, thing
            if isinstance(thing, type):
                yield from ((f"{name}.{key}", getattr(thing, key)) for key in vars(thing) if not key.startswith("_"))


def test_examples_in_docstrings(bl, digits, monkeypatch):
    pytest.importorskip("matplotlib").use("agg")
    monkeypatch.chdir(digits)
    parser, runner, report = doctest.DocTestParser(), doctest.DocTestRunner(optionflags=FLAGS), []
    for name, thing in documented(bl):
        text = getattr(thing, "__doc__", None)
        if isinstance(text, str):
            names = {"bl": bl, "np": np, "plot": importlib.import_module("bitline.plot")}
            test = parser.get_doctest(text, names, name, None, 0)
            runner.run(test, out=report.append)
    assert runner.failures == 0, "".join(report)
    assert runner.tries > 30
    bl.set_threads(0)


def test_everything_public_is_documented(bl):
    for name, thing in documented(bl):
        if callable(thing) and not isinstance(thing, type):
            assert thing.__doc__, name


def test_stub_is_that_of_the_module(bl, root, tmp_path):
    """After a change of the bindings: PYTHONPATH=build/python pybind11-stubgen bitline._bitline -o bindings/python"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "pybind11_stubgen", "bitline._bitline", "--exit-code", "-o", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    made = (tmp_path / "bitline" / "_bitline.pyi").read_text()
    assert made == (root / "bindings" / "python" / "bitline" / "_bitline.pyi").read_text()


def test_types_check(root):
    done = subprocess.run([sys.executable, "-m", "mypy"], capture_output=True, text=True, cwd=root, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_version_is_the_programs(bl, run_bitline):
    assert bl.__version__ in run_bitline(["--version"]).stdout


def test_kernel_is_the_programs(bl, run_bitline):
    assert bl.kernel() in run_bitline(["list", "kernels"]).stdout
