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
    bars = ax.patches[0].get_data()[0].sum()
    assert bars == chip.conductances("conv2").size
    wanted = ax.lines[0].get_ydata().sum()
    assert wanted == bars and "µS" in ax.get_xlabel() and ax.get_ylabel() == "pairs of cells"
    written(ax, tmp_path)


def test_histogram_of_an_aged_chip_shows_it_fresh_as_well(bl, plot, mapping, digits):
    fresh = bl.program(mapping, calibration=str(digits / "digits_calibration.h5"))
    aged = fresh.age(1e5)
    ax = plot.levels(aged, "conv2")
    filled = [patch for patch in ax.patches if patch.get_fill()]
    for chip, patch in zip((fresh, aged), filled, strict=True):
        counts, edges, _ = patch.get_data()
        np.testing.assert_array_equal(counts, np.histogram(1e6 * chip.conductances("conv2"), edges)[0])
    assert [text.get_text() for text in ax.get_legend().get_texts()][:2] == ["as programmed", "1.16 d after programming"]


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


def test_later_series_get_colours_and_marks_of_their_own(bl, plot, result):
    ax = plot.accuracy(result, label="one")
    plot.accuracy(result, label="two", ax=ax)
    first, second = (container.lines[0] for container in ax.containers)
    assert first.get_color() != second.get_color() and first.get_marker() != second.get_marker()
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert sorted(labels) == ["one", f"software, {result.software_accuracy:.2%}", "two"]
    bars = ax.containers[0].lines[2][0].get_segments()
    assert all(0 <= low <= high <= 100 for (_, low), (_, high) in bars)  # accuracies end there


def test_code_histogram_counts_every_conversion(bl, plot, mapping, digits, tmp_path):
    chip = bl.program(mapping, calibration=str(digits / "digits_calibration.h5"))
    x = bl.open_dataset(str(digits / "digits.h5")).read(0, 5)
    counted = chip.count_codes("conv2", x)
    layer = mapping.layers[1]
    columns = sum(len(array.outputs) for array in layer.arrays)  # all rows of an array are driven at once
    assert counted["count"].sum() == 5 * layer.positions * 8 * columns
    ax = plot.codes(chip, "conv2", x)
    counts, edges, _ = ax.patches[0].get_data()
    np.testing.assert_array_equal(counts, counted["count"])
    np.testing.assert_array_equal(edges[:-1] + 0.5, counted["code"])
    adc = chip.adc_ranges[1]
    assert [line.get_xdata()[0] for line in ax.lines] == [adc.lo, adc.hi]
    assert ax.get_xlabel() == "code" and "levels" in ax.child_axes[0].get_xlabel()
    written(ax, tmp_path)


def test_code_histogram_gathers_codes_of_fine_converters(bl, plot, mapping, digits):
    chip = bl.program(bl.map_network(mapping.network, mapping.architecture.changed(adc={"bits": 12, "range": "fixed"})))
    x = bl.open_dataset(str(digits / "digits.h5")).read(0, 2)
    counts, edges, _ = plot.codes(chip, "fc", x).patches[0].get_data()
    assert len(counts) == 256 and counts.sum() == chip.count_codes("fc", x)["count"].sum()
    assert edges[0] == -2048.5 and edges[-1] == 2047.5


def test_clipped_conversions_are_those_of_the_simulation(bl, mapping, digits):
    narrow = mapping.architecture.changed(adc={"bits": 5, "range": "fixed", "full_scale": 0.05})
    data = bl.open_dataset(str(digits / "digits.h5"), limit=10)
    small = bl.map_network(mapping.network, narrow)
    layer = bl.simulate(small, data, seed=3, progress=False).layers[1]
    counted = bl.program(small, seed=3).count_codes("conv2", data.read(0, 10))
    assert 0 < layer.adc_clip_rate == counted["clipped"] / counted["count"].sum()


def test_linearity_is_the_distance_from_the_line_through_the_ends(bl, plot, mapping, tmp_path):
    flash = {"bits": 6, "range": "fixed", "type": "flash", "resistor_sigma": 0.05, "offset_sigma": 3, "gain_sigma": 0.1}
    chip = bl.program(bl.map_network(mapping.network, mapping.architecture.changed(adc=flash)))
    above, below = plot.linearity(chip, "conv2")
    transitions = chip.transitions("conv2")
    assert transitions.shape == (8, 63)
    drawn = {tuple(line.get_ydata()) for line in above.lines if len(line.get_ydata()) == 63}
    assert len(drawn) == 8
    for own in transitions:
        code = np.arange(1, 64)
        line = np.interp(code, [1, 63], [own[0], own[-1]])
        inl = (own - line) / (line[1] - line[0])
        assert any(np.allclose(inl, one, atol=1e-9) for one in drawn)
    dnl = [np.asarray(line.get_ydata()) for line in below.lines if len(line.get_ydata()) == 62]
    assert len(dnl) == 8 and all(abs(one.sum()) < 1e-9 for one in dnl)  # both ends lie on the line
    assert above.get_ylabel() == "INL, LSB" and below.get_ylabel() == "DNL, LSB" and below.get_xlabel() == "code"
    written(above, tmp_path)


def test_perfect_converters_are_linear_and_coarse_ones_have_no_linearity(bl, plot, mapping):
    fixed = {"bits": 6, "range": "fixed"}
    above, below = plot.linearity(bl.program(bl.map_network(mapping.network, mapping.architecture.changed(adc=fixed))), 1)
    for panel in (above, below):
        assert max(np.abs(line.get_ydata()).max() for line in panel.lines) < 1e-9
    coarse = mapping.architecture.changed(adc={"bits": 1, "range": "fixed"})
    with pytest.raises(bl.ConfigError, match="4 codes"):
        plot.linearity(bl.program(bl.map_network(mapping.network, coarse)), 1)


def test_transfer_curve_steps_where_codes_change(bl, plot, mapping, tmp_path):
    noisy = mapping.architecture.changed(adc={"bits": 4, "range": "fixed", "inl_sigma": 0.3})
    chip = bl.program(bl.map_network(mapping.network, noisy))
    ax = plot.transfer(chip, "conv2", converter=2)
    ideal, own = (patch.get_data() for patch in ax.patches)
    np.testing.assert_allclose(own.edges[1:-1], chip.transitions("conv2")[2])
    np.testing.assert_array_equal(own.values, np.arange(-8, 8))
    np.testing.assert_allclose(np.diff(ideal.edges[1:-1]), chip.adc_ranges[1].step)
    with pytest.raises(bl.ConfigError, match="converter = 99"):
        plot.transfer(chip, "conv2", converter=99)
    written(ax, tmp_path)


def test_placement_draws_every_array_once(bl, plot, mapping, tmp_path):
    ax = plot.placement(mapping)
    cores, empty, used = ax.collections
    assert len(empty.get_paths()) == len(used.get_paths()) == mapping.arrays
    assert len(cores.get_paths()) == mapping.cores
    sizes = [np.ptp(path.vertices, axis=0).prod() for path in used.get_paths()]
    cells = sum(layer.cells_used for layer in mapping.layers)
    assert sum(sizes) * 128 * 128 == pytest.approx(cells)
    corners = {tuple(path.vertices[0].round(6)) for path in empty.get_paths()}
    assert len(corners) == mapping.arrays  # none upon another
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert [text.split(":")[0] for text in legend] == [layer.name for layer in mapping.layers]
    written(ax, tmp_path)


@pytest.mark.parametrize("of", ["weights", "inputs"])
def test_quantizer_is_a_staircase_of_the_methods_levels(bl, plot, of, tmp_path):
    for method in bl.list_methods():
        ax = plot.quantizer(method["name"], of)
        line, staircase = ax.lines
        numbers, values = line.get_xdata(), staircase.get_ydata()
        np.testing.assert_array_equal(values, bl.fake_quantize(numbers, method["name"], of))
        assert (np.diff(values) >= 0).all(), method["name"]
        bits = method["weight_bits" if of == "weights" else "input_bits"][1]
        assert 2 <= len(np.unique(values)) <= 2**bits, method["name"]
        assert ax.get_xlabel() == of[:-1]
    written(ax, tmp_path)


def test_fake_quantization_takes_arrays_and_refuses_the_rest(bl):
    x = np.linspace(-1, 1, 12).reshape(3, 4)
    assert bl.fake_quantize(x, "lsq").shape == (3, 4) and bl.fake_quantize(x, "lsq").dtype == np.float32
    with pytest.raises(bl.ConfigError, match="did you mean 'lsq'"):
        bl.fake_quantize(x, "lsqq")
    for wrong in ({"of": "biases"}, {"bits": 99}):
        with pytest.raises(bl.ConfigError):
            bl.fake_quantize(x, "lsq", **wrong)
    with pytest.raises(bl.ConfigError):
        bl.fake_quantize([np.nan], "lsq")
    with pytest.raises(bl.ConfigError):
        bl.fake_quantize([], "lsq")


def test_fitted_pulses(bl, plot, root, tmp_path):
    path = root / "examples" / "devices" / "pulses.csv"
    fit = bl.fit_pulses(path)
    assert fit.parameters["label_up"]["value"] == pytest.approx(2.4, abs=0.5)
    ax = plot.pulse_fit(fit)
    readings = sum(len(line.get_ydata()) for line in ax.lines if line.get_marker() != "None")
    assert readings == 514 == sum(len(trace["measured"]) for trace in fit.traces)
    np.testing.assert_allclose(ax.lines[1].get_ydata(), 1e6 * fit.traces[0]["fitted"])
    assert bl.Architecture.from_yaml(fit.yaml, name="fitted") == fit.architecture
    written(ax, tmp_path)
    (tmp_path / "bad.csv").write_text("pulse,conductance\n0,1e-6\n1,oops\n")
    with pytest.raises(bl.ConfigError, match="oops"):
        bl.fit_pulses(tmp_path / "bad.csv")
    with pytest.raises(bl.ConfigError, match="exponential"):
        bl.fit_pulses(path, "exponentail")
    with pytest.raises(bl.ConfigError, match="g_max"):
        bl.fit_pulses(path, g_max=-1)


def test_likeliest_law_comes_first_and_matches_the_command_line(bl, root, run_bitline, tmp_path):
    path = root / "examples" / "devices" / "pulses.csv"
    fits = bl.fit_every_law(path)
    assert [fit.bic for fit in fits] == sorted(fit.bic for fit in fits)
    assert run_bitline(["fit", path, "-o", tmp_path / "best.yaml"]).returncode == 0
    ours = [line for line in fits[0].yaml.splitlines() if not line.startswith("#")]
    theirs = [line for line in (tmp_path / "best.yaml").read_text().splitlines() if not line.startswith("#")]
    assert ours == theirs
