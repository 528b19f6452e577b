"""Networks and images that people brought: what is known of them without loading anything. Torch-free.

Each has a folder of its own: `models/NAME` with the network in the engine's form (ONNX), the file as it was given, its
card and a picture; `data-sets/NAME` with the images as they came. Decoded images are a cache beside all others.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from compression import atomic, environment
from compression.errors import CompressionError, CorruptFile, DataUnavailable, RefusedFile, UnknownModel
from compression.models.brought.image_files import ImageFacts, Sized, decode_part, read_facts
from compression.models.data import DATA_SETS, SPLITS, Augmentation, DataFacts, Level
from compression.watch import Watch
from sample_models.catalogue import MODELS

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
"""Names stand in links, recipes and on the disk."""

NOISE = "noise.npz"
"""The source of images that nobody brought: see `noise`."""

CARD, NETWORK, GIVEN, PICTURE = "card.json", "model.onnx", "given.onnx", "picture.png"


@dataclass(frozen=True)
class Preprocessing:
    """How a network wants its images: their size, then the brightest value (`white`) becomes 1, then standardized.

    `mean` and `std` have one number for all colours or one for each; `bgr` is the other order of colours.
    """

    sized: Sized
    white: int = 255
    mean: Level = 0.0
    std: Level = 1.0
    bgr: bool = False

    @classmethod
    def of(cls, stated: Mapping[str, Any]) -> Self:
        """From plain data, as `dataclasses.asdict` gives it."""
        mean, std = (tuple(level) if isinstance(level, list) else level for level in (stated["mean"], stated["std"]))
        return cls(Sized(**stated["sized"]), stated["white"], mean, std, stated["bgr"])


@dataclass(frozen=True, kw_only=True)
class OwnData(DataFacts):
    """Images that a person brought, as one network wants them; `classes` are what its outputs mean.

    `facts` are of the images, which lie in `folder`. `outputs` has, for each class of the images, the output that
    stands for it. Where they have no labels, `answers` is the folder that has, for each split, what the network
    answers: see `labels`.
    """

    folder: Path
    facts: ImageFacts
    sized: Sized
    outputs: tuple[int, ...]
    answers: Path | None = None

    @property
    def preprocessing(self) -> Preprocessing:
        """What is done to them before the network gets them."""
        return Preprocessing(self.sized, self.white, self.mean, self.std, self.bgr)

    @property
    def train_images(self) -> int:
        """How many images there are to train on."""
        return self.facts.parts[0]

    @property
    def version(self) -> str:
        """Which images these are, and what the network gets of them and should answer, in two hashes."""
        judged = str(self.outputs) if self.answers is None else f"the answers of {self.answers.name}"
        seen = json.dumps([dataclasses.asdict(self.preprocessing), judged], sort_keys=True)
        return f"{self.name}: {self.facts.sha256[:16]}, {hashlib.sha256(seen.encode()).hexdigest()[:16]}"

    @property
    def cache(self) -> Path:
        """The folder of the decoded images: one for each size that networks want."""
        size = json.dumps(dataclasses.asdict(self.sized), sort_keys=True)
        key = hashlib.sha256(f"{self.facts.sha256} {size}".encode()).hexdigest()[:16]
        return super().cache.with_name(f"{self.name}-{key}")

    def write_splits(self, folder: Path, watch: Watch) -> None:
        """Decode all images, straight into the arrays' files."""
        stated = self.folder / "labels.npy"
        labels = np.load(stated) if stated.is_file() else np.zeros(sum(self.facts.parts), np.int64)
        start, total = 0, len(labels)
        for split, count in zip(SPLITS, self.facts.parts, strict=True):
            stop = start + count
            shape = (stop - start, *self.shape)
            out = np.lib.format.open_memmap(folder / f"{split}-x.npy", mode="w+", dtype=np.uint8, shape=shape)
            decode_part(self.folder, start, stop, self.sized, out, watch.part(start / total, stop / total))
            out.flush()
            np.save(folder / f"{split}-y.npy", labels[start:stop])
            start = stop

    def labels(self, split: str) -> NDArray[np.int64]:
        """The outputs that are right for a split's images: what the network answers where nobody has said them."""
        if self.answers:
            found: NDArray[np.int64] = np.load(answers_path(self.answers, split))
            return found
        return np.asarray(self.outputs or (0,))[self.stated_labels(split)]

    def stated_labels(self, split: str) -> NDArray[np.int64]:
        """What the person said, as classes of the images."""
        return super().labels(split)


@dataclass(frozen=True)
class OwnModel:
    """A network that a person brought, by its name; what it states comes from its card."""

    name: str

    @property
    def folder(self) -> Path:
        """Where all of it lies."""
        return model_folder(self.name)

    @property
    def network_path(self) -> Path:
        """The network in the engine's form, as ONNX with its batch norms."""
        return self.folder / NETWORK

    @property
    def card_path(self) -> Path:
        """What is known of it, as JSON."""
        return self.folder / CARD

    @property
    def picture_path(self) -> Path:
        """A strip with one test image of each of the first classes."""
        return self.folder / PICTURE

    @functools.cached_property
    def card(self) -> dict[str, Any]:
        """See `compression.engine.intake.adding`; raises `CorruptFile`."""
        try:
            card: dict[str, Any] = json.loads(self.card_path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CorruptFile(f"The card of {self.name} cannot be read: {error}. {self.remedy}") from error
        return card

    def rewrite(self, changes: Mapping[str, Any]) -> None:
        """Have the card say this too, or otherwise."""
        card = {**self.card, **changes}
        atomic.write(self.card_path, (json.dumps(card, indent=1) + "\n").encode())
        self.__dict__["card"] = card

    @property
    def title(self) -> str:
        """Its name for people."""
        return str(self.card["title"])

    @property
    def task(self) -> str:
        """What it does, in a few words."""
        return str(self.card["task"])

    @property
    def about(self) -> str:
        """Where it came from."""
        return str(self.card["about"])

    @property
    def dataset(self) -> str:
        """The name of its images."""
        return str(self.card["dataset"])

    @property
    def images_per_second(self) -> float | None:
        """How fast another machine trains it: nobody has measured that."""
        return None

    @property
    def remedy(self) -> str:
        """What to do where one of its files is damaged."""
        return f"Remove it and add it again: python -m compression remove {self.name}"

    @property
    def preprocessing(self) -> Preprocessing:
        """How it wants its images."""
        return Preprocessing.of(self.card["preprocessing"])

    @property
    def data(self) -> OwnData:
        """Its images, as it wants them. Raises `DataUnavailable` where they are gone."""
        card = self.card
        return data_of(
            self.dataset, self.preprocessing, tuple(card["classes"]), tuple(card["outputs"]), answers=self.folder
        )


def answers_path(folder: Path, split: str) -> Path:
    """What a network answers to a split's images, an array of output numbers."""
    return folder / f"answers-{split}.npy"


def model_folder(name: str) -> Path:
    """Where an own network lies, or would lie."""
    return environment.home() / "models" / name


def data_folder(name: str) -> Path:
    """Where own images lie, or would lie."""
    return environment.home() / "data-sets" / name


def own_models() -> tuple[str, ...]:
    """Names of the networks that people brought, in the order of the alphabet."""
    return _names(environment.home() / "models", CARD)


def own_data_sets() -> tuple[str, ...]:
    """Names of the images that people brought, in the order of the alphabet."""
    return _names(environment.home() / "data-sets", "facts.json")


def _names(folder: Path, needed: str) -> tuple[str, ...]:
    return tuple(sorted(path.parent.name for path in folder.glob(f"*/{needed}") if NAME.fullmatch(path.parent.name)))


def facts_of_own(name: str) -> ImageFacts:
    """What is known of own images. Raises `DataUnavailable` with the names there are."""
    if name not in own_data_sets():
        there = ", ".join(own_data_sets()) or "none yet"
        raise DataUnavailable(
            f"There is no data set {name!r} of your own. There are: {there}. Add one: "
            "python -m compression add-data NAME PATH"
        )
    return read_facts(data_folder(name))


def data_of(
    name: str, wanted: Preprocessing, classes: tuple[str, ...], outputs: tuple[int, ...], *, answers: Path | None = None
) -> OwnData:
    """Own images as a network wants them: see `OwnData`; raises `DataUnavailable` where there are none of that name.

    The `answers` only count where the images have no labels.
    """
    facts = facts_of_own(name)
    return OwnData(
        name=name,
        title=name,
        classes=classes,
        shape=(wanted.sized.channels, wanted.sized.height, wanted.sized.width),
        mean=wanted.mean,
        std=wanted.std,
        white=wanted.white,
        bgr=wanted.bgr,
        has_labels=facts.has_labels,
        augmentation=CAUTIOUS,
        folder=data_folder(name),
        facts=facts,
        sized=wanted.sized,
        outputs=outputs,
        answers=None if facts.has_labels else answers,
    )


CAUTIOUS = Augmentation(shift=0.06, scale=0.05)
"""What leaves any label valid: nobody has said whether these things may be mirrored or turned."""


def taken(of: str) -> tuple[str, ...]:
    """Names that no new "model" or "data set" can have."""
    return {"model": (*MODELS, *own_models()), "data set": (*DATA_SETS, *own_data_sets())}[of]


def free_name(name: str, *, of: str) -> str:
    """The name, if it is one that can be given to a new model or data set (`of`). Raises `RefusedFile`."""
    if not NAME.fullmatch(name):
        raise RefusedFile(
            f"{name[:40]!r} cannot be the name of a {of}. Use up to 63 small letters, digits, '-', '_' and '.', a "
            "letter or digit first."
        )
    if name in taken(of):
        raise RefusedFile(f"There is a {of} {name!r} already. Choose another name, or remove that one first.")
    return name


def rename(name: str, title: str) -> None:
    """Give an own network another name for people; the one in recipes and links stays. Raises `RefusedFile`."""
    if not title.strip() or len(title) > LONGEST_TITLE or not title.isprintable():
        raise RefusedFile(f"A title must have 1 to {LONGEST_TITLE} characters that can be read.")
    OwnModel(name).rewrite({"title": title.strip()})


LONGEST_TITLE = 60
"""Characters: what lists of models show on one line."""


def _remove_model(name: str) -> None:
    """With the images that were made for it, if it came without any."""
    data = ""
    with contextlib.suppress(CompressionError):
        data = OwnModel(name).dataset
    shutil.rmtree(model_folder(name))
    with contextlib.suppress(CompressionError):
        if data and facts_of_own(data).source == NOISE:
            remove(data)


def remove(name: str) -> str:
    """Remove an own network, or own images that no network needs; says what went.

    Results are the store's. Raises `UnknownModel` for a name that is neither, and `RefusedFile` for images in use.
    """
    if name in own_models():
        _remove_model(name)
        return f"the model {name}"
    if name not in own_data_sets():
        there = ", ".join((*own_models(), *own_data_sets())) or "nothing yet"
        raise UnknownModel(f"There is no model or data set {name!r} of your own. There is: {there}.")
    users = [model for model in own_models() if OwnModel(model).dataset == name]
    if users:
        raise RefusedFile(f"The data set {name!r} is needed by {', '.join(users)}. Remove what needs it first.")
    shutil.rmtree(data_folder(name))
    for cache in (environment.data_folder() / "splits").glob(f"{name}-{'[0-9a-f]' * 16}"):
        shutil.rmtree(cache)
    return f"the data set {name}"
