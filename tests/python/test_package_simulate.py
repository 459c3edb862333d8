"""The Python package gives the bits of the command line."""

import json

import numpy as np
import pytest

CASES = {
    "default": ("default", {}, {}),
    "isaac": ("isaac", {}, {}),
    "noisy": ("default", {"cell": {"programming_error": {"sigma": 0.05}, "read_noise": {"sigma": 0.05}}}, {}),
    "aged": ("default", {"device": "pcm-nandakumar2019"}, {"ages": [0, 3600, 86400], "temperature": 310}),
    "calibrated": ("default", {"adc": {"bits": 6}}, {"calibration": "digits_calibration.h5"}),
}
TRIALS, SEED, SAMPLES = 2, 7, 60


def command_of(digits, arch, changes, options):
    command = ["simulate", digits / "digits_cnn.onnx", "--arch", arch, "--data", digits / "digits.h5", "--json", "-"]
    command += ["--trials", TRIALS, "--seed", SEED, "--limit", SAMPLES]

    def add(prefix, values):
        for key, value in values.items():
            if isinstance(value, dict):
                add(f"{prefix}{key}.", value)
            elif key == "device":
                command.extend(["--device", value])
            else:
                command.extend(["--set", f"{prefix}{key}={value}"])

    add("", changes)
    if "ages" in options:
        command += ["--age", ",".join(f"{age}s" for age in options["ages"]), "--temperature", options["temperature"]]
    if "calibration" in options:
        command += ["--calibration", digits / options["calibration"]]
    return command


def figures_of_chip(chip):
    return {
        "trials": [(one.accuracy, one.agreement, one.programming["clipped"]) for one in chip.trials],
        "layers": [(one.name, one.sqnr_db, one.adc_clip_rate, one.adc.step) for one in chip.layers],
    }


def figures_of_json(chip):
    return {
        "trials": [(one["accuracy"], one["agreement"], one["programming"]["clipped"]) for one in chip["trials"]],
        "layers": [(one["name"], one["sqnr_db"], one["adc_clip_rate"], one["adc"]["step"]) for one in chip["layers"]],
    }


@pytest.mark.parametrize("case", CASES)
def test_same_seed_gives_the_bits_of_the_command_line(case, bl, digits, run_bitline):
    arch, changes, options = CASES[case]
    done = run_bitline(command_of(digits, arch, changes, options))
    assert done.returncode == 0, done.stderr
    expected = json.loads(done.stdout)

    mapping = bl.map_network(bl.read_network(digits / "digits_cnn.onnx"), bl.Architecture.preset(arch, **changes))
    given = dict(options)
    if "calibration" in given:
        given["calibration"] = str(digits / given["calibration"])
    data = bl.open_dataset(str(digits / "digits.h5"), limit=SAMPLES)
    result = bl.simulate(mapping, data, trials=TRIALS, seed=SEED, **given)

    assert mapping.architecture.hash == expected["architecture"]["sha256"]
    assert figures_of_chip(result) == figures_of_json(expected)
    assert result.software_accuracy == expected["software"]["accuracy"]
    assert result.ideal_unequal == expected["ideal"]["unequal_samples"] == 0
    assert result.accuracy_mean == expected["chip"]["accuracy"]["mean"]
    assert result.accuracy_ci95 == expected["chip"]["accuracy"]["ci95"]
    for one, same in zip(result.ages, expected.get("ages", []), strict=False):
        assert one.age == same["age"] and figures_of_chip(one.chip) == figures_of_json(same)


@pytest.fixture(scope="module")
def noisy(bl, digits):
    changes = {"programming_error": {"sigma": 0.05}, "read_noise": {"sigma": 0.1}}
    architecture = bl.Architecture.preset("default", cell=changes, adc={"noise_sigma": 0.5})
    return bl.map_network(bl.read_network(digits / "digits_cnn.onnx"), architecture)


@pytest.fixture(scope="module")
def samples(bl, digits):
    data = bl.open_dataset(str(digits / "digits.h5"), limit=40)
    return data.read(0, len(data)), data.labels


def test_chip_runs_as_the_trial_of_a_simulation(bl, noisy, samples):
    """The accuracy of each trial, counted by hand from the outputs of the same chip."""
    x, y = samples
    result = bl.simulate(noisy, (x, y), trials=3, seed=5)
    for trial, expected in enumerate(result.trials):
        chip = bl.program(noisy, seed=5, trial=trial, calibration=x)
        assert (chip.run(x).argmax(1) == y).mean() == expected.accuracy
        assert chip.report == expected.programming
    assert len({one.accuracy for one in result.trials} | {one.agreement for one in result.trials}) > 1


def test_aged_chip_is_the_one_of_the_simulation(bl, digits, samples):
    x, y = samples
    architecture = bl.Architecture.preset(
        "default", device="pcm-nandakumar2019", adc={"range": "calibrated"}, compensation={"drift_gain": "layer"}
    )
    mapping = bl.map_network(bl.read_network(digits / "digits_cnn.onnx"), architecture)
    calibration = str(digits / "digits_calibration.h5")
    result = bl.simulate(mapping, (x, y), seed=2, ages=[0, 1e6], calibration=calibration)
    chip = bl.program(mapping, seed=2, calibration=calibration)
    for age in result.ages:
        aged = chip.age(age.age)
        assert aged.time == age.age
        assert (aged.run(x).argmax(1) == y).mean() == age.chip.trials[0].accuracy
        assert [r.step for r in aged.adc_ranges] == [layer.adc.step for layer in age.chip.layers]
    assert not np.array_equal(chip.run(x), chip.age(1e6).run(x))
    np.testing.assert_array_equal(chip.age(1e6).age(0).run(x), chip.run(x))


def test_perfect_chip_equals_software_to_the_bit(bl, noisy, samples):
    x, _ = samples
    np.testing.assert_array_equal(bl.program_ideal(noisy).run(x), noisy.network.run(x))


def test_noise_belongs_to_the_sample_whatever_the_batch_and_threads(bl, noisy, samples):
    x, _ = samples
    chip = bl.program(noisy, calibration=x)
    whole = chip.run(x)
    for threads in (1, 3):
        bl.set_threads(threads)
        np.testing.assert_array_equal(chip.run(x), whole)
    bl.set_threads(0)
    parts = [chip.run(x[i : i + 7], first_sample=i) for i in range(0, len(x), 7)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert not np.array_equal(chip.run(x, first_sample=1000), whole)


def test_raw_samples_are_preprocessed_as_the_network_says(bl, digits, samples):
    x, _ = samples
    network = bl.read_network(digits / "digits_cnn.onnx")
    assert network.preprocess is not None
    np.testing.assert_array_equal(network.run(x), network.run(x / 16, preprocess="raw"))


def test_quantize_gives_the_command_lines_network(bl, digits, run_bitline, tmp_path):
    options = ["--weight-bits", 5, "--method", "percentile", "--percentile", 99.5]
    command = ["quantize", digits / "digits_float.onnx", "-o", tmp_path / "q.h5"]
    done = run_bitline([*command, "--calibration", digits / "digits_calibration.h5", *options])
    assert done.returncode == 0, done.stderr
    network = bl.quantize(
        bl.read_onnx(digits / "digits_float.onnx"),
        str(digits / "digits_calibration.h5"),
        weight_bits=5,
        method="percentile",
        percentile=99.5,
    )
    assert network == bl.read_hdf5(tmp_path / "q.h5")


def test_conductances_follow_the_device(bl, noisy, samples):
    """Errors of 5 % of 100 uS: of a pair's larger cell normal, of the other, at G_min = 1 uS, cut off at 0.

    Of max(0, N(1, 5)) mean and variance are 2.534 and 10.60 in uS. Bounds are four standard errors.
    """
    ideal = 1e6 * bl.program_ideal(noisy).conductances("conv2")
    real = 1e6 * bl.program(noisy, calibration=samples[0]).conductances("conv2")
    np.testing.assert_allclose(np.unique(ideal), [-99, -66, -33, 0, 33, 66, 99])
    for sign in (-1, 1):
        error = sign * (real - ideal)[sign * ideal > 1]
        deviation, count = (25 + 10.60) ** 0.5, error.size
        assert count > 2000
        assert abs(error.mean() + 2.534 - 1) < 4 * deviation / count**0.5
        assert abs(error.std() - deviation) < 4 * deviation / (2 * count) ** 0.5


def test_float_network_is_the_first_link_of_the_chain(bl, digits, samples):
    mapping = bl.map_network(bl.read_network(digits / "digits_cnn.onnx"), bl.Architecture.preset("ideal"))
    real = bl.read_onnx(digits / "digits_float.onnx")
    result = bl.simulate(mapping, samples, float_network=real)
    assert result.float_accuracy == bl.software_accuracy(real, samples)
    assert result.accuracy_mean == result.software_accuracy
