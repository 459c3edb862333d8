"""bitline device: what cells are at every state, over time."""

import csv
import json

import pytest


def sampled(run_bitline, *arguments):
    result = run_bitline(["device", *arguments, "--json", "-"])
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_follows_the_stated_law(run_bitline):
    ages = "0,20s,1h,1d"
    settings = ["cell.programming_error.model=none", "cell.drift.deviation.polynomial=[0]", "cell.drift.deviation.log_slope=0",
                "cell.drift.deviation.low=0"]
    result = sampled(run_bitline, "pcm-nandakumar2019", "--age", ages, "--cells", "50", *[x for s in settings for x in ("--set", s)])
    assert [age["age"] for age in result["ages"]] == [0, 20, 3600, 86400]
    for age in result["ages"]:
        top = age["states"][-1]
        expected = 25e-6 * max(1, age["age"] / 20) ** -0.049
        assert top["mean"] == pytest.approx(expected, abs=4e-9) and top["deviation"] < 1e-12
        assert top["low"] == top["median"] == top["high"] == pytest.approx(expected, abs=4e-9)
    assert result["ages"][0]["states"][-1]["read_deviation"] == 0 < result["ages"][3]["states"][-1]["read_deviation"]


def test_writes_what_it_shows(run_bitline, tmp_path):
    result = run_bitline(["device", "rram-wan2022", "--age", "0,1d,1y", "--bits", "2", "--csv", "curves.csv"], cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "n/a at 1 y: the model of rram-wan2022 has data up to 172800 s" in result.stdout
    rows = list(csv.DictReader(open(tmp_path / "curves.csv", encoding="utf-8")))
    assert len(rows) == 8 and {row["age_s"] for row in rows} == {"0", "86400"}
    for row in rows:
        mean, deviation = 1e6 * float(row["mean_S"]), 1e6 * float(row["deviation_S"])
        assert f"{mean:.3f} \u00b1{deviation:.3f}" in result.stdout
        assert float(row["low_S"]) <= float(row["median_S"]) <= float(row["high_S"])


def test_same_seed_same_cells(run_bitline):
    one, two = (sampled(run_bitline, "pcm-hermes-one", "--seed", "3") for _ in range(2))
    assert one == two != sampled(run_bitline, "pcm-hermes-one", "--seed", "4")


@pytest.mark.parametrize(("arguments", "says"), [
    (["pcm-hermes"], ["pcm-hermes-one"]),
    (["mram-jung2022"], ["cell.retention.tau", "--set"]),
    (["rram-wan2022", "--age", "1y"], ["no age is covered", "172800 s"]),
    (["rram-wan2022", "--bits", "9"], ["--bits = 9"]),
    (["rram-wan2022", "--cells", "1"], ["--cells = 1"]),
    (["rram-wan2022", "--age", "1x"], ["--age", "1x"]),
    (["flash-guo2017", "--temperature", "400", "--set", "cell.g_min=1uS", "--set", "cell.g_max=9uS", "--set",
      "cell.valid.time=[0, 1e6]"], ["--temperature", "298.15 to 358.15 K"]),
    (["rram-wan2022", "--csv", "no/such/folder/x.csv"], ["no/such/folder"]),
    (["rram-wan2022", "--csv", "x", "--json", "x"], ["x"]),
    ([], ["DEVICE"]),
])
def test_wrong_input(run_bitline, tmp_path, arguments, says):
    result = run_bitline(["device", *arguments], cwd=tmp_path)
    assert result.returncode == 2, result.stdout
    assert result.stderr.startswith("bitline: error: ") and result.stderr.count("\n") == 1
    for text in says:
        assert text in result.stderr
    assert list(tmp_path.iterdir()) == []
