"""The catalogue of sample models. Importing it is cheap; building a network imports torch."""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compression.errors import CorruptFile, UnknownModel

if TYPE_CHECKING:
    from torch import nn

WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class SampleModel:
    """One entry. `builder` names the function that builds the network for a width multiplier.

    It was trained for `epochs` in each of some `cycles`, over which the learning rate rises and falls (warm restarts;
    Loshchilov and Hutter, 2017). `images_per_second` is how fast one core of a 2-core cloud machine was seen to train
    it, forward and backward.
    """

    name: str
    title: str
    task: str
    dataset: str
    builder: str
    about: str
    epochs: int
    learning_rate: float
    cycles: int = 1
    images_per_second: float | None = None

    @property
    def weights_path(self) -> Path:
        """The trained weights."""
        return WEIGHTS / f"{self.name}.safetensors"

    @property
    def card_path(self) -> Path:
        """What was measured when the weights were made, as JSON."""
        return WEIGHTS / f"{self.name}.json"

    @property
    def picture_path(self) -> Path:
        """A strip with one test image of each class."""
        return WEIGHTS / f"{self.name}.png"

    @property
    def card(self) -> dict[str, Any]:
        """What was measured when the weights were made: see `compression.engine.samples.train`."""
        try:
            card: dict[str, Any] = json.loads(self.card_path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CorruptFile(
                f"The card of {self.name} ({self.card_path.name}) cannot be read: {error}. {self.remedy}"
            ) from error
        return card

    @property
    def remedy(self) -> str:
        """What to do where one of its files is damaged."""
        return f"Make it again: python -m compression.engine.samples.train {self.name}"

    def build(self, width_mult: float = 1.0) -> nn.Module:
        """An untrained network of this family, its channels scaled by `width_mult` (0.1 to 1)."""
        module, function = self.builder.split(":")
        network: nn.Module = getattr(importlib.import_module(module), function)(width_mult)
        return network

    def load(self) -> nn.Module:
        """The trained network, in evaluation mode. The weights file is checked, never unpickled."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        network = self.build()
        try:
            network.load_state_dict(load_file(self.weights_path))
        except (OSError, SafetensorError, RuntimeError) as error:
            raise CorruptFile(
                f"The weights of {self.name} ({self.weights_path.name}) cannot be loaded: {error}. {self.remedy}"
            ) from error
        return network.eval()


_ENTRIES = (
    SampleModel(
        name="mlp-digits",
        title="MLP on digits",
        task="Read a handwritten digit, 8 x 8 pixels",
        dataset="digits",
        builder="sample_models.mlp:mlp_digits",
        about="The smallest: three linear layers. Everything is instant.",
        epochs=120,
        learning_rate=0.05,
        images_per_second=30_000,
    ),
    SampleModel(
        name="lenet300-mnist5k",
        title="LeNet-300-100 on MNIST-5k",
        task="Read a handwritten digit, 28 x 28 pixels",
        dataset="mnist5k",
        builder="sample_models.mlp:lenet300",
        about="Three linear layers: the classic of the pruning papers.",
        epochs=120,
        learning_rate=0.05,
        images_per_second=8_000,
    ),
    SampleModel(
        name="lenet5-mnist5k",
        title="LeNet-5 on MNIST-5k",
        task="Read a handwritten digit, 28 x 28 pixels",
        dataset="mnist5k",
        builder="sample_models.lenet:lenet5",
        about="Two convolutions, two linear layers: most weights sit in one layer.",
        epochs=60,
        learning_rate=0.03,
        images_per_second=3_000,
    ),
    SampleModel(
        name="resnet8-mnist5k",
        title="ResNet-8 on MNIST-5k",
        task="Read a handwritten digit, 28 x 28 pixels",
        dataset="mnist5k",
        builder="sample_models.resnet:resnet8",
        about="A small residual network: few weights, many operations.",
        epochs=50,
        learning_rate=0.1,
        images_per_second=1_000,
    ),
    SampleModel(
        name="resnet20-fashion",
        title="ResNet-20 on Fashion-MNIST",
        task="Name a piece of clothing, 28 x 28 pixels",
        dataset="fashion-mnist",
        builder="sample_models.resnet:resnet20",
        about="Nine residual blocks on a harder task: compression shows sooner.",
        epochs=20,
        learning_rate=0.1,
        images_per_second=330,
    ),
    SampleModel(
        name="mobilenet-fashion",
        title="MobileNet on Fashion-MNIST",
        task="Name a piece of clothing, 28 x 28 pixels",
        dataset="fashion-mnist",
        builder="sample_models.mobilenet:mobilenet",
        about="Depthwise-separable convolutions: small from the start.",
        epochs=4,
        learning_rate=0.1,
        images_per_second=400,
    ),
    SampleModel(
        name="resnet20-cifar10",
        title="ResNet-20 on CIFAR-10",
        task="Name what a small photo shows, 32 x 32 pixels",
        dataset="cifar10",
        builder="sample_models.resnet:resnet20_colour",
        about="The network of a thousand papers, on photos in colour.",
        epochs=50,
        learning_rate=0.1,
        cycles=2,
        images_per_second=300,
    ),
    SampleModel(
        name="mobilenetv2-cifar10",
        title="MobileNetV2 on CIFAR-10",
        task="Name what a small photo shows, 32 x 32 pixels",
        dataset="cifar10",
        builder="sample_models.mobilenet:mobilenet_colour",
        about="Depthwise-separable convolutions on photos in colour.",
        epochs=24,
        learning_rate=0.1,
        images_per_second=300,
    ),
)

MODELS = {entry.name: entry for entry in _ENTRIES}

DEFAULT_MODEL = "lenet5-mnist5k"
"""Measured within seconds, and its curves differ much: half its weights go without harm."""

SMALLEST_MODEL = "mlp-digits"
"""What belongs to no model is filed under it."""


def find_model(name: str) -> SampleModel:
    """The entry called `name`; raises `UnknownModel` with the names there are."""
    try:
        return MODELS[name]
    except KeyError:
        raise UnknownModel(f"There is no model {name!r}. Choose one of: {', '.join(MODELS)}.") from None
