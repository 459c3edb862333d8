"""The models and data of the shared folder (its README.md says where each comes from)."""

import gzip
import lzma
from dataclasses import dataclass

import numpy as np

IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], np.float32).reshape(3, 1, 1)
IMAGENET_STD = np.array([0.229, 0.224, 0.225], np.float32).reshape(3, 1, 1)
KWS_SCALE, KWS_ZERO_POINT = 0.58470290899, 83


@dataclass(frozen=True)
class RealModel:
    file: str
    data: str  # cifar10, mnist or kws01: the test set; empty where there is none
    preprocess: str  # as the command line takes it
    accuracy: float  # measured elsewhere on the whole test set (models/EXPECTED.csv); 0 without data


KWS_PREPROCESS = f"scale={KWS_SCALE},mean={KWS_ZERO_POINT * KWS_SCALE},std=1"
MODELS = {
    "ic_resnet8": RealModel("ic_resnet8_int8_qdq.onnx", "cifar10", "raw", 0.8709),
    "kws_dscnn": RealModel("kws_dscnn_int8_qdq.onnx", "kws01", KWS_PREPROCESS, 0.902),
    "vww_mobilenetv1": RealModel("vww_mobilenetv1_int8_qdq.onnx", "", "raw", 0),
    "ad_autoencoder": RealModel("ad_autoencoder_int8_qdq.onnx", "", "raw", 0),
    "tfc": RealModel("TFC_1W1A_mnist.onnx", "mnist", "unit", 0.9296),
    "cnvW1A1": RealModel("cnvW1A1_cifar10_qonnx.onnx", "cifar10", "raw", 0.7923),
    "cnvW2A2": RealModel("cnvW2A2_cifar10_qonnx.onnx", "cifar10", "raw", 0.8431),
    "resnet8_float": RealModel("ic_resnet8_fp32.onnx", "cifar10", "raw", 0.8721),
    "resnet20_float": RealModel("resnet20_cifar10_fp32.onnx", "cifar10", "imagenet", 0.9065),
    "mnist_float": RealModel("mnist-8.onnx", "mnist", "raw", 0.9891),
}


def model_path(folder, name):
    return folder / "models" / MODELS[name].file


def data_spec(folder, name, train=False):
    """The data set of a model as the command line takes it."""
    kind = MODELS[name].data
    if kind == "cifar10":
        return f"cifar10:{folder}/cifar-10/{'data_batch_1' if train else 'test_batch'}.bin.xz"
    if kind == "mnist":
        part = "train" if train else "t10k"
        return f"idx:{folder}/mnist/{part}-images-idx3-ubyte.gz,{folder}/mnist/{part}-labels-idx1-ubyte.gz"
    return f"raw:{folder}/kws01/kws01_x_int8_1000x490.bin,{folder}/kws01/kws01_y_uint8_1000.bin,int8,1x49x10"


def _cifar10(folder, samples):
    with lzma.open(folder / "cifar-10" / "test_batch.bin.xz") as file:
        records = np.frombuffer(file.read(samples * 3073), np.uint8).reshape(samples, 3073)
    return records[:, 1:].reshape(samples, 3, 32, 32), records[:, 0]


def _mnist(folder, samples):
    with gzip.open(folder / "mnist" / "t10k-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(16 + samples * 784)[16:], np.uint8).reshape(samples, 1, 28, 28)
    with gzip.open(folder / "mnist" / "t10k-labels-idx1-ubyte.gz") as file:
        return images, np.frombuffer(file.read(8 + samples)[8:], np.uint8)


def _kws01(folder, samples):
    x = np.fromfile(folder / "kws01" / "kws01_x_int8_1000x490.bin", np.int8).reshape(-1, 1, 49, 10)
    return x[:samples], np.fromfile(folder / "kws01" / "kws01_y_uint8_1000.bin", np.uint8)[:samples]


def _drawn_figure(random):
    """A head, hair and a body before a plain wall, with noise: the person detector decides either way on these."""
    y, x = np.mgrid[:96, :96]
    size, middle, top = random.uniform(0.6, 1.6), random.uniform(30, 66), random.uniform(15, 40)
    image = np.broadcast_to(random.random((3, 1, 1)), (3, 96, 96)).copy()
    skin = np.array([0.8, 0.6, 0.5]) * random.uniform(0.4, 1.2)
    for colour, down, width, height in [(random.random(3), 32, 14, 24), (np.full(3, 0.1), -4, 8, 8), (skin, 0, 7, 9)]:
        inside = ((x - middle) / (width * size)) ** 2 + ((y - top - down * size) / (height * size)) ** 2 < 1
        image[:, inside] = colour[:, None]
    return np.clip(image + random.normal(0, 0.03, image.shape), 0, 1)


def _without_data(name, samples):
    """Seeded random inputs of models whose data set is not there."""
    random = np.random.default_rng(7)
    if name == "ad_autoencoder":  # log-mel energies in dB
        return random.normal(-30, 20, (samples, 640)).astype(np.float32)
    return np.stack([_drawn_figure(random) for _ in range(samples)]).astype(np.float32)


def load(folder, name, samples):
    """First samples as the network takes them (float32) and their labels (None without data)."""
    kind = MODELS[name].data
    if not kind:
        return _without_data(name, samples), None
    raw, labels = {"cifar10": _cifar10, "mnist": _mnist, "kws01": _kws01}[kind](folder, samples)
    x = raw.astype(np.float32)
    if kind == "kws01":
        x = ((x - KWS_ZERO_POINT) * KWS_SCALE).astype(np.float32)
    elif MODELS[name].preprocess == "unit":
        x /= np.float32(255)
    elif MODELS[name].preprocess == "imagenet":
        x = (x / np.float32(255) - IMAGENET_MEAN) / IMAGENET_STD
    return x, labels
