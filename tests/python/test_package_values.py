"""Values of the Python package: read-only, pickled to the same bits, shown shortly; errors with the library's text."""

import copy
import pickle

import numpy as np
import pytest


@pytest.fixture(scope="module")
def network(bl, digits):
    return bl.read_network(digits / "digits_cnn.onnx")


@pytest.fixture(scope="module")
def mapping(bl, network):
    return bl.map_network(network, bl.Architecture.preset("isaac"))


def test_network_survives_pickling_and_copying(bl, network, digits, tmp_path):
    for twin in (pickle.loads(pickle.dumps(network)), copy.deepcopy(network), copy.copy(network)):
        assert twin == network and twin.preprocess == network.preprocess and twin.metadata == network.metadata
    bl.write_hdf5(network, tmp_path / "n.h5")
    assert bl.read_network(str(tmp_path / "n.h5")) == network
    assert bl.read_onnx(digits / "digits_float.onnx") != network


def test_pickled_network_of_damaged_bytes_is_refused(bl, network):
    state = bytearray(network.__getstate__())
    state[len(state) // 2] ^= 1
    with pytest.raises(bl.FormatError):
        bl.Network.__new__(bl.Network).__setstate__(bytes(state))


def test_architecture_survives_pickling(bl):
    chip = bl.Architecture.preset("isaac", device="pcm-hermes-one", array={"rows": 64})
    twin = pickle.loads(pickle.dumps(chip))
    assert twin == chip and hash(twin) == hash(chip) and twin.to_yaml() == chip.to_yaml()
    assert twin != bl.Architecture.preset("isaac")


def test_pickled_architecture_notices_that_its_files_changed(bl, digits, tmp_path):
    faults = tmp_path / "faults.csv"
    text = (digits.parent / "devices" / "faults.csv").read_text()
    faults.write_text(text)
    chip = bl.Architecture.preset("default", cell={"stuck_at": {"map": str(faults)}})
    state = pickle.dumps(chip)
    assert pickle.loads(state) == chip
    faults.write_text("\n".join(text.splitlines()[:-1]) + "\n")
    with pytest.raises(bl.FormatError, match="not those that it was pickled with"):
        pickle.loads(state)


@pytest.mark.parametrize(
    "value, text",
    [(6, "6"), (np.int64(6), "6"), ("6", "6")],
)
def test_values_of_keys(bl, value, text):
    assert bl.Architecture.preset("default", adc={"bits": value}).to_dict()["adc.bits"] == text


def test_changes_take_dotted_keys_floats_booleans_and_lists(bl):
    chip = bl.Architecture.preset("default", **{"cell.read_noise.sigma": np.float32(0.25)}, mapping={"pack_groups": False})
    assert chip.to_dict()["cell.read_noise.sigma"] == "0.25" and chip.to_dict()["mapping.pack_groups"] == "false"
    table = chip.changed(adc={"bits": 2, "thresholds": "table", "table": [0.5, 1.5, np.float64(2.25)]})
    assert table.to_dict()["adc.table"] == "[0.5, 1.5, 2.25]"


def test_yaml_and_file_give_the_same(bl, tmp_path):
    chip = bl.Architecture.preset("isaac", adc={"bits": 5})
    (tmp_path / "chip.yaml").write_text(chip.to_yaml())
    assert bl.Architecture.from_file(tmp_path / "chip.yaml").to_dict() == chip.to_dict()
    assert bl.Architecture.from_yaml(chip.to_yaml()).to_dict() == chip.to_dict()


def test_errors_are_value_errors_with_the_command_lines_text(bl, network, digits, run_bitline):
    assert issubclass(bl.ConfigError, ValueError) and issubclass(bl.FormatError, ValueError)
    done = run_bitline(["map", digits / "digits_cnn.onnx", "--arch", "default", "--set", "adc.bitz=3"])
    with pytest.raises(bl.ConfigError) as error:
        bl.Architecture.preset("default", adc={"bitz": 3})
    assert str(error.value) in done.stderr and done.returncode == 2
    done = run_bitline(["inspect", "missing.onnx"])
    with pytest.raises(bl.FormatError) as error:
        bl.read_network("missing.onnx")
    assert str(error.value) in done.stderr


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda bl, m: bl.Architecture.preset("isaak"), "isaac"),
        (lambda bl, m: bl.Architecture.preset("default", adc={"bits": object()}), "adc.bits"),
        (lambda bl, m: bl.Architecture.preset("default", adc={"bits": 99}), "adc.bits"),
        (lambda bl, m: bl.Architecture.from_file("/"), "architecture"),
        (lambda bl, m: bl.Device("pcm"), "pcm"),
        (lambda bl, m: bl.Device("pcm-hermes-one").sample_states([]), "ages"),
        (lambda bl, m: bl.Device("pcm-hermes-one").sample_states([-1]), "age = -1"),
        (lambda bl, m: bl.Device("pcm-hermes-one").sample_states(bits=60), "bits"),
        (lambda bl, m: bl.Device("pcm-hermes-one").pulses(3, 3), "pulse law"),
        (lambda bl, m: bl.program(m, seed=-1), "seed = -1"),
        (lambda bl, m: bl.program(m, seed=2**60), "seed"),
        (lambda bl, m: bl.program(m, trial=-3), "trial"),
        (lambda bl, m: bl.program(m, time=float("nan")), "age"),
        (lambda bl, m: bl.program(m, temperature=0), "temperature"),
        (lambda bl, m: bl.program(m, calibration="digits.h5"), "no effect"),
        (lambda bl, m: bl.program_ideal(m).age(3), "does not age"),
        (lambda bl, m: bl.program(m).conductances("conv9"), "did you mean conv"),
        (lambda bl, m: bl.program(m).conductances(0, 99), "array 99"),
        (lambda bl, m: bl.program(m).conductances(99), "layer 99"),
        (lambda bl, m: bl.open_dataset("digits.csv"), "format"),
        (lambda bl, m: bl.quantize(m.network, "digits.h5"), "quantized"),
        (lambda bl, m: bl.simulate(m, np.zeros((3, 1, 8, 8))), "labels"),
        (lambda bl, m: bl.simulate(m, (np.zeros((3, 64)), [1, 2, 3]), trials=0), "trials = 0"),
        (lambda bl, m: bl.simulate(m, (np.zeros((3, 64)), [1, 2, 3]), ages=[3, 1]), "rise"),
        (lambda bl, m: bl.simulate(m, (np.zeros((3, 64)), [1, 2, 3]), calibration=np.zeros((1, 64))), "no effect"),
        (lambda bl, m: bl.set_threads(-1), "threads"),
    ],
)
def test_wrong_arguments_are_config_errors(bl, mapping, digits, monkeypatch, call, message):
    monkeypatch.chdir(digits)
    with pytest.raises(bl.InputError, match=message):
        call(bl, mapping)


def test_architecture_that_calibrates_wants_samples(bl, network):
    mapping = bl.map_network(network, bl.Architecture.preset("default"))
    with pytest.raises(bl.ConfigError, match="calibration"):
        bl.program(mapping)


def test_values_are_shown_shortly_and_in_html(bl, network, mapping, digits):
    chip = bl.program(mapping)
    result = bl.simulate(mapping, bl.open_dataset(str(digits / "digits.h5"), limit=5))
    for value in (network, mapping.architecture, mapping, chip, result, bl.Device("pcm-hermes-one")):
        assert len(repr(value)) < 160 and repr(value).startswith(f"<{type(value).__name__} ")
        assert "<table>" in value._repr_html_()
    nasty = bl.Architecture.from_yaml("base: default\nname: '<i>&'")
    assert "&lt;i&gt;&amp;" in nasty._repr_html_() and "<i>" not in nasty._repr_html_()


def test_network_too_large_for_its_chip_is_refused(bl, network):
    small = bl.Architecture.preset("default", chip={"arrays_per_core": 1, "cores_per_tile": 1, "tiles_per_chip": 1})
    with pytest.raises(bl.ConfigError, match="arrays"):
        bl.map_network(network, small)
    assert bl.map_network(network, small, check_fit=False).arrays_available == 1


def test_effective_weights_of_perfect_cells_are_the_weights(bl, mapping):
    weights, offsets = bl.program_ideal(mapping).effective_weights("fc")
    assert weights.shape[0] == 10 and np.array_equal(weights, np.round(weights)) and len(offsets) == 10
    assert np.abs(weights).max() > 1
