"""Small networks and images as people bring them, into the home folder of a test."""

import functools
import io
import os
import shutil
import tempfile
import zipfile
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch import nn

from compression import environment
from compression.engine.build import load_network
from compression.engine.files import export
from compression.engine.intake.adding import add_model
from compression.engine.intake.sources import Wish, from_onnx
from compression.engine.network.tracing import trace
from compression.models.brought.image_files import take_in
from compression.models.brought.own import data_folder, facts_of_own
from compression.models.subject import subject_of


def digits_npz(folder, *, labels=True):
    """The digits of scikit-learn as people would save them: from 0 to 240."""
    digits = load_digits()
    arrays = {"images": (digits.images * 15).astype(np.uint8)} | ({"labels": digits.target} if labels else {})
    np.savez_compressed(folder / "digits.npz", **arrays)
    return folder / "digits.npz"


def digits_zip(folder):
    """The same as pictures, in a folder for each class."""
    digits, path = load_digits(), folder / "digits.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for n, (pixels, label) in enumerate(zip(digits.images, digits.target, strict=True)):
            file = io.BytesIO()
            Image.fromarray((pixels * 15).astype(np.uint8)).save(file, "PNG")
            archive.writestr(f"{label}/{n}.png", file.getvalue())
    return path


def colours_zip(folder, classes=("blue", "green", "red"), count=40):
    """Pictures that are mostly of one colour, in a folder for each; the colour of class n is channel 2 - n."""
    random, path = np.random.default_rng(0), folder / "colours.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number, name in enumerate(classes):
            for n in range(count):
                pixels = random.integers(0, 120, (8, 8, 3), dtype=np.uint8)
                pixels[..., 2 - number] += 100
                file = io.BytesIO()
                Image.fromarray(pixels).save(file, "PNG")
                archive.writestr(f"{name}/{n}.png", file.getvalue())
    return path


class Means(nn.Module):
    """Answers with the mean of each channel: the class of a colour is the number of its channel."""

    def forward(self, x):
        return self.scale(x).mean((2, 3)) * 10

    def __init__(self):
        super().__init__()
        self.scale = nn.Conv2d(3, 3, 1, groups=3, bias=False)
        nn.init.ones_(self.scale.weight)


def onnx_file(folder, module, shape=(3, 8, 8)):
    graph = module if hasattr(module, "graph") else trace(module.eval(), shape)
    path = folder / "network.onnx"
    path.write_bytes(export.to_onnx(graph, folds=False).SerializeToString())
    return path


def sample_onnx(folder, name="mlp-digits"):
    """A sample's network as a file; with its own standardization, which nobody who gets the file is told."""
    return onnx_file(folder, load_network(subject_of(name)))


def bring_data(source, name="things"):
    return take_in(source, data_folder(name))


def bring(folder, network, data="things", name="mine"):
    """Takes a network in; returns what the entry check found."""
    return add_model(name, from_onnx(network, Wish(), facts_of_own(data)), data)


def bring_digits():
    """The digits, and a network that reads them, which nobody has told how; returns what the entry check found."""
    made, found = _digits()
    shutil.copytree(made, environment.home(), dirs_exist_ok=True)
    return found


@functools.cache
def _digits():
    """A home with nothing but these, made once in a process: the entry check takes seconds."""
    folder = Path(tempfile.mkdtemp())
    with mock.patch.dict(os.environ, {"COMPRESSION_HOME": str(folder / "home")}):
        bring_data(digits_npz(folder))
        found = bring(folder, sample_onnx(folder))
    kept = folder / "kept"
    for part in ("models", "data-sets"):
        shutil.copytree(folder / "home" / part, kept / part)
    return kept, found


torch.set_num_threads(1)
