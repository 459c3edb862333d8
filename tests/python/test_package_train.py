"""bl.train gives the networks, journals and chains of `bitline train`."""

import json
import signal
import threading
import time

import numpy as np
import pytest

CHIP = {"device": "pcm-nandakumar2019", "age": [0, 3600], "chip_trials": 2, "chip_limit": 60}
CASES = {
    "float": ("resnet20", {"epochs": 2, "batch": 32, "width": 0.25, "dropout": 0.1, "seed": 3, "warmup": 0.5}),
    "noise": (
        "resnet20",
        {"epochs": 1, "width": 0.25, "method": "lsq", "weight_bits": 4, "input_bits": 4, "hardware": "noise"}
        | {"weight_noise": 0.1, "layer_bits": {"stage1.block1.conv1": (3, 5)}, "chip_trials": 2, "chip_limit": 40},
    ),
    "device": ("digits_float.onnx", {"epochs": 1, "method": "ste", "hardware": "device", "rate": 1e-4, **CHIP}),
    "full": (
        "resnet20",
        {"epochs": 1, "width": 0.25, "method": "ste", "hardware": "full", "arch": "isaac", "fixed_chip": True}
        | {"bias": False, "optimizer": "sgd", "schedule": "step=1:0.5", "chip_trials": 1, "chip_limit": 40},
    ),
}


def words_of(options):
    """The command line's words for the same options."""
    words = []
    for name, value in options.items():
        option = "--" + name.replace("_", "-")
        if name == "layer_bits":
            for layer, (weights, inputs) in value.items():
                words += [option, f"{layer}={weights}/{inputs}"]
        elif name == "fixed_chip":
            words.append(option)
        elif name == "age":
            words += [option, ",".join(f"{age}s" for age in value)]
        else:
            words += [option, {True: "on", False: "off"}[value] if isinstance(value, bool) else value]
    return words


def figures(chain):
    chips = [[one.accuracy for one in age.chip.trials] for age in chain.chip.ages]
    return [chain.real, chain.quantized, chain.integer, chain.ideal_chip, chips]


def figures_of_json(chain):
    chips = [age["accuracy"]["trials"] for age in chain["chips"]]
    return [chain["float"], chain["quantized"], chain["integer"], chain["ideal_chip"], chips]


@pytest.mark.parametrize("case", CASES)
def test_same_options_give_the_bits_of_the_command_line(case, bl, digits, run_bitline, tmp_path, monkeypatch):
    monkeypatch.chdir(digits)
    model, options = CASES[case]
    command = ["train", model, "--data", "digits_calibration.h5", "--test", "digits.h5", "-o", tmp_path / "net.h5"]
    done = run_bitline([*command, "--json", tmp_path / "run.jsonl", *words_of(options)])
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "run.jsonl").read_text().splitlines()]
    epochs, chain = [line for line in lines if "epoch" in line], lines[-1].get("chain")

    result = bl.train(model, "digits_calibration.h5", "digits.h5", **options)

    assert result.network == bl.read_hdf5(tmp_path / "net.h5")
    names = ("epoch", "epochs", "step", "rate", "loss", "accuracy", "test_accuracy", "best_accuracy", "best_epoch")
    assert [[getattr(one, name) for name in names] for one in result.epochs] == [[e[n] for n in names] for e in epochs]
    if case == "float":
        assert result.chain is None and chain is None
        return
    assert figures(result.chain) == figures_of_json(chain["after"])
    assert result.chain.chip.samples == chain["samples"] == options["chip_limit"]
    assert (result.before is None) == ("before" not in chain)
    if result.before is not None:
        assert figures(result.before) == figures_of_json(chain["before"])
    assert "chip" in repr(result) and "gap" in result._repr_html_()


def test_arrays_and_objects_do_as_files_do(bl, digits):
    def arrays(name):
        data = bl.open_dataset(str(digits / name))
        return data.read(0, len(data)), data.labels

    data, test = arrays("digits_calibration.h5"), arrays("digits.h5")
    options = {"epochs": 1, "method": "ste", "chip_trials": 1, "chip_limit": 20}
    path = str(digits / "digits_float.onnx")
    files = bl.train(path, str(digits / "digits_calibration.h5"), str(digits / "digits.h5"), **options)
    objects = bl.train(bl.read_onnx(path), data, test, arch=bl.Architecture.preset("default"), **options)
    assert files.network == objects.network and figures(files.chain) == figures(objects.chain)


def test_interrupted_run_goes_on_with_the_same_bits(bl, digits, tmp_path):
    given = (str(digits / "digits_float.onnx"), str(digits / "digits_calibration.h5"), str(digits / "digits.h5"))
    options = {"epochs": 2, "batch": 2, "rate": 1e-4, "seed": 5}
    whole = bl.train(*given, **options)
    timer = threading.Timer(0.3 * sum(one.seconds for one in whole.epochs), signal.raise_signal, [signal.SIGINT])
    timer.start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        bl.train(*given, checkpoint=tmp_path / "state.h5", **options)
    timer.join()
    assert time.monotonic() - started < 60
    rest = bl.train(*given, resume=tmp_path / "state.h5", **options)
    assert rest.network == whole.network
    assert [one.loss for one in rest.epochs] == [one.loss for one in whole.epochs][-len(rest.epochs) :]


def test_progress_and_epochs_are_shown(bl, digits, capsys):
    given = ("resnet20", str(digits / "digits_calibration.h5"), str(digits / "digits.h5"))
    bl.train(*given, epochs=2, width=0.25, progress=True)
    shown = capsys.readouterr()
    assert "epoch 2/2" in shown.out + shown.err


def test_methods_are_those_of_the_command_line(bl, run_bitline):
    listed = run_bitline(["list", "methods"]).stdout
    for one in bl.list_methods():
        least, default, most = one["weight_bits"]
        assert one["name"] in listed and one["paper"] and least <= default <= most


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight_bits": 4}, "weight_bits has no effect without method"),
        ({"method": "lsq", "weight_bits": 40}, "weight_bits of lsq = 40 violates"),
        ({"method": "lsqq"}, "lsq"),
        ({"epochs": 0}, "epochs = 0 violates 1 <= epochs"),
        ({"rate": float("nan")}, "rate = nan"),
        ({"method": "ste", "hardware": "some"}, "hardware = some is none of noise, device, full"),
        ({"weight_noise": 0.1}, "weight_noise has no effect without hardware='noise'"),
        ({"method": "ste", "arch": "isaak"}, "isaac"),
        ({"method": "ste", "arch": 3}, "3"),
        ({"method": "ste", "layer_bits": {"conv1": 4}}, "layer_bits: write"),
        ({"method": "ste", "layer_bits": {"conf1": (4, 4)}}, "conf1"),
        ({"method": "ste", "chip_limit": 1000}, "chip_limit = 1000 exceeds the 500 samples"),
        ({"every": 2}, "every has no effect without checkpoint"),
        ({"resume": "missing.h5"}, "missing.h5"),
        ({"width": object()}, "width: a value of type object"),
        ({"seed": -1}, "seed = -1 violates"),
    ],
)
def test_bad_options_name_the_keyword(options, message, bl, digits):
    with pytest.raises(bl.InputError, match=message.replace("(", r"\(")) as caught:
        bl.train("resnet20", str(digits / "digits_calibration.h5"), str(digits / "digits.h5"), **options)
    assert "--" not in str(caught.value)


def test_bad_data_is_refused(bl, digits):
    x = np.zeros((4, 1, 8, 8), np.float32)
    with pytest.raises(bl.ConfigError, match="no labels"):
        bl.train("resnet20", x, x)
    with pytest.raises(bl.ConfigError, match="expected a Network, a name or the path"):
        bl.train(7, str(digits / "digits.h5"), str(digits / "digits.h5"))
    with pytest.raises(bl.FormatError, match="No such file"):
        bl.train("missing.onnx", str(digits / "digits.h5"), str(digits / "digits.h5"))


def test_changes_of_an_architecture_are_named_as_written(bl):
    with pytest.raises(bl.ConfigError, match=r"^adc\.bits=40: ") as caught:
        bl.Architecture.preset("default", adc={"bits": 40})
    assert "--set" not in str(caught.value)
