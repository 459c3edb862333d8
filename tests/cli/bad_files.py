"""Files that are wrong in one respect each, made when a case asks for them.

`Files.path("name")` makes the file of that name once and returns its path.
"""

import gzip
import io
import lzma
import os
import struct
import zipfile

import h5py
import numpy as np
from bad_models import MODELS

MAKERS = {}


def file(name):
    def add(function):
        MAKERS[name] = function
        return function

    return add


class Files:
    def __init__(self, folder, digits, run_bitline):
        self.folder = folder
        self.digits = digits
        self.run_bitline = run_bitline

    def path(self, name):
        known = self.digits / name
        if known.is_file():
            return known
        path = self.folder / name
        if not path.exists() and not path.is_fifo():
            if name.removesuffix(".onnx") in MODELS:
                path.write_bytes(MODELS[name.removesuffix(".onnx")]())
            else:
                content = MAKERS[name](self, path)
                if content is not None:
                    path.write_bytes(content)
        return path

    def network(self):
        """A network as Bitline's own HDF5."""
        path = self.folder / "network.h5"
        if not path.exists():
            calibration = self.digits / "digits_calibration.h5"
            float_model = self.digits / "digits_float.onnx"
            result = self.run_bitline(["quantize", float_model, "-o", path, "--calibration", f"{calibration}:16"])
            assert result.returncode == 0, result.stderr
        return path.read_bytes()


def flipped(content, at):
    changed = bytearray(content)
    changed[at] ^= 0x55
    return bytes(changed)


def npz(**arrays):
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def foreign(path, **arrays):
    """An HDF5 file as h5py writes it."""
    with h5py.File(path, "w") as stream:
        for name, values in arrays.items():
            stream[name] = values


IMAGES = np.arange(4 * 64).reshape(4, 1, 8, 8).astype(np.uint8)
LABELS = np.arange(4).astype(np.uint8)


def idx(values, magic=None):
    header = struct.pack(">I", magic if magic is not None else 0x0800 + values.ndim)
    return header + struct.pack(f">{values.ndim}I", *values.shape) + values.astype(np.uint8).tobytes()


# ------------------------------------------------------------------------------------------------- models

for extension in ("onnx", "h5", "yaml", "idx", "gz", "xz", "npz", "bin", "csv"):
    file(f"empty.{extension}")(lambda files, path: b"")
    file(f"folder.{extension}")(lambda files, path: path.mkdir())

file("text.onnx")(lambda files, path: b"this is no protobuf message\n" * 9)
file("zeros.onnx")(lambda files, path: bytes(4096))
file("noise.onnx")(lambda files, path: np.random.default_rng(1).bytes(4096))
file("truncated.onnx")(lambda files, path: (files.digits / "digits_cnn.onnx").read_bytes()[:9000])
file("pipe.onnx")(lambda files, path: os.mkfifo(path))
file("network.h5")(lambda files, path: files.network())
file("truncated_network.h5")(lambda files, path: files.network()[:-100])
file("corrupted_network.h5")(lambda files, path: flipped(files.network(), 3000))
file("corrupted_block.h5")(lambda files, path: flipped(files.network(), 20))
file("header_only.h5")(lambda files, path: files.network()[:512])
file("half_a_block.h5")(lambda files, path: files.network()[:100])
file("future.h5")(lambda files, path: files.network()[:8] + b"\xff\0\0\0" + files.network()[12:])
file("foreign_network.h5")(lambda files, path: foreign(path, weights=np.ones(4)))

# ------------------------------------------------------------------------------------------------- data

file("truncated_data.h5")(lambda files, path: (files.digits / "digits.h5").read_bytes()[:-50])
file("corrupted_data.h5")(lambda files, path: flipped((files.digits / "digits.h5").read_bytes(), 2000))
file("no_x.h5")(lambda files, path: foreign(path, images=IMAGES, y=LABELS))
file("x_is_group.h5")(lambda files, path: foreign(path, **{"x/deeper": IMAGES, "y": LABELS}))
file("no_labels.h5")(lambda files, path: foreign(path, x=IMAGES))
file("few_labels.h5")(lambda files, path: foreign(path, x=IMAGES, y=LABELS[:3]))
file("large_label.h5")(lambda files, path: foreign(path, x=IMAGES, y=[0, 1, 10, 3]))
file("negative_label.h5")(lambda files, path: foreign(path, x=IMAGES, y=[0, -1, 2, 3]))
file("half_label.h5")(lambda files, path: foreign(path, x=IMAGES, y=[0.0, 1.5, 2.0, 3.0]))
file("no_samples.h5")(lambda files, path: foreign(path, x=IMAGES[:0], y=LABELS[:0]))
file("scalar_x.h5")(lambda files, path: foreign(path, x=np.float32(3), y=LABELS))
file("text_x.h5")(lambda files, path: foreign(path, x=np.array([b"one", b"two"]), y=LABELS[:2]))
file("nan_x.h5")(lambda files, path: foreign(path, x=np.full((4, 1, 8, 8), np.nan, np.float32), y=LABELS))
file("wide_x.h5")(lambda files, path: foreign(path, x=np.ones((4, 1, 9, 9), np.uint8), y=LABELS))
file("flipped_axes.h5")(lambda files, path: foreign(path, x=np.ones((4, 2, 4, 8), np.uint8), y=LABELS))


@file("truncated_foreign.h5")
def truncated_foreign(files, path):
    whole = path.with_name("whole.h5")
    foreign(whole, x=IMAGES, y=LABELS)
    return whole.read_bytes()[:-300]


@file("corrupted_foreign.h5")
def corrupted_foreign(files, path):
    whole = path.with_name("whole.h5")
    foreign(whole, x=IMAGES, y=LABELS)
    content = bytearray(whole.read_bytes())
    content[96:1100] = np.random.default_rng(2).bytes(1004)  # tree and heap of the root group
    return bytes(content)


@file("large_label_npz.npz")
def large_label_npz(files, path):
    return npz(x=IMAGES, y=np.array([0, 1, 2, 77]))


file("images.idx")(lambda files, path: idx(IMAGES[:, 0]))
file("labels.idx")(lambda files, path: idx(LABELS))
file("three_labels.idx")(lambda files, path: idx(LABELS[:3]))
file("large_labels.idx")(lambda files, path: idx(np.array([0, 1, 2, 200])))
file("bad_magic.idx")(lambda files, path: idx(IMAGES[:, 0], magic=0x12345678))
file("truncated.idx")(lambda files, path: idx(IMAGES[:, 0])[:-7])
file("no_header.idx")(lambda files, path: idx(IMAGES[:, 0])[:6])
file("huge.idx")(lambda files, path: struct.pack(">4I", 0x0803, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF))
file("images.gz")(lambda files, path: gzip.compress(idx(IMAGES[:, 0])))
file("truncated.gz")(lambda files, path: gzip.compress(idx(IMAGES[:, 0]))[:-12])
file("corrupted.gz")(lambda files, path: flipped(gzip.compress(np.random.default_rng(3).bytes(5000)), 2500))
file("plain_text.gz")(lambda files, path: b"no gzip member\n")

RECORDS = np.zeros((2, 3073), np.uint8).tobytes()
file("records.bin")(lambda files, path: RECORDS)
file("part_of_record.bin")(lambda files, path: RECORDS[:-9])
file("large_label.bin")(lambda files, path: bytes([77]) + RECORDS[1:])
file("truncated.xz")(lambda files, path: lzma.compress(np.random.default_rng(4).bytes(6146))[:-900])
file("corrupted.xz")(lambda files, path: flipped(lzma.compress(np.random.default_rng(4).bytes(6146)), 3000))
file("plain_text.xz")(lambda files, path: b"no xz stream\n")

file("text.npz")(lambda files, path: b"no zip archive\n" * 9)
file("truncated.npz")(lambda files, path: npz(x=IMAGES, y=LABELS)[:-40])
file("corrupted.npz")(lambda files, path: flipped(npz(x=IMAGES, y=LABELS), 200))
file("no_y.npz")(lambda files, path: npz(x=IMAGES))
file("no_x.npz")(lambda files, path: npz(images=IMAGES, y=LABELS))
file("objects.npz")(lambda files, path: npz(x=np.array([{"a": 1}, None], object), y=LABELS[:2]))
file("complex.npz")(lambda files, path: npz(x=IMAGES.astype(np.complex64), y=LABELS))


@file("bad_header.npz")
def bad_header(files, path):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("x.npy", b"\x93NUMPY\x01\0\x10\0{'descr': '|u1'\n" + bytes(256))
        archive.writestr("y.npy", b"\x93NUMPY")
    return stream.getvalue()


file("raw_images.bin")(lambda files, path: IMAGES.tobytes())
file("raw_labels.bin")(lambda files, path: LABELS.tobytes())
file("raw_large_labels.bin")(lambda files, path: bytes([0, 1, 2, 99]))
file("raw_part.bin")(lambda files, path: IMAGES.tobytes()[:-3])

# ------------------------------------------------------------------------------------------------- architectures

YAML = {
    "unknown_key": "array:\n  rows: 64\n  colums: 64\n",
    "unknown_section": "arrays:\n  rows: 64\n",
    "duplicate_key": "array:\n  rows: 64\n  rows: 32\n",
    "wrong_type": "array:\n  rows: many\n",
    "octal": "array:\n  rows: 0100\n",
    "out_of_range": "adc:\n  bits: 40\n",
    "relation": "cell:\n  g_min: 2e-4\n  g_max: 1e-4\n",
    "list": "- array\n- cell\n",
    "list_value": "array:\n  rows: [1, 2]\n",
    "section_for_value": "array:\n  rows:\n    more: 1\n",
    "value_for_section": "array: 64\n",
    "broken": "array: {rows: 64\n",
    "tab": "array:\n\trows: 64\n",
    "alias": "array: &a\n  rows: 64\ncell: *a\n",
    "two_documents": "array:\n  rows: 64\n---\narray:\n  rows: 32\n",
    "unknown_base": "base: defualt\n",
    "own_base": "base: own_base.yaml\n",
    "deep": "a: " * 5000 + "\n",
    "deep_brackets": "[" * 100000,
}
for name, text in YAML.items():
    file(f"{name}.yaml")(lambda files, path, text=text: text.encode())
file("binary.yaml")(lambda files, path: bytes(range(256)))
file("latin1.yaml")(lambda files, path: "name: Käse\n".encode("latin-1"))
file("large.yaml")(lambda files, path: b"# comment\n" * 500000)

# ------------------------------------------------------------------------------------------------- measurements

FAULT_HEADER = "array,row,col,state\n0,0,0,low\n"
DEVICE_HEADER = "target_S,time_s,mean_S,sigma_S\n"
CSV = {
    "fault_columns": "array,row,column,state\n0,0,0,low\n",
    "fault_short": FAULT_HEADER + "0,0,1\n",
    "fault_state": FAULT_HEADER + "# stuck\n0,0,1,stuck\n",
    "fault_outside": FAULT_HEADER + "0,128,0,low\n",
    "fault_far": "array,row,col,state\n99999,0,0,low\n",
    "fault_twice": FAULT_HEADER + "0,0,1,low\n0,0,0,high\n",
    "fault_one": FAULT_HEADER,
    "device": DEVICE_HEADER + "0,0,0,0\n1e-4,0,1e-4,0\n",
    "device_nan": DEVICE_HEADER + "0,0,0,0\n1e-4,0,nan,0\n",
    "device_gap": DEVICE_HEADER + "0,0,0,0\n1e-4,0,1e-4,0\n1e-4,60,1e-4,0\n",
    "device_columns": "target_S,time_s,mean_S\n0,0,0\n",
    "device_negative": DEVICE_HEADER + "0,0,0,-1e-6\n",
    "device_narrow": DEVICE_HEADER + "2e-5,0,2e-5,0\n5e-5,0,5e-5,0\n",
}
for name, text in CSV.items():
    file(f"{name}.csv")(lambda files, path, text=text: text.encode())
file("binary.csv")(lambda files, path: bytes(range(256)))
file("states_shape.h5")(lambda files, path: foreign(path, states=np.zeros((1, 64, 64), np.uint8)))
file("cells_shape.h5")(lambda files, path: foreign(path, conductances=np.full((1, 4, 4), 1e-5)))
file("cells_negative.h5")(lambda files, path: foreign(path, conductances=np.where(np.arange(16) == 6, -1e-6, 1e-5).reshape(1, 4, 4)))
