#!/usr/bin/env python3
"""Writes the UCI digits as scikit-learn ships them into two small HDF5 files.

    python make_digits.py [FOLDER]

digits.h5              500 test images
digits_calibration.h5  256 training images, from which converters and quantizers take their ranges

Each holds `x`, uint8 (samples x 1 x 8 x 8), grey levels 0 (paper) to 16 (ink), and `y`, uint8 (samples), the digit.
Needs numpy, h5py and scikit-learn. The same versions write the same bytes.
"""

import hashlib
import struct
import sys
from pathlib import Path

import h5py
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

TEST_SAMPLES = 500
CALIBRATION_SAMPLES = 256
SPLIT_SEED = 0
USER_BLOCK = 512
FORMAT_VERSION = 1
ATTRIBUTION = {
    "title": "Optical Recognition of Handwritten Digits",
    "authors": "E. Alpaydin, C. Kaynak, UCI Machine Learning Repository, 1998",
    "doi": "10.24432/C50P49",
    "license": "CC BY 4.0",
    "changes": "the 1797 images that scikit-learn ships, split into training and test, as NCHW",
}


def load_split():
    """The fixed split (x_train, x_test, y_train, y_test): 1297 and 500 images, every digit in proportion, shuffled."""
    digits = load_digits()
    images = digits.images.astype(np.uint8).reshape(-1, 1, 8, 8)
    labels = digits.target.astype(np.uint8)
    return train_test_split(images, labels, test_size=TEST_SAMPLES, random_state=SPLIT_SEED, stratify=labels)


def seal(path):
    """Fills the user block: magic, format version and the SHA-256 of everything behind it.

    Bitline verifies the sum before the HDF5 library opens the file, because the library crashes on some corrupted ones.
    """
    content = path.read_bytes()
    header = b"BITLINE\n" + struct.pack("<I", FORMAT_VERSION) + hashlib.sha256(content[USER_BLOCK:]).digest()
    path.write_bytes(header.ljust(USER_BLOCK, b"\0") + content[USER_BLOCK:])


def write(path, images, labels):
    """Writes one sealed file."""
    with h5py.File(path, "w", libver="earliest", userblock_size=USER_BLOCK) as file:
        for name, text in ATTRIBUTION.items():
            file.attrs[name] = text
        file.create_dataset("x", data=images)
        file.create_dataset("y", data=labels)
    seal(path)
    print(f"{path}: {len(labels)} images")


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent
    x_train, x_test, y_train, y_test = load_split()
    write(folder / "digits.h5", x_test, y_test)
    write(folder / "digits_calibration.h5", x_train[:CALIBRATION_SAMPLES], y_train[:CALIBRATION_SAMPLES])


if __name__ == "__main__":
    main()
