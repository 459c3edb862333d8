"""bitline.torch: layers on ideal chips are quantized PyTorch, training closes the gap, models travel."""

import copy
import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install bitline[torch]")
nn, F = torch.nn, torch.nn.functional


@pytest.fixture(scope="module")
def bt(bl):
    import bitline.torch

    torch.set_num_threads(1)
    return bitline.torch


@pytest.fixture(scope="module")
def noisy(bl):
    """Cells with errors when they are written and when they are read."""
    return bl.Architecture.preset(
        "default", cell={"programming_error": {"sigma": 0.05}, "read_noise": {"sigma": 0.02}}, adc={"noise_sigma": 0.3}
    )


@pytest.fixture(scope="module")
def samples(bl, digits):
    """(x, y) to train on and to test on."""

    def read(name):
        data = bl.open_dataset(str(digits / name))
        return torch.from_numpy(data.read(0, len(data))) / 16, torch.from_numpy(data.labels.copy()).long()

    return read("digits_calibration.h5"), read("digits.h5")


class Residual(nn.Module):
    """As torchvision's networks are written: modules, functions, a sum, a flattening."""

    def __init__(self, channels=8):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU())
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, groups=2)
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.fc = nn.Linear(4 * channels, 10)

    def forward(self, x):
        x = self.stem(x)
        y = self.conv2(F.relu(self.bn1(self.conv1(x))))
        x = F.relu(x + y)
        return self.fc(torch.flatten(F.max_pool2d(x, 4), 1))


def fit(model, data, epochs, rate=0.01, seed=0):
    x, y = data
    optimizer = torch.optim.Adam(model.parameters(), rate)
    order = torch.Generator().manual_seed(seed)
    model.train()
    for _ in range(epochs):
        for batch in torch.randperm(len(x), generator=order).split(32):
            optimizer.zero_grad()
            F.cross_entropy(model(x[batch]), y[batch]).backward()
            optimizer.step()
    return model


def accuracy(model, data, limit=None):
    x, y = data[0][:limit], data[1][:limit]
    with torch.no_grad():
        return float((model.eval()(x).argmax(1) == y).double().mean())


@pytest.fixture(scope="module")
def trained(samples):
    """A residual network, trained in float."""
    torch.manual_seed(0)
    return fit(Residual(), samples[0], 20)


# ------------------------------------------------------------------------------------------------- exact


def layer_cases():
    return {
        "linear": (nn.Linear(37, 11), (5, 37)),
        "linear of three axes": (nn.Linear(9, 4, bias=False), (2, 3, 9)),
        "linear of one axis": (nn.Linear(9, 4), (9,)),
        "conv2d": (nn.Conv2d(3, 7, 3), (2, 3, 9, 8)),
        "conv2d strided, padded": (nn.Conv2d(3, 6, (3, 2), stride=(2, 1), padding=(1, 2)), (2, 3, 9, 8)),
        "conv2d dilated": (nn.Conv2d(2, 5, 3, dilation=2, bias=False), (3, 2, 9, 9)),
        "conv2d groups": (nn.Conv2d(6, 9, 3, groups=3, padding=1), (2, 6, 5, 6)),
        "conv2d depthwise": (nn.Conv2d(8, 8, 3, groups=8, padding=1), (2, 8, 6, 6)),
        "conv2d same, even kernel": (nn.Conv2d(2, 3, (2, 4), padding="same"), (2, 2, 5, 6)),
        "conv2d valid": (nn.Conv2d(2, 3, 2, padding="valid"), (2, 2, 5, 6)),
        "conv2d without batch": (nn.Conv2d(2, 3, 3), (2, 6, 6)),
        "conv1d": (nn.Conv1d(3, 5, 4), (2, 3, 11)),
        "conv1d strided, groups": (nn.Conv1d(4, 6, 3, stride=2, padding=2, dilation=2, groups=2), (2, 4, 12)),
        "conv1d same": (nn.Conv1d(2, 3, 4, padding="same"), (2, 2, 9)),
    }


def reference(layer, x, bits):
    """The layer in whole numbers with PyTorch's own products: codes in double precision, float32 behind them."""
    limit = 2 ** (bits - 1) - 1
    w = layer.weight.detach()
    scale = (w.abs().flatten(1).amax(1) / limit)[(...,) + (None,) * (w.dim() - 1)]
    w_q = torch.round(w / scale).clamp(-limit, limit)
    low, high = min(float(x.min()), 0), max(float(x.max()), 0)
    step = torch.tensor((high - low) / (2**bits - 1), dtype=torch.float32)
    zero = round(-low / float(step))
    x_q = torch.round(x / step + zero).clamp(0, 2**bits - 1) - zero
    if isinstance(layer, nn.Linear):
        sums = F.linear(x_q.double(), w_q.double())
    else:
        plain = copy.deepcopy(layer).double()
        sums = plain._conv_forward(x_q.double(), w_q.double(), None)
    shape = (-1,) if isinstance(layer, nn.Linear) else (-1,) + (1,) * (w.dim() - 2)
    y = sums.float() * (step * scale.flatten()).view(shape)
    return y if layer.bias is None else y + layer.bias.detach().view(shape)


@pytest.mark.parametrize("bits", [8, 5])
@pytest.mark.parametrize("case", layer_cases())
def test_layer_on_ideal_chip_is_quantized_pytorch_to_the_bit(case, bits, bt):
    torch.manual_seed(1)
    layer, shape = layer_cases()[case]
    x = torch.randn(shape)
    x = x if bits == 8 else x.relu()
    analog = bt.convert(layer, "ideal", weight_bits=bits, input_bits=bits)
    bt.calibrate(analog, x)
    expected = reference(layer, x, bits)
    with torch.no_grad():
        y = analog.eval()(x)
    assert torch.equal(y, expected)
    assert torch.equal(analog.exact(x), expected)


def test_codes_clip_where_inputs_leave_the_calibrated_range(bt):
    layer = bt.convert(nn.Linear(1, 1, bias=False), "ideal", input_bits=4)
    bt.calibrate(layer, torch.tensor([[0.0], [1.5]]))
    y = layer.eval()(torch.tensor([[1.5], [9.0], [-3.0]])).detach()
    assert y[1] == y[0] != 0 and y[2] == 0


# ------------------------------------------------------------------------------------------------- gradients


def quantized(layer, x):
    """Weights and inputs as quantizers leave them."""
    from bitline.torch._layers import WeightCodes

    return WeightCodes.of(layer.weight, layer.crossbar.weight_bits).values(), layer.quantizer()(x)


@pytest.mark.parametrize("kind", ["linear", "conv2d groups", "conv1d strided, groups"])
def test_gradient_of_noise_is_pytorchs_own_for_the_same_noise(kind, bt):
    """y = f(x_q, w_q + n, b): PyTorch differentiates it by x_q, w_q and b with n as a constant."""
    torch.manual_seed(2)
    layer, shape = layer_cases()[kind]
    analog = bt.convert(layer, "ideal", hardware="noise", weight_noise=0.1, seed=9).train()
    x = torch.randn(shape).requires_grad_()
    y = analog(x)  # step 0
    up = torch.randn_like(y)
    y.backward(up)

    w_q, x_q = (v.detach().requires_grad_() for v in quantized(analog, x.detach()))
    bias = analog.bias.detach().requires_grad_()
    noise = analog.weight_noise(0)
    if isinstance(layer, nn.Linear):
        own = F.linear(x_q, w_q + noise, bias)
    else:
        conv = F.conv1d if isinstance(layer, nn.Conv1d) else F.conv2d
        own = conv(x_q, w_q + noise, bias, layer.stride, layer.padding, layer.dilation, layer.groups)
    own.backward(up)

    assert torch.equal(y, own)
    assert torch.equal(analog.weight.grad, w_q.grad)
    assert torch.equal(analog.bias.grad, bias.grad)
    assert torch.equal(x.grad, x_q.grad)  # the range covers the batch: nothing is clipped
    assert not torch.equal(noise, analog.weight_noise(1))


def test_noise_has_the_deviation_asked_for(bt):
    """200,000 numbers: four standard errors of mean and deviation are 0.9 % and 0.63 % of the deviation."""
    analog = bt.convert(nn.Linear(500, 400), "ideal", weight_noise=0.2, seed=4)
    noise = analog.weight_noise(3).double()
    deviation = 0.2 * float(quantized_weights(analog).abs().max())
    assert abs(float(noise.mean())) < 0.009 * deviation
    assert abs(float(noise.std()) / deviation - 1) < 0.0063


def quantized_weights(layer):
    from bitline.torch._layers import WeightCodes

    return WeightCodes.of(layer.weight, layer.crossbar.weight_bits).values()


def test_inputs_beyond_the_range_get_no_gradient(bt):
    layer = bt.convert(nn.Linear(3, 2), "ideal", hardware=None)
    bt.calibrate(layer, torch.tensor([[0.0, 0.5, 1.0]]))
    x = torch.tensor([[0.5, 1.7, -0.4]], requires_grad=True)
    layer.eval()(x).sum().backward()
    expected = quantized_weights(layer).sum(0)
    assert torch.allclose(x.grad[0], expected * torch.tensor([1.0, 0, 0]))


def test_device_multiplies_by_the_cells_of_the_steps_chip(bl, bt):
    """Perfect cells: as without hardware. Others: the chip's effective weights, another one in every step."""
    torch.manual_seed(3)
    layer, x = nn.Conv2d(4, 6, 3, groups=2), torch.rand(2, 4, 6, 6)
    plain = bt.convert(layer, "ideal", hardware=None).train()(x)
    same = bt.convert(layer, "ideal", hardware="device").train()
    assert torch.allclose(same(x), plain, atol=1e-5)

    cells = bl.Architecture.preset("default", cell={"programming_error": {"sigma": 0.1}}, adc={"bits": 4})
    analog = bt.convert(layer, cells, hardware="device", seed=5).train()
    first, second = analog(x), analog(x)
    again = bt.convert(layer, cells, hardware="device", seed=5).train()(x)
    assert torch.equal(first, again) and not torch.equal(first, second)
    error = (first - plain).std() / plain.std()
    assert 0.01 < float(error.detach()) < 0.5  # converters of 4 bits would lose far more
    first.sum().backward()
    (gradient,) = torch.autograd.grad(analog._product(analog.quantizer()(x), analog.weight).sum(), analog.weight)
    assert torch.allclose(analog.weight.grad, gradient, rtol=1e-4)


def test_full_is_the_chip_and_clipping_stops_gradients(bl, bt):
    torch.manual_seed(4)
    layer, x = nn.Linear(40, 6), torch.rand(8, 40)
    narrow = bl.Architecture.preset("default", adc={"bits": 3, "range": "fixed", "full_scale": 0.1})
    analog = bt.convert(layer, narrow, hardware="full", seed=6).train()
    y = analog(x)
    chip = analog._program(analog.network(), narrow, seed=bl._bitline.chip_seed(analog.seed, 0))
    np.testing.assert_array_equal(y.detach().numpy(), chip.run(x.numpy()))
    share = torch.from_numpy(chip.clipped_share(x.numpy(), 0))
    assert 0 < float(share.mean()) < 1
    up = torch.randn_like(y)
    y.backward(up)
    assert torch.allclose(analog.bias.grad, (up * (1 - share)).sum(0), atol=1e-5)
    wide = bt.convert(layer, "ideal", hardware="full").train()
    wide(x).backward(up)
    assert torch.allclose(wide.bias.grad, up.sum(0), atol=1e-5)


# ------------------------------------------------------------------------------------------------- models


def test_models_are_taken_as_they_are(bt, trained, samples, noisy):
    x = samples[1][0][:8]
    analog = bt.convert(trained, noisy, skip=["stem.0"], layer_bits={"fc": (4, 6)})
    assert dict(analog.named_parameters()).keys() == dict(trained.named_parameters()).keys()
    assert type(analog.stem[0]) is nn.Conv2d and isinstance(analog.conv1, nn.Conv2d)
    assert analog.fc.crossbar.weight_bits == 4 and analog.conv1.crossbar.weight_bits == 8
    assert type(trained.fc) is nn.Linear  # a copy was converted
    bt.calibrate(analog, [x])
    assert analog.eval()(x).shape == (8, 10)

    shared = nn.Linear(4, 4)
    twice = bt.convert(nn.Sequential(shared, nn.ReLU(), shared), "ideal")
    assert twice[0] is twice[2]
    inplace = nn.Sequential(nn.Linear(2, 2))
    assert bt.convert(inplace, "ideal", inplace=True) is inplace and isinstance(inplace[0], bt.CrossbarLinear)


def test_same_seed_same_bits_whatever_the_threads(bl, bt, trained, samples, noisy):
    x = samples[1][0][:12]

    def run(seed, trial=0, seconds=0.0):
        analog = bt.convert(trained, noisy, seed=seed)
        bt.calibrate(analog, samples[0][0][:32])
        bt.program(analog, trial=trial)
        bt.age(analog, seconds)
        with torch.no_grad():
            return analog.eval()(x)

    first = run(1)
    for threads in (1, 3):
        bl.set_threads(threads)
        assert torch.equal(run(1), first)
    bl.set_threads(0)
    assert not torch.equal(run(2), first) and not torch.equal(run(1, trial=1), first)


def test_reads_go_on_and_begin_anew_with_the_chip(bt, trained, samples, noisy):
    x = samples[1][0][:6]
    analog = bt.convert(trained, noisy)
    bt.calibrate(analog, samples[0][0][:32])
    with torch.no_grad():
        first, second = analog.eval()(x), analog(x)
        bt.program(analog)
        again = analog(x)
    assert torch.equal(first, again) and not torch.equal(first, second)


def test_age_is_that_of_the_device(bl, bt):
    """PCM at 1 day has lost (86400 s / 20 s)^-nu of its conductance, roughly a third."""
    chip = bl.Architecture.preset("default", device="pcm-nandakumar2019")
    analog = bt.convert(nn.Linear(60, 5, bias=False), chip)
    x = torch.rand(40, 60)
    bt.calibrate(analog, x)
    exact = analog.exact(x)

    def gain():
        with torch.no_grad():
            y = analog.eval()(x)
        return float((y * exact).sum() / (exact**2).sum())

    fresh = gain()
    bt.age(analog, 86400)
    assert gain() < 0.9 * fresh
    bt.age(analog, 0)
    assert abs(gain() - fresh) < 1e-12


def test_travelling(bt, trained, samples, noisy):
    """state_dict, torch.save, deepcopy and pickle keep chip, age, ranges and the place in the stream of noise."""
    x = samples[1][0][:6]
    analog = bt.convert(trained, noisy, seed=3)
    bt.calibrate(analog, samples[0][0][:32])
    bt.program(analog, trial=2)
    bt.age(analog, 100)
    with torch.no_grad():
        analog.eval()(x)
        copies = [copy.deepcopy(analog), pickle.loads(pickle.dumps(analog))]
        other = bt.convert(Residual(), noisy, seed=3)
        stream = __import__("io").BytesIO()
        torch.save(analog.state_dict(), stream)
        stream.seek(0)
        other.load_state_dict(torch.load(stream, weights_only=True))
        copies.append(other.eval())
        expected = analog(x)
        for one in copies:
            assert torch.equal(one(x), expected)
    plain = bt.convert(Residual(), noisy)
    plain.load_state_dict(trained.state_dict())  # of the model before it was converted
    assert torch.equal(plain.conv1.weight, trained.conv1.weight)


def test_restore_gives_the_plain_model_with_what_was_learned(bt, trained, samples):
    analog = fit(bt.convert(trained, "ideal"), (samples[0][0][:32], samples[0][1][:32]), 1)
    plain = bt.restore(analog)
    assert [type(m) for m in plain.modules()] == [type(m) for m in trained.modules()]
    assert vars(plain.fc).keys() == vars(trained.fc).keys()
    assert torch.equal(plain.fc.weight, analog.fc.weight) and not torch.equal(plain.fc.weight, trained.fc.weight)
    plain.eval()(samples[1][0][:2])
    assert isinstance(analog.fc, bt.CrossbarLinear)


def test_calibrated_converters_need_samples(bl, bt, trained, samples):
    chip = bl.Architecture.preset("default", adc={"bits": 6, "range": "calibrated"})
    analog = bt.convert(trained, chip, calibration_samples=8)
    bt.calibrate(analog, [(samples[0][0][:16], samples[0][1][:16])])
    assert analog.eval()(samples[1][0][:4]).shape == (4, 10)
    with pytest.raises(bl.RunError, match="calibrate"):
        analog.conv1(torch.rand(1, 8, 5, 5))
    fit(analog, (samples[0][0][:32], samples[0][1][:32]), 1)  # training keeps samples too
    assert len(analog.fc._samples) == 8


def test_summary(bt, trained, samples, noisy):
    analog = bt.convert(trained, noisy)
    bt.calibrate(analog, samples[0][0][:32])
    summary = bt.analog_summary(analog, (samples[1][0][:50], samples[1][1][:50]))
    names = [layer["name"] for layer in summary.layers]
    assert names == ["stem.0", "conv1", "conv2", "fc"]
    assert summary.arrays > 0 and all(5 < layer["sqnr_db"] < 60 for layer in summary.layers)
    assert summary.gap == pytest.approx(summary.real - summary.chip)
    assert "conv/2" in str(summary) and "points" in str(summary) and "<table>" in summary._repr_html_()
    ideal = bt.convert(trained, "ideal")
    bt.calibrate(ideal, samples[0][0][:32])
    assert "exact" in str(bt.analog_summary(ideal, samples[1][0][:4]))


# ------------------------------------------------------------------------------------------------- the gap


def test_training_with_noise_closes_the_gap(bl, bt, trained, samples):
    """Digits on cells with errors of 8 % of G_max: mean over 200 samples on three chips that training never met.

    The chips lose more than 8 points of the float accuracy; after training at most three quarters of that.
    """
    cells = bl.Architecture.preset("default", cell={"programming_error": {"sigma": 0.08}})
    analog = bt.convert(trained, cells, hardware="noise", weight_noise=0.1, seed=1, calibration_samples=16)
    bt.calibrate(analog, samples[0][0])

    def on_chips():
        shares = []
        for trial in (1, 2, 3):
            bt.program(analog, trial=trial)
            shares.append(accuracy(analog, samples[1], 200))
        return sum(shares) / len(shares)

    real, before = accuracy(trained, samples[1], 200), on_chips()
    fit(analog, samples[0], 20, 0.01)
    assert real > 0.9
    assert real - before > 0.08
    assert real - on_chips() < 0.75 * (real - before)


# ------------------------------------------------------------------------------------------------- export


def test_network_has_the_integers_of_the_layers(bl, bt, trained, samples):
    pytest.importorskip("onnx")
    x = samples[1][0][:64]
    for bits in (8, 5):
        ideal = bt.convert(trained, "ideal", weight_bits=bits, input_bits=bits)
        bt.calibrate(ideal, samples[0][0])
        network = bt.to_network(ideal, x[:1])
        assert [layer["weight_bits"] for layer in network.layers if layer["mapped"]] == [bits] * 4
        with torch.no_grad():
            expected = ideal.eval()(x)
        # float32 between the layers is not PyTorch's to the bit, and may move a code
        made = torch.from_numpy(network.run(x.numpy()))
        assert float((made - expected).abs().max()) < 0.02 * float(expected.abs().max())
        assert bool((made.argmax(1) == expected.argmax(1)).double().mean() > 0.95)
    mlp = nn.Sequential(nn.Linear(64, 20), nn.ReLU(), nn.Linear(20, 10))
    analog = bt.convert(mlp, "ideal")
    flat = x.flatten(1)
    bt.calibrate(analog, flat)
    made = bt.to_network(analog, flat[:1])
    with torch.no_grad():
        np.testing.assert_array_equal(made.run(flat.numpy()), analog.eval()(flat).numpy())
    result = bl.simulate(bl.map_network(made, bl.Architecture.preset("ideal")), (flat.numpy(), samples[1][1][:64].numpy()))
    assert result.ideal_unequal == 0


# ------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda bt: bt.convert(nn.ReLU(), "ideal"), "no Linear, Conv1d or Conv2d layer"),
        (lambda bt: bt.convert("model", "ideal"), "expected a torch.nn.Module"),
        (lambda bt: bt.convert(nn.Linear(2, 2), "ideel"), "ideal"),
        (lambda bt: bt.convert(nn.Linear(2, 2), 3), "expected a bitline.Architecture"),
        (lambda bt: bt.convert(nn.Linear(2, 2), "ideal", hardware="some"), "none of noise, device, full, None"),
        (lambda bt: bt.convert(nn.Linear(2, 2), "ideal", weight_bits=1), "weight_bits = 1 violates"),
        (lambda bt: bt.convert(nn.Linear(2, 2), "ideal", input_bits=17), "input_bits = 17 violates"),
        (lambda bt: bt.convert(nn.Linear(2, 2), "ideal", weight_noise=float("nan")), "weight_noise = nan violates"),
        (lambda bt: bt.convert(nn.Linear(2, 2), "ideal", ages=(5, 1)), "ages = 5 violates"),
        (lambda bt: bt.convert(nn.Linear(2, 2), "ideal", seed=-1), "seed = -1 violates"),
        (lambda bt: bt.convert(nn.Linear(2, 2), "ideal", skip=["fc"]), "no layer 'fc'"),
        (lambda bt: bt.convert(nn.Linear(2, 2).double(), "ideal"), "violate torch.float32"),
        (lambda bt: bt.convert(nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular"), "ideal"), "circular"),
        (lambda bt: bt.convert(bt.convert(nn.Linear(2, 2), "ideal"), "ideal"), "converted already"),
        (lambda bt: bt.restore(nn.Linear(2, 2)), "no crossbar layers"),
        (lambda bt: bt.age(bt.convert(nn.Linear(2, 2), "ideal"), -1), "seconds = -1 violates"),
        (lambda bt: bt.program(bt.convert(nn.Linear(2, 2), "ideal"), trial=-1), "trial = -1 violates"),
        (lambda bt: bt.calibrate(bt.convert(nn.Linear(2, 2), "ideal"), []), "no sample reached"),
        (lambda bt: bt.convert(nn.Linear(2, 2), "ideal").train()(torch.ones(3, 5)), "violate (..., 2)"),
        (lambda bt: bt.convert(nn.Conv2d(2, 2, 1), "ideal").train()(torch.ones(3, 5)), "violate (samples, 2, height"),
        (lambda bt: bt.convert(nn.Linear(2, 2), "ideal").train()(torch.tensor([[1, float("nan")]])), "NaN"),
        (lambda bt: bt.convert(nn.Linear(2, 2), "ideal").train()(torch.ones(1, 2).long()), "violate real numbers"),
    ],
)
def test_bad_input_is_told(make, message, bl, bt):
    with pytest.raises(bl.ConfigError) as caught:
        make(bt)
    assert message in str(caught.value)


def test_layers_without_a_range_say_so(bl, bt):
    with pytest.raises(bl.RunError, match="calibrate"):
        bt.convert(nn.Linear(2, 2), "ideal").eval()(torch.ones(1, 2))
