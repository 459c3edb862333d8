"""Bad arrays, many threads, fork and Ctrl-C: right answers or exceptions, never a crash or a hang."""

import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest


@pytest.fixture(scope="module")
def chip(bl, digits):
    changes = {"programming_error": {"sigma": 0.05}, "read_noise": {"sigma": 0.05}}
    architecture = bl.Architecture.preset("default", cell=changes)
    mapping = bl.map_network(bl.read_network(digits / "digits_cnn.onnx"), architecture)
    return bl.program(mapping, calibration=str(digits / "digits_calibration.h5"))


@pytest.fixture(scope="module")
def x(bl, digits):
    return bl.open_dataset(str(digits / "digits.h5")).read(0, 24)


@pytest.fixture(scope="module")
def expected(chip, x):
    return chip.run(x)


class OnlyDlpack:
    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


class OnlyArray:
    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return np.array(self.array, dtype=dtype)


def read_only(x):
    view = x.copy()
    view.setflags(write=False)
    return view


LAYOUTS = {
    "float64": lambda x: x.astype(np.float64),
    "float16": lambda x: x.astype(np.float16),  # whole numbers up to 16
    "uint8": lambda x: x.astype(np.uint8),
    "big endian": lambda x: x.astype(">f4"),
    "read-only": read_only,
    "reversed view": lambda x: x[::-1].copy()[::-1],
    "Fortran order": np.asfortranarray,
    "every second column of twice as many": lambda x: np.repeat(x, 2, axis=3)[..., ::2],
    "unaligned": lambda x: np.frombuffer(b"!" + x.tobytes(), np.float32, offset=1).reshape(x.shape),
    "flat": lambda x: x.reshape(len(x), -1),
    "list": lambda x: x.tolist(),
    "memoryview": memoryview,
    "DLPack": OnlyDlpack,
    "__array__": OnlyArray,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_array_of_the_same_numbers_gives_the_same(layout, chip, x, expected):
    given = LAYOUTS[layout](x)
    np.testing.assert_array_equal(chip.run(given), expected)
    np.testing.assert_array_equal(chip.run(given), expected)


def with_number(x, value):
    bad = x.copy()
    bad[3, 0, 2, 5] = value
    return bad


BAD = {
    "NaN": (lambda x: with_number(x, np.nan), "sample 3 holds nan at element 21"),
    "infinite": (lambda x: with_number(x, -np.inf), "sample 3 holds -inf at element 21"),
    "beyond float32": (lambda x: with_number(x.astype(float), 1e300), "sample 3 holds inf"),
    "complex": (lambda x: x.astype(complex), "complex128 violate real numbers"),
    "text": (lambda x: "digits", "violate real numbers"),
    "objects": (lambda x: np.array([[object()] * 64]), "violate real numbers"),
    "dates": (lambda x: np.zeros((2, 64), "datetime64[s]"), "violate real numbers"),
    "None": (lambda x: None, "violate real numbers"),
    "ragged": (lambda x: [[1, 2], [3]], "no array of numbers"),
    "number": (lambda x: 3.0, r"shape \(\) violates"),
    "one sample": (lambda x: x[0], r"x\[None\]"),
    "one flat sample": (lambda x: x[0].ravel(), r"x\[None\]"),
    "too many columns": (lambda x: np.zeros((2, 1, 8, 9)), "1x8x9"),
    "other order": (lambda x: np.zeros((2, 8, 2, 4)), "shape"),
    "no elements": (lambda x: np.zeros((2, 0)), "shape"),
}


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
@pytest.mark.parametrize("case", BAD)
def test_bad_arrays_are_told(case, bl, chip, x, expected):
    make, message = BAD[case]
    for run in (chip.run, chip.mapping.network.run):
        with pytest.raises(bl.ConfigError, match=message):
            run(make(x))
    np.testing.assert_array_equal(chip.run(x), expected)


@pytest.mark.parametrize("labels", [[1.5], [-1], [2**40], [[1]], ["a"], [1, 2], [10]])
def test_bad_labels_are_told(bl, chip, labels):
    with pytest.raises(bl.ConfigError):
        bl.simulate(chip.mapping, (np.zeros((1, 64)), labels))


def test_no_samples_give_no_outputs(chip):
    assert chip.run(np.zeros((0, 1, 8, 8), np.float32)).shape == (0, 10)


def test_sample_numbers_end_where_noise_is_numbered(bl, chip, x):
    chip.run(x[:1], first_sample=2**32 - 1)
    for first in (-1, 2**32, 2**62):
        with pytest.raises(bl.ConfigError, match="first_sample"):
            chip.run(x[:1], first_sample=first)


def test_results_outlive_what_they_came_from(bl, digits, x):
    mapping = bl.map_network(bl.read_network(digits / "digits_cnn.onnx"), bl.Architecture.preset("isaac"))
    chip = bl.program(mapping)
    output, layer, copied = chip.run(x), mapping.layers[0], chip.run(x).copy()
    aged = chip.age(10)
    del mapping, chip
    gc.collect()
    assert layer.name == "conv1"
    np.testing.assert_array_equal(output, copied)
    np.testing.assert_array_equal(aged.run(x), aged.age(10).run(x))


def test_dataset_keeps_its_array_alive(bl, chip):
    data = bl.Dataset(np.random.default_rng(1).integers(0, 17, (50, 64)).astype(np.float32), np.arange(50) % 10)
    gc.collect()
    first = bl.simulate(chip.mapping, data, seed=1)
    assert bl.simulate(chip.mapping, data, seed=1).agreement == first.agreement


def test_float32_samples_are_used_where_they_lie(bl):
    """The data set sees what is written to the array afterwards, so it holds no copy."""
    samples = np.zeros((4, 64), np.float32)
    data = bl.Dataset(samples)
    samples[2, 5] = 7
    assert data.read(2, 1)[0, 5] == 7


def test_threads_share_a_chip(bl, chip, x, expected):
    """Runs, ages and simulations side by side, with garbage collection in between."""
    failures = []
    aged = chip.age(100).run(x)

    def work(number):
        try:
            for round_ in range(12):
                part = slice(number, None)
                np.testing.assert_array_equal(chip.run(x[part], first_sample=number), expected[part])
                if round_ % 6 == 0:
                    np.testing.assert_array_equal(chip.age(100).run(x), aged)
                    bl.simulate(chip.mapping, (x, np.zeros(len(x), int)), seed=number)
                if round_ % 4 == 0:
                    gc.collect()
        except BaseException as error:
            failures.append(error)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert not failures and not any(worker.is_alive() for worker in workers)


@pytest.fixture
def run_python(bl, digits):
    """run_python(CODE, **subprocess options) -> Popen, with the package importable, in the digits' folder."""

    def run(code, **options):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", textwrap.dedent(code)]
        return subprocess.Popen(
            command, cwd=digits, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
        )

    return run


def test_forked_children_give_the_same_answers(run_python):
    """After work on many threads, which a child of fork() does not have; its exit runs every destructor."""
    code = """
        import os, sys, warnings
        import numpy as np, bitline as bl
        warnings.simplefilter("ignore")
        bl.set_threads(3)
        mapping = bl.map_network(bl.read_network("digits_cnn.onnx"), bl.Architecture.preset("isaac"))
        chip = bl.program(mapping)
        x = bl.open_dataset("digits.h5").read(0, 64)
        expected = chip.run(x)
        children = []
        for trial in range(3):
            child = os.fork()
            if child == 0:
                assert np.array_equal(chip.run(x), expected)
                assert np.array_equal(bl.program(mapping).run(x), expected)
                assert bl.threads() == 1
                try:
                    bl.set_threads(2)
                except bl.ConfigError:
                    sys.exit(7)
                sys.exit(1)
            children.append(child)
        assert np.array_equal(chip.run(x), expected)
        print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
    """
    process = run_python(code)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (0, "[7, 7, 7]\n"), err


def test_control_c_stops_a_long_call_and_the_process_goes_on(run_python):
    code = """
        import numpy as np, bitline as bl
        mapping = bl.map_network(bl.read_network("digits_cnn.onnx"), bl.Architecture.preset("default"))
        data = bl.open_dataset("digits.h5")
        print("ready", flush=True)
        try:
            bl.simulate(mapping, data, trials=100000)
        except KeyboardInterrupt:
            print("stopped", flush=True)
        print(bl.simulate(mapping, (data.read(0, 5), data.labels[:5])).samples, flush=True)
    """
    process = run_python(code, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    try:
        assert process.stdout.readline() == "ready\n"
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (0, "stopped\n5\n"), err
    finally:
        process.kill()


def test_signal_handler_that_does_not_raise_stops_nothing(bl, chip):
    seen = []
    before = signal.signal(signal.SIGALRM, lambda *_: seen.append(True))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        samples = np.zeros((600, 64), np.float32)
        result = bl.simulate(chip.mapping, (samples, np.zeros(600, int)), trials=3)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert seen and result.samples == 600


def test_progress_that_raises_ends_the_run_with_its_exception(bl, chip):
    class Enough(Exception):
        pass

    def tell(stage, done, total):
        raise Enough(stage)

    with pytest.raises(Enough):
        bl._bitline.simulate(chip.mapping, (np.zeros((500, 64)), np.zeros(500, int)), trials=10000, progress=tell)
    assert chip.run(np.zeros((1, 64))).shape == (1, 10)


def test_other_threads_run_while_a_simulation_does(bl, chip):
    """The interpreter's lock is free: a counter goes on."""
    count, stop = [0], threading.Event()

    def counting():
        while not stop.is_set():
            count[0] += 1
            time.sleep(0.001)

    worker = threading.Thread(target=counting)
    worker.start()
    started = time.monotonic()
    bl.simulate(chip.mapping, (np.zeros((400, 64)), np.zeros(400, int)), trials=3)
    seconds, counted = time.monotonic() - started, count[0]
    stop.set()
    worker.join()
    assert counted > 20 * min(seconds, 1)


def test_progress_is_told_in_order(bl, chip):
    told = []
    samples = (np.zeros((400, 64)), np.zeros(400, int))
    bl._bitline.simulate(chip.mapping, samples, trials=3, progress=lambda *one: told.append(one))
    assert told and [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert told[-1][1] <= told[-1][2] == 400 * 4 and told[-1][0].startswith("trial 3/3")


def test_progress_bar_goes_to_standard_error(bl, chip, capsys):
    bl.simulate(chip.mapping, (np.zeros((400, 64)), np.zeros(400, int)), trials=2, progress=True)
    assert "samples" in capsys.readouterr().err
    bl.simulate(chip.mapping, (np.zeros((10, 64)), np.zeros(10, int)))
    assert capsys.readouterr().err == ""
