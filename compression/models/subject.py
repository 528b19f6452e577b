"""A model with its data: what is known of both without loading them, found once and then carried. Torch-free."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compression import ENGINE_VERSION, environment
from compression.errors import CompressionError, CorruptFile, UnknownModel
from compression.models.brought.own import OwnModel, own_models
from compression.models.data import DataFacts, facts_of
from compression.models.layers import LayerInfo
from sample_models import slimmable
from sample_models.catalogue import DEFAULT_MODEL, MODELS, SMALLEST_MODEL, SampleModel

__all__ = [
    "DEFAULT_MODEL",
    "SMALLEST_MODEL",
    "Subject",
    "known_models",
    "model_title",
    "subject_of",
]


Entry = SampleModel | OwnModel
"""What builds and loads a network, and says what it is."""

CAUTIOUS_SPEED = 500.0
"""Images a second where no training of the model was timed."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A model and its data.

    `entry` builds and loads the network, `data` loads the images; `teachers` are the models on the same data, itself
    first. What its card says is read when it is first asked for; then `CorruptFile` may be raised. The same facts are
    the same object, so that it can be the key of what is remembered of it.
    """

    entry: Entry
    data: DataFacts
    teachers: tuple[str, ...] = ()
    has_slimmable: bool = False
    """Whether one network for all widths comes with it, so that students need no training."""

    @property
    def name(self) -> str:
        """Its name in recipes and links."""
        return self.entry.name

    @property
    def title(self) -> str:
        """Its name for people."""
        return self.entry.title

    @functools.cached_property
    def card(self) -> dict[str, Any]:
        """What was measured when the weights were made; raises `CorruptFile` where that cannot be read."""
        return self.entry.card

    @functools.cached_property
    def version(self) -> str:
        """SHA-256 of the trained weights, as their card states it; with slimmable weights a hash of both."""
        trained, slim = self._stated("weights_sha256"), ""
        if slimmable.card_path(self.name).exists():
            slim = str(slimmable.card(self.name).get("weights_sha256", ""))
        return hashlib.sha256(f"{trained} {slim}".encode()).hexdigest() if slim else str(trained)

    @functools.cached_property
    def layers(self) -> tuple[LayerInfo, ...]:
        """Convolutions and linear layers, in the order of the network's modules."""
        return tuple(LayerInfo(name, tuple(shape)) for name, shape in self._stated("layers").items())

    @functools.cached_property
    def images_per_second(self) -> float:
        """How fast this machine trains the model, forward and backward: measured, or else as another machine did."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            measured = float(json.loads(speed_path(self.name).read_text(encoding="utf-8"))["images_per_second"])
            if 0 < measured < float("inf"):
                return measured
        return self.entry.images_per_second or CAUTIOUS_SPEED

    def _stated(self, field: str) -> Any:  # noqa: ANN401  (a card's fields differ in type)
        try:
            return self.card[field]
        except KeyError:
            raise CorruptFile(f"The card of {self.name} does not say its {field}. {self.entry.remedy}") from None

    @property
    def has_ordinary_convolutions(self) -> bool:
        """Whether any convolution could be separated into depthwise and 1 x 1; False where its card cannot be read."""
        with contextlib.suppress(CorruptFile):
            return any(layer.can_be_separated for layer in self.layers)
        return False


def speed_path(name: str) -> Path:
    """Where it is kept how fast this machine trains a model, in JSON; see `compression.engine.training.speed`."""
    return environment.home() / "training" / f"{name} on {platform.node()}, engine {ENGINE_VERSION}.json"


def known_models() -> tuple[str, ...]:
    """Names of the models that there are, the samples first."""
    return (*MODELS, *own_models())


def subject_of(name: str) -> Subject:
    """The model called `name` with its data: the door for whatever comes in as a name.

    Raises `UnknownModel`, and `CompressionError` where one of a person's own models, or its images, cannot be read.
    Remembered until one of its cards changes: a page asks many times a second.
    """
    names = known_models()
    if name not in names:
        raise UnknownModel(f"There is no model {name!r}. Choose one of: {', '.join(names)}.")
    entry = _entry(name)
    paths = entry.card_path, slimmable.card_path(name), speed_path(name), slimmable.weights_path(name)
    return _made(name, names, paths, tuple(map(_changed_at, paths)))


def _entry(name: str) -> Entry:
    return MODELS[name] if name in MODELS else OwnModel(name)


def _data_of(entry: Entry) -> DataFacts:
    return entry.data if isinstance(entry, OwnModel) else facts_of(entry.dataset)


def all_subjects() -> tuple[Subject, ...]:
    """The models that there are, without those of a person's own that cannot be read."""
    found = []
    for name in known_models():
        with contextlib.suppress(CompressionError):
            found.append(subject_of(name))
    return tuple(found)


def _changed_at(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


@functools.lru_cache(maxsize=256)
def _made(name: str, names: tuple[str, ...], paths: tuple[Path, ...], changed_at: tuple[int | None, ...]) -> Subject:
    entry = _entry(name)
    data = _data_of(entry)
    others = (other for other in names if other != name and _sees(_entry(other), data))
    return Subject(entry, data, (name, *others), changed_at[-1] is not None)


def _sees(entry: Entry, data: DataFacts) -> bool:
    """Whether a network gets these images in the same form."""
    try:
        return entry.dataset == data.name and _data_of(entry).version == data.version
    except CompressionError:  # one of a person's own that cannot be read
        return False


def model_title(name: str) -> str:
    """A model's name for people, or the name itself where there is no such model (any more)."""
    try:
        return subject_of(name).title
    except CompressionError:
        return name
