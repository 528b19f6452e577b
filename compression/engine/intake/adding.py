"""Make a network that a person brought one of the models that there are: its graph, its card, its picture."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from torch import fx, nn

from compression import atomic
from compression.engine.build import read_network
from compression.engine.files import export
from compression.engine.intake import entry_check
from compression.engine.intake.onnx_check import TOLERANCE, check_logits
from compression.engine.intake.sources import Given
from compression.engine.measure import evaluation
from compression.engine.network.form import before_softmax, count_costs, ending_in_logits, weighted_layers
from compression.engine.network.onnx_reader import read_onnx
from compression.engine.network.tracing import trace
from compression.engine.primitives.batch_norm import fold_batch_norm
from compression.engine.samples.train import picture
from compression.engine.training.allocator import reused_memory
from compression.errors import RefusedFile
from compression.models.brought.findings import EntryCheck
from compression.models.brought.own import (
    CARD,
    GIVEN,
    NETWORK,
    PICTURE,
    OwnData,
    OwnModel,
    answers_path,
    data_of,
    facts_of_own,
    free_name,
    model_folder,
)
from compression.models.data import SPLITS, Dataset
from compression.watch import SILENT, Watch


def add_model(name: str, given: Given, data: str, watch: Watch = SILENT, notes: Sequence[str] = ()) -> EntryCheck:
    """Check a network on the images called `data`, and keep it as `name`; nothing is kept where it is refused.

    The `notes` are said first of what is found.

    Raises `RefusedFile`, `UnsupportedModel` and `DataUnavailable`.
    """
    free_name(name, of="model")
    facts = facts_of_own(data)
    watch.report(0, "following the network")
    graph = trace(given.module, given.shape)
    outputs = _outputs(graph)
    classes, meant = _classes(given, facts.classes, outputs, has_labels=facts.has_labels)
    watch.report(0.1, "decoding images")
    unlabelled = data_of(data, given.preprocessing, classes, meant)
    images = replace(unlabelled, has_labels=True).load(watch.part(0.1, 0.4))
    far = entry_check.compare(graph, given.onnx or given.module, images.validation)
    notes = [*notes, *_without_softmax(graph)]
    with atomic.replacing(model_folder(name)) as folder:
        folder.mkdir()
        network = export.to_onnx(graph, folds=False).SerializeToString(deterministic=True)
        (folder / NETWORK).write_bytes(network)
        if given.onnx:
            (folder / GIVEN).write_bytes(given.onnx)
        own, dataset = unlabelled, images
        if not facts.has_labels:
            _write_answers(graph, images, folder, watch.part(0.4, 0.5))
            own = data_of(data, given.preprocessing, classes, meant, answers=folder)
            dataset = own.load()
        picture(dataset).save(folder / PICTURE, optimize=True)
        found = EntryCheck(
            against="the given file in ONNX Runtime" if given.onnx else "the given one in torch",
            largest_difference=far,
            tolerance=TOLERANCE,
            n_compared=min(entry_check.COMPARED, len(dataset.validation)),
            layers=len(weighted_layers(graph)),
            notes=tuple(notes),
        )
        found = _checked(graph, own, dataset, found, watch.part(0.5, 0.6))
        card = {"title": name, "weights_sha256": hashlib.sha256(network).hexdigest()} | _card(given, graph, own)
        card |= {**_accuracy(graph, dataset), "check": found.model_dump(mode="json")}
        (folder / CARD).write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return _tried(OwnModel(name), graph, dataset, found, watch.part(0.6, 1))  # it can be used meanwhile


def check_model(name: str, watch: Watch = SILENT) -> EntryCheck:
    """Carry out the entry check of an own network anew, and keep what is found on its card."""
    entry = OwnModel(name)
    graph, data = read_network(entry), entry.data
    dataset = data.load(watch.part(0, 0.3))
    before = EntryCheck.model_validate(entry.card["check"])
    given = entry.folder / GIVEN
    if given.is_file():
        read = trace(*read_onnx(onnx.load(given)))
        pairs: tuple[tuple[fx.GraphModule, nn.Module | bytes], ...]
        pairs = (read, given.read_bytes()), (graph, ending_in_logits(read))
        far = max(entry_check.compare(ours, theirs, dataset.validation) for ours, theirs in pairs)
        before = before.model_copy(update={"largest_difference": far})
    found = _checked(graph, data, dataset, before, watch.part(0.3, 0.5))
    entry.rewrite({"check": found.model_dump(mode="json"), **_accuracy(graph, dataset)})
    return _tried(entry, graph, dataset, found, watch.part(0.5, 1))


def use_better(name: str, watch: Watch = SILENT) -> EntryCheck:
    """Prepare the images for an own network in the better way that its entry check has found; checks it again.

    Raises `RefusedFile` where none was found.
    """
    entry = OwnModel(name)
    better = EntryCheck.model_validate(entry.card["check"]).better
    if better is None:
        raise RefusedFile(f"The entry check of {name} has found no better way to prepare its images.")
    entry.rewrite({"preprocessing": better.preprocessing, "outputs": list(better.outputs)})
    return check_model(name, watch)


def _outputs(graph: fx.GraphModule) -> int:
    answer = next(node for node in graph.graph.nodes if node.op == "output").args[0]
    shape = answer.meta["shape"]
    check_logits(shape)
    return int(shape[1])


def _classes(
    given: Given, classes: tuple[str, ...], outputs: int, *, has_labels: bool
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """What the outputs are called, and which of them stands for each class of the images."""
    names = given.categories or tuple(map(str, range(outputs)))
    if not has_labels:
        return names, ()
    if outputs < len(classes):
        raise RefusedFile(
            f"The images are of {len(classes)} classes, but the network tells only {outputs} apart. Choose other "
            "images, or a network with as many outputs."
        )
    if outputs == len(classes):
        return classes, tuple(range(outputs))
    known = {_plain(name): number for number, name in reversed(list(enumerate(names)))}
    meant = tuple(known.get(_plain(name), number) for number, name in enumerate(classes))
    return tuple(classes[meant.index(number)] if number in meant else name for number, name in enumerate(names)), meant


def _plain(name: str) -> str:
    return name.lower().replace("_", " ").strip()


def _without_softmax(graph: fx.GraphModule) -> list[str]:
    """Take a softmax at the end away, in place: training needs what comes before it, and the order stays."""
    (end,) = (node for node in graph.graph.nodes if node.op == "output")
    last = end.args[0]
    logits = before_softmax(graph, last)
    if logits is last:
        return []
    end.args = (logits,)
    graph.graph.erase_node(last)
    graph.delete_submodule(str(last.target))
    graph.recompile()
    return ["The given network ends in a softmax; here it ends before it, which changes no predicted class."]


def _write_answers(graph: fx.GraphModule, images: Dataset, folder: Path, watch: Watch) -> None:
    content = export.to_onnx(graph).SerializeToString()
    for number, split in enumerate(SPLITS):
        part = watch.part(number / len(SPLITS), (number + 1) / len(SPLITS))
        logits = evaluation.logits_of(content, getattr(images, split), part)
        np.save(answers_path(folder, split), logits.argmax(1).astype(np.int64))


def _checked(graph: fx.GraphModule, own: OwnData, dataset: Dataset, found: EntryCheck, watch: Watch) -> EntryCheck:
    judged = entry_check.judge(graph, own, dataset, watch) if own.has_labels else {}
    return found.model_copy(update={**judged, "seconds_a_point": entry_check.seconds_a_point(graph, dataset)})


def _tried(entry: OwnModel, graph: fx.GraphModule, dataset: Dataset, found: EntryCheck, watch: Watch) -> EntryCheck:
    """What was found, and which techniques work, also on the card."""
    with reused_memory():
        techniques = tuple(reversed(list(entry_check.try_techniques(graph, dataset, watch))))
    found = found.model_copy(update={"techniques": techniques})
    entry.rewrite({"check": found.model_dump(mode="json")})
    return found


def _accuracy(graph: fx.GraphModule, dataset: Dataset) -> dict[str, Any]:
    """On the first test images: what is measured later takes all of them."""
    few = dataset.test.head(COUNTED)
    correct = int((evaluation.predict(export.to_onnx(graph).SerializeToString(), few) == few.y).sum())
    return {"accuracy": correct / len(few), "correct": correct, "n_test": len(few)}


COUNTED = 2000
"""Test images for the card: tells 2 points apart, and is quick."""


def _card(given: Given, graph: fx.GraphModule, own: OwnData) -> dict[str, Any]:
    """What is known without the images."""
    costs = count_costs(fold_batch_norm(graph))
    channels, height, width = own.shape
    return {
        "task": f"Your own: {own.name}, {height} x {width} pixels{'' if own.has_labels else ', without labels'}",
        "about": f"{given.about[0].upper()}{given.about[1:]}.",
        "origin": given.about,
        "dataset": own.name,
        "preprocessing": dataclasses.asdict(given.preprocessing),
        "outputs": list(own.outputs),
        "classes": list(own.classes),
        "input_shape": [channels, height, width],
        "params": costs.params,
        "macs": costs.macs,
        "layers": {layer: list(found.weight.shape) for layer, found in weighted_layers(graph).items()},
    }
