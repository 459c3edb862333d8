"""bitline wires: what resistive word and bit lines make of an array's cells."""

import json
import xml.etree.ElementTree as ElementTree

import pytest

WIRED = ["--row-ohm", "5", "--col-ohm", "5"]


def studied(run_bitline, *arguments):
    result = run_bitline(["wires", *arguments, "--json", "-"])
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_one_cell_is_a_series_of_resistors(run_bitline):
    result = studied(run_bitline, "--rows", "1", "--cols", "1", "--driver-ohm", "300", "--sense-ohm", "700", "--cells", "high",
                     "--set", "weights.subtraction=digital")
    cell = 1 / result["target"][0][0]
    assert cell == pytest.approx(1e4, rel=1e-3)
    seen = cell + 1000
    assert 1 / result["effective"][0][0] == pytest.approx(seen, rel=1e-12)
    assert result["voltage"][0][0] == pytest.approx(0.2 * cell / seen, rel=1e-12)
    assert result["total_loss"] == pytest.approx(1000 / seen, rel=1e-9)
    assert result["largest_column_current"] == pytest.approx(0.2 / seen, rel=1e-12)
    assert result["worst_cell"]["error"] == pytest.approx(-1000 / seen, rel=1e-9)
    assert result["rescaled_product_error"]["rms"] == pytest.approx(0, abs=1e-12)


def test_loss_grows_with_resistance_and_size(run_bitline):
    losses = [studied(run_bitline, "--rows", size, "--cols", size, "--row-ohm", ohm, "--col-ohm", ohm)["total_loss"]
              for size, ohm in (("16", "1"), ("16", "4"), ("48", "4"))]
    assert 0 < losses[0] < losses[1] < losses[2] < 1


def test_both_drivers_lose_less_than_one(run_bitline):
    size = ["--rows", "32", "--cols", "64", *WIRED]
    assert studied(run_bitline, *size, "--drive", "both")["total_loss"] < studied(run_bitline, *size)["total_loss"]


def test_targets_take_the_error_away(run_bitline):
    size = ["--rows", "64", "--cols", "64", *WIRED]
    plain = studied(run_bitline, *size)
    aimed = studied(run_bitline, *size, "--set", "compensation.wires=targets")
    assert plain["column_gain"] == [1] * 64 and min(aimed["column_gain"]) > 1
    assert aimed["product_error"]["rms"] < plain["rescaled_product_error"]["rms"] / 8


def test_same_seed_same_result(run_bitline):
    size = ["--rows", "20", "--cols", "10", *WIRED]
    assert studied(run_bitline, *size, "--seed", "3") == studied(run_bitline, *size, "--seed", "3")
    assert studied(run_bitline, *size, "--seed", "3")["target"] != studied(run_bitline, *size, "--seed", "4")["target"]


def test_reports_and_draws(run_bitline, tmp_path):
    result = run_bitline(["wires", "--rows", "40", "--cols", "24", *WIRED, "--plot", "wires.svg", "--json", "wires.json"], cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    numbers = json.loads((tmp_path / "wires.json").read_text(encoding="utf-8"))
    assert len(numbers["voltage"]) == 40 and len(numbers["voltage"][0]) == 24
    assert f"total loss    {100 * numbers['total_loss']:.4g} %" in result.stdout
    least = min(min(row) for row in numbers["voltage"])
    assert numbers["least_voltage"]["voltage"] == least and f"least voltage {1e3 * least:.4g} mV" in result.stdout
    assert f"product error {100 * numbers['product_error']['rms']:.4g} %" in result.stdout
    svg = ElementTree.parse(tmp_path / "wires.svg")
    texts = ["".join(text.itertext()) for text in svg.iter("{http://www.w3.org/2000/svg}text")]
    for expected in ("word line", "bit line", "mV", "%"):
        assert expected in texts
    assert any("converters at the bottom" in text for text in texts)


def test_map_says_that_wires_are_on(run_bitline, digits):
    arguments = ["map", digits / "digits_cnn.onnx", "--arch", "default"]
    assert "wires " not in run_bitline(arguments).stdout
    wired = [*arguments, "--set", "wires.row_ohm=2.5"]
    assert "2.5 ohm per segment of word lines" in run_bitline(wired).stdout
    assert json.loads(run_bitline([*wired, "--json", "-"]).stdout)["wires"] == {
        "row_ohm": 2.5, "col_ohm": 0, "driver_ohm": 0, "sense_ohm": 0}
    assert json.loads(run_bitline([*arguments, "--json", "-"]).stdout)["wires"] is None


def test_a_network_pays_for_wires_and_gets_it_back(run_bitline, digits):
    def simulated(*settings):
        command = ["simulate", digits / "digits_cnn.onnx", "--arch", "default", "--data", digits / "digits.h5", "--limit", "24",
                   "--skip-ideal", "--json", "-"]
        result = run_bitline([*command, *(x for setting in settings for x in ("--set", setting))])
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)["layers"]

    wires = ["wires.row_ohm=2.5", "wires.col_ohm=2.5"]
    plain, wired, aimed = simulated(), simulated(*wires), simulated(*wires, "compensation.wires=targets")
    for before, lost, back in zip(plain, wired, aimed):
        assert lost["sqnr_db"] < before["sqnr_db"] - 5
        assert back["sqnr_db"] > lost["sqnr_db"] + 5
        assert lost["compensation"]["wire_gain"] is None
        assert 1 <= back["compensation"]["wire_gain"]["min"] < back["compensation"]["wire_gain"]["max"]


@pytest.mark.parametrize("arguments, says", [
    ([], ["no resistance is given"]),
    (["--row-ohm", "-1"], ["wires.row_ohm = -1 violates 0 <= wires.row_ohm"]),
    (["--row-ohm", "inf"], ["wires.row_ohm", "inf"]),
    (["--col-ohm", "nan"], ["wires.col_ohm", "nan"]),
    (["--row-ohm", "much"], ["wires.row_ohm", "much"]),
    ([*WIRED, "--rows", "0"], ["array.rows = 0 violates 1 <= array.rows"]),
    ([*WIRED, "--rows", "100000000"], ["array.rows"]),
    ([*WIRED, "--rows", "1025"], ["1025 x 128", "1024"]),
    ([*WIRED, "--drive", "top"], ["wires.drive", "left, right, both"]),
    ([*WIRED, "--sense", "left"], ["wires.sense", "bottom, top"]),
    ([*WIRED, "--set", "wires.topology=ladder"], ["wires.topology", "crossbar"]),
    ([*WIRED, "--cells", "some"], ["--cells", "random, low, high"]),
    ([*WIRED, "--voltage", "0"], ["--voltage = 0 violates"]),
    ([*WIRED, "--vectors", "0"], ["--vectors = 0 violates"]),
    ([*WIRED, "--seed", "-1"], ["--seed = -1 violates"]),
    ([*WIRED, "--device", "nowhere"], ["nowhere"]),
    ([*WIRED, "--set", "cell.current_voltage.model=sinh"], ["cell.current_voltage.model is not linear"]),
    ([*WIRED, "--plot", "nowhere/wires.svg"], ["nowhere"]),
    ([*WIRED, "--plot", "-"], ["--plot needs the name of a file"]),
    ([*WIRED, "--plot", "same", "--json", "same"], ["same"]),
    ([*WIRED, "--ohm", "3"], ["has no option --ohm"]),
])
def test_bad_input_is_refused(run_bitline, tmp_path, arguments, says):
    result = run_bitline(["wires", *arguments], cwd=tmp_path)
    assert result.returncode == 2, result.stdout
    assert result.stdout == "" and result.stderr.count("\n") == 1
    for text in says:
        assert text in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("topology", ["gated", "ladder"])
def test_one_gated_cell_is_a_series_of_resistors(run_bitline, topology):
    result = studied(run_bitline, "--rows", "1", "--cols", "1", "--driver-ohm", "300", "--sense-ohm", "700", "--cells", "high",
                     "--set", "weights.subtraction=digital", "--topology", topology, "--active", "1")
    seen = 1 / result["target"][0][0] + 1000
    assert result["largest_column_current"] == pytest.approx(0.2 / seen, rel=1e-9)
    assert result["total_loss"] == pytest.approx(1000 / seen, rel=1e-9)


def test_gated_arrays_are_solved_to_the_tolerance(run_bitline):
    size = ["--rows", "32", "--cols", "32", *WIRED, "--topology", "gated"]
    fine, coarse = (studied(run_bitline, *size, "--tolerance", tolerance) for tolerance in ("1e-10", "1e-3"))
    assert fine["gated"]["bound"] <= 1e-10 < coarse["gated"]["bound"] <= 1e-3
    assert fine["gated"]["sweeps"] > coarse["gated"]["sweeps"]
    assert coarse["product_error"]["rms"] == pytest.approx(fine["product_error"]["rms"], rel=1e-2)


@pytest.mark.parametrize("topology", ["gated", "ladder"])
def test_rows_that_are_not_driven_are_not_there(run_bitline, topology):
    size = ["--rows", "32", "--cols", "32", *WIRED, "--topology", topology]
    few, many = (studied(run_bitline, *size, "--active", share) for share in ("0.1", "0.9"))
    assert 0 < few["product_error"]["rms"] < many["product_error"]["rms"]
    assert many == studied(run_bitline, *size, "--active", "0.9", "--seed", "0")


@pytest.mark.parametrize("arguments, says", [
    (["--topology", "mesh"], "none of crossbar, gated, ladder"),
    (["--topology", "gated", "--drive", "both"], "driven at one end"),
    (["--topology", "gated", "--active", "2"], "violates 0 < --active <= 1"),
    (["--topology", "gated", "--tolerance", "0"], "violates 0 < --tolerance <= 1"),
    (["--topology", "gated", "--tolerance", "nan"], "--tolerance = nan"),
    (["--topology", "ladder", "--tolerance", "1e-6"], "--tolerance is for --topology gated"),
])
def test_wrong_topologies_are_told(run_bitline, arguments, says):
    result = run_bitline(["wires", *WIRED, *arguments])
    assert result.returncode == 2 and says in result.stderr, result.stderr
