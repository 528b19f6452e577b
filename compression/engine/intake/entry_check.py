"""The entry check: whether it is the same network and sees the images as it should, and what works on it."""

from __future__ import annotations

import dataclasses
import math
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import fx, nn

from compression.engine.build import thinned
from compression.engine.files import export, stored_file
from compression.engine.intake.onnx_check import TOLERANCE, answers_of, difference
from compression.engine.measure.evaluation import open_session, run_images
from compression.engine.measure.memory import runtime_costs
from compression.engine.network.form import WeightedLayer, count_costs, weighted_layers
from compression.engine.primitives.batch_norm import fold_batch_norm
from compression.engine.primitives.channel_labels import Labels
from compression.engine.techniques import Context, apply_step, within_memory
from compression.errors import CompressionError, UnsupportedModel
from compression.models.brought.findings import TechniqueCheck, Tried
from compression.models.brought.own import OwnData, Preprocessing
from compression.models.data import Dataset, Split
from compression.recipe.steps import STEP_TYPES, ChannelPruning, Quantization, Step
from compression.recipe.words import kind_of
from compression.results import significance
from compression.watch import SILENT, Watch

COMPARED = 32
"""Images on which answers are compared: each is thousands of sums already."""
AT_ONCE = 4
"""Of them: as many as were tried in a process with limits of memory."""
JUDGED = 500
"""Validation images on which other preparations are tried: tells 5 points apart."""
FITTED = 64
"""Images for trying techniques: enough to see whether they work, and quick."""
TABLE_SECONDS, EACH_SECONDS = 90, 20
"""After which no further technique is tried, and after which one is given up."""
CODED = 3_000_000
"""Weights of the largest networks whose file is written for each technique: more take a second each time."""
SCREENED = 64
"""Images on which all preparations are tried; those that do well are tried on `JUDGED`."""
FINALISTS = 3
WORTH = 0.02
"""How much better another preparation must be to be proposed; one of a dozen is a little better by chance."""

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""What most published networks are trained with, of colours from 0 to 1."""


def compare(graph: fx.GraphModule, given: nn.Module | bytes, images: Split) -> float:
    """How far the graph's answers are from those of the network as given, over the largest; raises `UnsupportedModel`.

    The given one is a module, carried out by torch, or the bytes of an ONNX file, by ONNX Runtime.
    """
    far = max(_apart(graph, given, x) for x, _ in images.head(COMPARED).batches(AT_ONCE))
    if not far <= TOLERANCE:
        raise UnsupportedModel(
            f"Our graph answers otherwise than the network as given, by {far:.1e} of the largest answer. It is "
            "refused, since nothing that is measured of it would be true."
        )
    return far


def _apart(graph: fx.GraphModule, given: nn.Module | bytes, x: NDArray[np.float32]) -> float:
    with torch.no_grad():
        ours = graph(torch.from_numpy(x)).numpy()
        theirs = answers_of(given, x) if isinstance(given, bytes) else given(torch.from_numpy(x)).numpy()
    far = difference(ours, theirs)
    return math.inf if math.isnan(far) else far


@dataclass(frozen=True)
class _Judge:
    """Counts what is right for one way to prepare the images."""

    onnx: bytes
    split: Split
    labels: NDArray[np.int64]
    """By the classes of the images."""

    def answers(self, way: Preprocessing, most: int = JUDGED) -> NDArray[np.int64]:
        """The outputs of the first images."""
        split = replace(self.split.head(most), white=way.white, mean=way.mean, std=way.std, bgr=way.bgr)
        found: NDArray[np.int64] = run_images(open_session(self.onnx), split).argmax(1)
        return found

    def right_for(self, way: Preprocessing, data: OwnData, most: int) -> int:
        """How many are right, in whatever order of classes is best."""
        orders = _orders(self.answers(way, most), self.labels[:most], data)
        return max(int(right.sum()) for _, _, right in orders)

    def tried(self, words: str, way: Preprocessing, outputs: tuple[int, ...], right: NDArray[np.bool_]) -> Tried:
        return Tried(
            words=words, correct=int(right.sum()), n=len(right), preprocessing=dataclasses.asdict(way), outputs=outputs
        )


def judge(graph: fx.GraphModule, data: OwnData, dataset: Dataset, watch: Watch = SILENT) -> dict[str, object]:
    """Accuracy as given, and with other preparations where one is better: fields of `EntryCheck`."""
    judged, given = _Judge(export.to_onnx(graph).SerializeToString(), *_judged_on(data, dataset)), data.preprocessing
    labels, classes = judged.labels, len(data.facts.classes)
    others = dict(_other_ways(given, data))
    screened = {words: judged.right_for(way, data, SCREENED) for words, way in watch.each(others.items())}
    finalists = sorted(others, key=lambda words: -screened[words])[:FINALISTS]
    tried: list[Tried] = []
    right: list[NDArray[np.bool_]] = []
    for words in watch.each(("", *finalists)):
        way = others.get(words, given)
        for named, outputs, found in _orders(judged.answers(way), labels, data):
            if named and found.sum() <= right[0].sum():
                continue  # a table of what does not help either would only be longer
            tried.append(judged.tried(" and ".join(filter(None, (words, named))), way, outputs, found))
            right.append(found)
    best = max(range(len(tried)), key=lambda n: (tried[n].correct, tried[n].outputs == data.outputs))
    chance = max(np.bincount(labels).max() / len(labels), 1 / classes)
    low, _ = significance.wilson_interval(tried[0].correct, len(labels))
    return {
        "given": tried[0],
        "tried": tuple(tried[1:]),
        "chance": float(chance),
        "is_near_chance": bool(low <= chance),
        "better": tried[best] if _is_better(right[best], right[0]) else None,
    }


def _judged_on(data: OwnData, dataset: Dataset) -> tuple[Split, NDArray[np.int64]]:
    """Validation images with their classes; where these are few others too, but never test images."""
    parts = [(getattr(dataset, name), data.stated_labels(name)) for name in ("validation", "calibration", "train")]
    images = np.concatenate([part.images[:JUDGED] for part, _ in parts])[:JUDGED]
    labels = np.concatenate([labels for _, labels in parts])[:JUDGED]
    return replace(dataset.validation, images=images, y=labels), labels


def _is_better(right: NDArray[np.bool_], before: NDArray[np.bool_]) -> bool:
    paired = significance.paired_difference(right, before)
    return paired.low > 0 and paired.difference >= WORTH


def _other_ways(given: Preprocessing, data: OwnData) -> Iterator[tuple[str, Preprocessing]]:
    """Every usual way to prepare images that is not the one given, in words."""
    is_colour = given.sized.channels == 3
    imagenet = (IMAGENET_MEAN, IMAGENET_STD) if is_colour else (float(np.mean(IMAGENET_MEAN)), 0.225)
    own = data.facts.mean, data.facts.std
    if len(own[0]) != given.sized.channels:  # grey images for a network that takes colours
        own = own[0] * given.sized.channels, own[1] * given.sized.channels
    scales = {
        "values from 0 to 1": (255, 0.0, 1.0),
        "values from 0 to 255": (1, 0.0, 1.0),
        "values from −1 to 1": (255, 0.5, 0.5),
        "ImageNet's mean and standard deviation": (255, *imagenet),
        "the images' own mean and standard deviation": (255, *own),
        "values from 0 to 255 less ImageNet's mean": (1, tuple(255 * m for m in np.atleast_1d(imagenet[0])), 1.0),
        "light and dark exchanged, values from 0 to 1": (255, 1.0, -1.0),
    }
    turned = replace(given, bgr=not given.bgr)
    if is_colour:
        yield f"{'RGB' if given.bgr else 'BGR'} order", turned
    for words, (white, mean, std) in scales.items():
        for bgr in (False, True)[: 1 + is_colour]:
            way = replace(given, white=white, mean=mean, std=std, bgr=bgr)
            if way not in (given, turned):
                yield f"{words}{' in BGR order' if bgr else ''}", way


def _orders(
    answers: NDArray[np.int64], labels: NDArray[np.int64], data: OwnData
) -> Iterator[tuple[str, tuple[int, ...], NDArray[np.bool_]]]:
    """Which output stands for which class, as is said and as it may be meant: words, outputs, what is right then."""
    yield "", data.outputs, answers == np.asarray(data.outputs)[labels]
    names = data.facts.classes
    by_number = tuple(int(n) for n in np.argsort(sorted(range(len(names)), key=lambda n: _natural(names[n]))))
    if by_number != data.outputs:
        yield "classes in the order of the numbers in their names", by_number, answers == np.asarray(by_number)[labels]
    found, right = _matched(answers, labels, len(names), len(data.classes))
    if found not in (data.outputs, by_number):
        yield "classes in the order in which it seems to know them", found, right


def _natural(name: str) -> tuple[object, ...]:
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part.lower()) for part in re.split(r"(\d+)", name))


def _matched(
    answers: NDArray[np.int64], labels: NDArray[np.int64], classes: int, outputs: int
) -> tuple[tuple[int, ...], NDArray[np.bool_]]:
    """The outputs that fit best; right is counted on one half of the images with what fits the other half."""
    halves = np.arange(len(labels)) % 2 == 0
    right = np.zeros(len(labels), bool)
    for half in (halves, ~halves):
        match = _match(answers[half], labels[half], classes, outputs)
        right[~half] = answers[~half] == np.asarray(match)[labels[~half]]
    return _match(answers, labels, classes, outputs), right


def _match(answers: NDArray[np.int64], labels: NDArray[np.int64], classes: int, outputs: int) -> tuple[int, ...]:
    """The outputs for the classes that make most answers right (Kuhn, 1955)."""
    together = np.zeros((classes, max(outputs, classes)))
    np.add.at(together, (labels, answers), 1)
    return tuple(int(output) for output in linear_sum_assignment(together, maximize=True)[1])


# --- techniques ------------------------------------------------------------------------------------------------------


def try_techniques(graph: fx.GraphModule, dataset: Dataset, watch: Watch = SILENT) -> Iterator[TechniqueCheck]:
    """Each technique with a usual setting, on few images and without training."""
    few = replace(
        dataset,
        train=dataset.train.head(FITTED),
        calibration=dataset.calibration.head(FITTED),
        validation=dataset.validation.head(FITTED),
    )
    context = Context(within_memory(few, graph), graph, lambda step: thinned(graph, step.width_mult), seed=0)
    before = _coded(graph)
    until = time.monotonic() + TABLE_SECONDS
    tried = {name: kind for name, kind in STEP_TYPES.items() if kind_of(kind).main != "epochs"}  # that only train
    for number, (name, kind) in enumerate(reversed(tried.items())):  # what changes the structure takes longest
        watch.check()
        watch.report(number / len(tried), f"trying {kind_of(kind).title.lower()}")
        if time.monotonic() > until:
            yield TechniqueCheck(technique=name, seconds=0, problem="not tried: the others took all the time there was")
        else:
            yield _try(graph, _usual(kind), replace(context, watch=_patient(watch)), before)


def _usual(kind: type[Step]) -> Step:
    untrained = {"epochs": 0} if "epochs" in kind.model_fields else {}
    return kind(**dict(kind_of(kind).start) | untrained)


class _TooLong(CompressionError):
    """What takes longer than anybody waits for."""


def _patient(watch: Watch) -> Watch:
    """For one technique: it may take `EACH_SECONDS`."""
    until = time.monotonic() + EACH_SECONDS

    def check() -> None:
        watch.check()
        if time.monotonic() > until:
            raise _TooLong(f"not through in {EACH_SECONDS} s: it takes longer on this network, and was given up here")

    return Watch(check=check)


def _coded(model: fx.GraphModule) -> int | None:
    """The bytes of its stored file; None where writing it takes long."""
    if sum(tensor.numel() for tensor in model.parameters()) > CODED:
        return None
    return len(stored_file.encode(export.to_onnx(fold_batch_norm(model))))


def _try(graph: fx.GraphModule, step: Step, context: Context, before: int | None) -> TechniqueCheck:
    started = time.monotonic()
    try:
        model = apply_step(graph, step, context)
        size = _coded(model)
        on_integers = _on_integers(model) if isinstance(step, Quantization) else None
    except CompressionError as error:
        took = time.monotonic() - started
        return TechniqueCheck(technique=step.technique, seconds=took, problem=str(error))
    stayed = _stayed(weighted_layers(graph), weighted_layers(model))
    return TechniqueCheck(
        technique=step.technique,
        seconds=time.monotonic() - started,
        reached=len(weighted_layers(graph)) - len(stayed),
        stored_ratio=before / size if before and size else None,
        on_integers=on_integers,
        left=_why_channels_stay(graph, stayed) if isinstance(step, ChannelPruning) else dict.fromkeys(stayed, ""),
    )


def _on_integers(model: fx.GraphModule) -> float:
    """The share of multiplications for which the runtime has integer kernels on this machine."""
    folded = fold_batch_norm(model)
    found = runtime_costs(export.to_onnx(folded).SerializeToString()).integer_macs
    return found / max(1, count_costs(folded).macs)


def _stayed(before: dict[str, WeightedLayer], after: dict[str, WeightedLayer]) -> list[str]:
    """Layers whose weights are as they were."""
    return [
        name
        for name, layer in before.items()
        if name in after and type(after[name]) is type(layer) and _same(layer, after[name])
    ]


def _same(one: WeightedLayer, other: WeightedLayer) -> bool:
    a, b = one.weight, other.weight
    return a.shape == b.shape and torch.equal(a, b)


def _why_channels_stay(graph: fx.GraphModule, stayed: Sequence[str]) -> dict[str, str]:
    """For layers that have kept all channels: what comes after them decides that."""
    if not stayed:
        return {}
    stuck = [node.name for node in Labels(graph).stuck]
    last = list(weighted_layers(graph))[-1]
    others = f"channels of this layer stay: {stuck[0]} mixes them" if stuck else "its channels are needed elsewhere"
    return {name: "its outputs are the network's answers" if name == last else others for name in stayed}


# --- time ------------------------------------------------------------------------------------------------------------


def seconds_a_point(graph: fx.GraphModule, dataset: Dataset) -> float:
    """About how long a setting takes without training: evaluation is timed, the rest is fixed by our protocol."""
    few = dataset.validation.head(COMPARED)
    session = open_session(export.to_onnx(fold_batch_norm(graph)).SerializeToString())
    run_images(session, few.head(2))
    started = time.monotonic()
    run_images(session, few)
    each = (time.monotonic() - started) / len(few)
    return each * (len(dataset.test) + len(dataset.validation) + TIMED_RUNS)


TIMED_RUNS = 400
"""About as many single images are run to time a setting beside its baseline."""
