"""Pictures show the numbers that they are made from, with units on their axes."""

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")


@pytest.fixture(scope="module")
def plot(bl):
    from bitline import plot

    return plot


@pytest.fixture(autouse=True)
def close():
    yield
    matplotlib.pyplot.close("all")


@pytest.fixture(scope="module")
def mapping(bl, digits):
    architecture = bl.Architecture.preset("default", device="pcm-nandakumar2019")
    return bl.map_network(bl.read_network(digits / "digits_cnn.onnx"), architecture)


@pytest.fixture(scope="module")
def result(bl, mapping, digits):
    data = bl.open_dataset(str(digits / "digits.h5"), limit=50)
    return bl.simulate(mapping, data, trials=3, ages=[0, 60, 3600, 1e6])


def written(ax, tmp_path):
    for suffix in ("png", "svg"):
        ax.figure.savefig(tmp_path / f"a.{suffix}")
        assert (tmp_path / f"a.{suffix}").stat().st_size > 4000


def test_conductance_map_shows_the_array(bl, plot, mapping, digits, tmp_path):
    chip = bl.program(mapping, calibration=str(digits / "digits_calibration.h5"))
    ax = plot.conductances(chip, "conv2")
    np.testing.assert_allclose(ax.images[0].get_array(), 1e6 * chip.conductances("conv2"))
    low, high = ax.images[0].get_clim()
    assert low == -high < 0  # pairs: white is no weight
    assert "µS" in ax.figure.axes[1].get_ylabel()
    written(ax, tmp_path)


def test_histogram_counts_every_cell(bl, plot, mapping, digits, tmp_path):
    chip = bl.program(mapping, calibration=str(digits / "digits_calibration.h5"))
    ax = plot.levels(chip, "conv2")
    bars = sum(patch.get_height() for patch in ax.patches)
    assert bars == chip.conductances("conv2").size
    wanted = ax.lines[0].get_ydata().sum()
    assert wanted == bars and "µS" in ax.get_xlabel() and ax.get_ylabel() == "cells"
    written(ax, tmp_path)


def test_fan_shows_the_medians(bl, plot, tmp_path):
    device = bl.Device("pcm-nandakumar2019")
    ages = [1, 100, 1e4]
    ax = plot.drift(device, ages, bits=2)
    states = device.sample_states(ages, bits=2)
    for state, line in enumerate(ax.lines):
        np.testing.assert_allclose(line.get_ydata(), 1e6 * states["median"][:, state])
    assert len(ax.lines) == 4 and ax.get_xlabel().endswith(", s") and ax.get_ylabel().endswith(", µS")
    with pytest.raises(bl.ConfigError):
        plot.drift(device, [0, 1])
    written(ax, tmp_path)


def test_pulse_curves_rise_and_fall(bl, plot, root, tmp_path):
    path = root / "examples" / "devices" / "switching_ecram_linear_step.yaml"
    device = bl.Device.of(bl.Architecture.from_file(path))
    curve = device.pulses(50, 30)[0]
    assert curve.shape == (81,) and (np.diff(curve[:51]) >= 0).all() and (np.diff(curve[50:]) <= 0).all()
    np.testing.assert_array_equal(device.pulses(5, 5, devices=3, seed=2), device.pulses(5, 5, devices=3, seed=2))
    assert not np.array_equal(device.pulses(5, 5, devices=1, seed=2), device.pulses(5, 5, devices=1, seed=3))
    ax = plot.pulses(device, 50, 30, devices=4)
    np.testing.assert_allclose(ax.lines[5].get_ydata(), 1e6 * curve)
    written(ax, tmp_path)


def test_sqnr_names_every_layer(plot, result, tmp_path):
    ax = plot.sqnr(result)
    assert [label.get_text() for label in ax.get_yticklabels()] == [layer.name for layer in result.layers]
    np.testing.assert_allclose([bar.get_width() for bar in ax.patches], [layer.sqnr_db for layer in result.layers])
    assert "dB" in ax.get_xlabel()
    written(ax, tmp_path)


def test_accuracy_over_time(plot, result, tmp_path):
    ax = plot.accuracy(result)
    drawn = ax.lines[0].get_xydata()
    np.testing.assert_allclose(drawn[1:, 0], [60, 3600, 1e6])
    np.testing.assert_allclose(drawn[:, 1], [100 * age.chip.accuracy_mean for age in result.ages])
    assert ax.get_ylabel() == "accuracy, %" and ax.get_xlabel().endswith(", s")
    written(ax, tmp_path)


def test_accuracy_over_a_swept_parameter(bl, plot, mapping, digits, tmp_path):
    data = bl.open_dataset(str(digits / "digits.h5"), limit=30)
    bits = [3, 5]
    chips = [mapping.architecture.changed(adc={"bits": b}) for b in bits]
    results = [bl.simulate(bl.map_network(mapping.network, chip), data) for chip in chips]
    ax = plot.accuracy_over(bits, results, "ADC resolution, bits")
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [100 * one.accuracy_mean for one in results])
    with pytest.raises(bl.ConfigError):
        plot.accuracy_over(bits, results[:1], "bits")
    written(ax, tmp_path)
