"""bitline fit: switching laws from measured pulses."""

import json
import xml.etree.ElementTree

import pytest


@pytest.fixture(scope="module")
def devices(root):
    return root / "examples" / "devices"


def fitted(run_bitline, *arguments, cwd=None):
    result = run_bitline(["fit", *arguments, "--json", "-"], cwd=cwd)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_finds_the_stated_law_of_the_example_again(run_bitline, devices):
    fit = fitted(run_bitline, devices / "pulses.csv", "--law", "exponential")
    truth = {"label_up": 2.4, "label_down": 4.9, "g_min": 3e-6, "g_max": 40e-6, "cycle_sigma": 0.2, "read_sigma": 20e-9}
    for name, value in truth.items():
        found = fit["parameters"][name]
        assert found["determined"], name
        assert abs(found["value"] - value) < 4 * found["error"], (name, found)
    assert fit["cycle_noise"] == "step"
    assert fit["readings"] == 514 and fit["devices"] == 2 and fit["r_squared"] > 0.99
    assert 0 < fit["pulse_rms"] < fit["curve_rms"]


def test_chooses_a_law_and_shows_every_one(run_bitline, devices):
    result = run_bitline(["fit", devices / "pulses.csv"])
    assert result.returncode == 0, result.stderr
    for text in ("exponential", "soft_bounds", "exp_step", "BIC", "label_up", "std error", "residual", "R^2", "nonlinearity"):
        assert text in result.stdout, text
    assert "vteam" not in result.stdout
    fit = fitted(run_bitline, devices / "pulses.csv")
    bic = [law["bic"] for law in fit["laws"]]
    assert len(bic) == 7 and bic == sorted(bic) and fit["law"] == fit["laws"][0]["law"]
    assert "table_up[0]" in next(law for law in fit["laws"] if law["law"] == "piecewise")["parameters"]


def test_writes_a_device_that_a_chip_can_be_made_of(run_bitline, devices, digits, tmp_path):
    result = run_bitline(["fit", devices / "pulses.csv", "--law", "exponential", "-o", "device.yaml", "--plot", "fit.svg",
                          "--csv", "curve.csv"], cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    command = ["simulate", digits / "digits_cnn.onnx", "--arch", "device.yaml", "--data", digits / "digits.h5", "--limit", 4,
               "--json", "-"]
    done = run_bitline([*command, "--set", "cell.write_verify.tolerance=2%"], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    written = json.loads(done.stdout)["trials"][0]["programming"]["write_verify"]
    assert written["pulses_up"] > 0 and written["reads"] > written["pulses_up"]
    # Another tolerance must be felt: keys of the loop are not ignored.
    loose = run_bitline([*command, "--set", "cell.write_verify.tolerance=20%"], cwd=tmp_path)
    assert json.loads(loose.stdout)["trials"][0]["programming"]["write_verify"]["pulses_up"] < written["pulses_up"]

    picture = xml.etree.ElementTree.parse(tmp_path / "fit.svg").getroot()
    space = "{http://www.w3.org/2000/svg}"
    assert len(picture.findall(f"{space}circle")) == 2 + 514  # legend and readings
    assert len(picture.findall(f"{space}polyline")) == 2
    rows = (tmp_path / "curve.csv").read_text().splitlines()
    assert rows[0] == "device,pulse,direction,measured,fitted" and len(rows) == 515
    for row in rows[1:]:
        device, pulse, direction, measured, fit = row.split(",")
        assert abs(float(measured) - float(fit)) < 10e-6


@pytest.mark.parametrize("name", ["reram_exp_step", "ecram_linear_step", "capacitor_linear_step", "pcm_exp_step", "idealized"])
def test_published_laws_are_architectures(run_bitline, devices, digits, name):
    result = run_bitline(["map", digits / "digits_cnn.onnx", "--arch", devices / f"switching_{name}.yaml", "--json", "-"])
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["fits"] is True


def test_a_window_that_is_given_is_kept(run_bitline, devices):
    fit = fitted(run_bitline, devices / "pulses.csv", "--law", "soft_bounds", "--g-min", "3uS", "--g-max", "41uS")
    assert fit["g_min"] == 3e-6 and fit["g_max"] == 41e-6
    assert "g_min" not in fit["parameters"]


def test_vteam_takes_what_is_known(run_bitline, devices):
    known = ["v_on=-0.7", "v_off=0.5", "alpha_on=2"]
    settings = [word for text in known for word in ("--set", f"cell.switching.vteam.{text}")]
    settings += ["--set", "cell.switching.voltage_up=-1.1", "--set", "cell.switching.voltage_down=900mV"]
    fit = fitted(run_bitline, devices / "pulses.csv", "--law", "vteam", *settings)
    assert fit["parameters"]["vteam.k_on"]["value"] < 0 < fit["parameters"]["vteam.k_off"]["value"]


HEADER = "pulse,conductance\n"
ROWS = "".join(f"{i},{i + 1}e-6\n" for i in range(10))
BAD = {
    "empty": ("", ["p.csv", "empty"]),
    "no_column": ("pulse,direction\n0,up\n", ["p.csv:1", "expected are pulse,conductance"]),
    "misspelled": ("pulse,conductanc\n", ["p.csv:1", "nearest to 'conductanc' is conductance"]),
    "nan": (HEADER + ROWS + "10,nan\n", ["p.csv:12", "conductance = nan"]),
    "text": (HEADER + ROWS + "10,high\n", ["p.csv:12", "conductance = high"]),
    "few": (HEADER + "0,1e-6\n1,2e-6\n", ["2 readings", "at least 8"]),
    "falls": (HEADER + ROWS + "4,1e-6\n", ["p.csv:12", "must rise"]),
    "unit": (HEADER + ROWS + "10,25\n", ["p.csv:12", "25e-6"]),
    "turns": (HEADER + ROWS + "".join(f"{10 + i},{10 - i}e-6\n" for i in range(10)), ["column direction"]),
    "ragged": (HEADER + ROWS + "10\n", ["p.csv:12", "1 values"]),
    "binary": (HEADER + "\x00\x01,\x02\n", ["p.csv:2"]),
}


@pytest.mark.parametrize("name", BAD)
def test_a_wrong_file_is_told_where_and_why(run_bitline, tmp_path, name):
    text, says = BAD[name]
    (tmp_path / "p.csv").write_text(text)
    result = run_bitline(["fit", "p.csv", "-o", "device.yaml", "--plot", "fit.svg"], cwd=tmp_path)
    refused(result, says)
    assert [path.name for path in tmp_path.iterdir()] == ["p.csv"]


WRONG = {
    "missing": (["missing.csv"], ["missing.csv"]),
    "law": (["@", "--law", "expo"], ["--law = expo", "nearest is"]),
    "window": (["@", "--g-min", "5uS", "--g-max", "4uS"], ["g_min"]),
    "not_a_number": (["@", "--g-min", "few"], ["--g-min = few"]),
    "vteam_bare": (["@", "--law", "vteam"], ["vteam", "v_on"]),
    "set_of_another_law": (["@", "--law", "linear", "--set", "cell.switching.vteam.v_on=-1"], ["no effect", "vteam"]),
    "set_of_what_is_fitted": (["@", "--set", "cell.switching.step_up=0.1"], ["beforehand"]),
    "set_misspelled": (["@", "--law", "vteam", "--set", "cell.switching.vteam.v_onn=-1"], ["nearest is"]),
    "same_output": (["@", "-o", "x.out", "--plot", "x.out"], ["x.out"]),
    "over_input": (["@", "-o", "@"], ["pulses.csv"]),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_options(run_bitline, devices, tmp_path, name):
    arguments, says = WRONG[name]
    arguments = [str(devices / "pulses.csv") if word == "@" else word for word in arguments]
    refused(run_bitline(["fit", *arguments], cwd=tmp_path), says)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("settings, says", [
    (["cell.switching.law=linear"], ["has no effect", "cell.write_verify.method = pulses"]),
    (["cell.write_verify.method=pulses", "cell.switching.step_up=0.1"], ["has no effect", "cell.switching.law"]),
    (["cell.write_verify.method=pulses", "cell.switching.law=vteam"], ["v_on"]),
    (["cell.write_verify.method=pulses", "cell.switching.law=piecewise", "cell.switching.table_up=[1]"], ["at least 2"]),
    (["cell.write_verify.method=statistical", "cell.write_verify.start=high"], ["has no effect"]),
])
def test_keys_without_effect_are_refused(run_bitline, digits, settings, says):
    command = ["map", digits / "digits_cnn.onnx", "--arch", "default", "--set", "cell.programming_error.sigma=0"]
    for setting in settings:
        command += ["--set", setting]
    refused(run_bitline(command), says)


def test_the_loop_replaces_the_programming_error(run_bitline, digits):
    command = ["map", digits / "digits_cnn.onnx", "--arch", "default", "--set", "cell.write_verify.method=statistical"]
    refused(run_bitline(command), ["cell.programming_error", "no effect"])


def refused(result, says):
    assert result.returncode == 2, result.stdout + result.stderr
    assert result.stderr.startswith("bitline: error: ") and result.stderr.count("\n") == 1
    for text in says:
        assert text in result.stderr, result.stderr
    assert result.stdout == ""
