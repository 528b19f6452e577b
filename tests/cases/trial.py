"""One case on the engine: its network and data, and what techniques make of it, each made once."""

import copy
import dataclasses
import functools
import re

import numpy as np
import torch

from compression.engine.files.export import to_onnx
from compression.engine.files.stored_file import decode, encode
from compression.engine.network.form import count_costs
from compression.engine.network.tracing import trace
from compression.engine.techniques import apply_step
from compression.engine.techniques.context import Context
from compression.errors import CompressionError
from compression.models.data import Augmentation, Dataset, Split, load_dataset
from tests.cases.files import allowed_rest, run_onnx, steps_apart
from tests.cases.findings import finding, need
from tests.cases.looking import (
    acts_otherwise,
    count_by_hand,
    difference,
    distance,
    fingerprint,
    forward,
    kind_of,
    quantizers_of,
)
from tests.cases.networks import CASES, SHAPE, images

torch.set_num_threads(1)  # many small tensors: threads would only wait for each other

EQUAL = 1e-4
"""Of the largest logit."""

ROUNDED_EACH_TIME = 0.02
"""Of the largest logit, where the ranges of activations are found anew for each image."""

CODINGS = ("packed", "huffman", "context")

BARS = images(256, 11)


@functools.cache
def seen_images():
    """Those of `BARS`, and real digits."""
    return BARS, torch.from_numpy(load_dataset("digits").test.x)


def split_of(x):
    """Images of 0 to 1 as a part of a data set, all of class 0."""
    return Split((x * 255).round().to(torch.uint8).numpy(), np.zeros(len(x), np.int64), 255, 0.0, 1.0)


def relabelled(data, module, classes):
    """The data set with what the network itself says as labels."""

    def label(split):
        return dataclasses.replace(split, y=forward(module, torch.from_numpy(split.x)).argmax(1).numpy())

    parts = {name: label(getattr(data, name)) for name in ("train", "calibration", "validation", "test")}
    return dataclasses.replace(data, classes=tuple(map(str, range(classes))), **parts)


def written(model):
    """The runtime file that comes back out of the stored one, and how many bytes are stored."""
    proto = to_onnx(model)
    data = proto.SerializeToString(deterministic=True)
    for coding in CODINGS:
        stored = encode(proto, coding)
        back = decode(stored).SerializeToString(deterministic=True)
        same = back == data or torch.equal(run_onnx(back, BARS), run_onnx(data, BARS))
        need(same, f"the stored file ({coding}) decodes to other logits")
    return back, len(stored)


class Subject:
    """A network with its data, and what steps make of it."""

    def __init__(self, module, dataset):
        self.module, self.dataset = module, dataset
        self._before = fingerprint(module)
        self.model = trace(module, SHAPE)
        self._traced = fingerprint(self.model)
        self._made, self._written, self._answers = {}, {}, {}
        self.trainings = {}

    def after(self, *steps):
        """The network after these steps; raises again what they raised before."""
        if not steps:
            return self.model
        if steps not in self._made:
            try:
                self._made[steps] = self._apply(self.after(*steps[:-1]), steps)
            except Exception as error:
                self._made[steps] = error
        if isinstance(self._made[steps], Exception):
            raise self._made[steps]
        return self._made[steps]

    def anew(self, *steps):
        """The network after these steps, made once more."""
        model = self.model
        for number in range(len(steps)):
            model = self._apply(model, steps[: number + 1])
        return model

    def _apply(self, model, steps):
        torch.manual_seed(0)
        trained = functools.partial(self.trainings.__setitem__, steps)
        return apply_step(
            model, steps[-1], Context(self.dataset, self.model, lambda step: self.model, 0, trained=trained)
        )

    def failure(self, *steps):
        """What these steps raise, if they do."""
        try:
            self.after(*steps)
        except Exception as error:
            return error
        return None

    def check_unchanged(self):
        """Neither what was traced nor the graph may change."""
        for words, before, now in (("module", self._before, self.module), ("model", self._traced, self.model)):
            changed = difference(before, fingerprint(now))
            need(not changed, f"the given {words} has changed: {changed}")

    def written(self, *steps):
        """What is written after these steps, once."""
        if steps not in self._written:
            self._written[steps] = written(self.after(*steps))
        return self._written[steps]

    def answers(self, *steps):
        """The logits for `seen_images` after these steps, computed once."""
        if steps not in self._answers:
            self._answers[steps] = tuple(forward(self.after(*steps), x) for x in seen_images())
        return self._answers[steps]

    def file(self, *steps):
        return self.written(*steps)[0]

    def size(self, *steps):
        """Bytes that are stored; 0 for what cannot be written."""
        if steps in self._written:
            return self._written[steps][1]
        try:
            return len(encode(to_onnx(self.after(*steps))))
        except CompressionError:
            return 0

    def check_result(self, *steps):
        """Forward, finite, file equal to torch, stored and decoded, counted."""
        result = self.after(*steps)
        for name, tensor in result.state_dict().items():
            need(not tensor.is_floating_point() or bool(tensor.isfinite().all()), f"{name} is not finite")
        need(all(bool(logits.isfinite().all()) for logits in self.answers(*steps)), "logits are not finite")
        training = result.training or any(layer.training for layer in result.modules() if acts_otherwise(layer))
        need(not training, "the result is in training mode")
        self._check_runtime(*steps)
        found = dataclasses.asdict(count_costs(result))
        for name, right in count_by_hand(result, SHAPE).items():
            need(found[name] == right, f"counts {found[name]:,} {name}, by hand {right:,}")

    def _check_runtime(self, *steps):
        """ONNX Runtime against torch. With rounded activations: from the same codes the same next codes, to one step.

        One code in a hundred may be a step or two further: integer biases are rounded, and torch's are not.
        """
        result, data = self.after(*steps), self.file(*steps)
        for x, logits in zip(seen_images(), self.answers(*steps), strict=True):
            off = distance(logits, run_onnx(data, x))
            if not quantizers_of(result):
                dynamic = any(kind_of(result, node) == "DynamicQuantizer" for node in result.graph.nodes)
                limit = ROUNDED_EACH_TIME if dynamic else EQUAL
                need(off <= limit, f"the file is {off:.2%} off its own torch network")
                continue
            codes, rest = steps_apart(result, data, x)
            need(rest <= allowed_rest(data, logits), f"from the last codes on the file is {rest:.2%} off")
            for node, apart in codes.items():
                far, most = float((apart > 1).float().mean()), float(apart.max())
                words = (
                    f"codes behind {node.args[0]} are {most:.0f} steps from what torch makes of the same codes before"
                )
                need(far <= 0.01 and most <= 3, f"{words} ({far:.1%} by more than one), logits {off:.1%}")


class Trial:
    """A case with its data; `twin` computes the same in the plainest way, if the case has one."""

    def __init__(self, id):
        self.id, self.case = id, CASES[id]
        self.module, self.twin = self.case.build(), self.case.twin()
        self.right = self.twin if id == "C19" else self.module  # its own answers differ from call to call
        self.plain = self.twin if id in ("C17", "C19", "C21", "C49") else self.module  # every weight once, and used

    @functools.cached_property
    def data(self):
        """Digits; of other classes than these, what the network itself says."""
        digits = load_dataset("digits")
        return relabelled(digits, self.module, 300) if self.id == "C53" else digits

    @functools.cached_property
    def subject(self):
        return Subject(self.module, self.data)

    @functools.cached_property
    def other(self):
        """The twin."""
        return Subject(self.twin, self.data)

    @functools.cached_property
    def bars(self):
        """`images` as a data set, on which the percentages in `networks` hold; labels are what the network says."""
        parts = (split_of(images(count, seed)) for count, seed in ((768, 1), (256, 2), (128, 4), (256, 11)))
        return relabelled(Dataset("bars", (), Augmentation(), *parts), self.module, 10)

    @functools.cached_property
    def on_bars(self):
        """The case with `images` as its data."""
        return Subject(copy.deepcopy(self.module), self.bars)

    def tried(self, work, *, at_the_door=False):
        """How a check ends on this case."""
        refusable = self.case.refusable
        may_refuse = refusable == "anywhere" or (at_the_door and refusable == "door")
        return finding(work, may_refuse=may_refuse, names_it=self._names_it)

    def _names_it(self, text):
        if self.case.named and re.search(self.case.named, text, re.IGNORECASE):
            return True
        if self.case.named and self.case.refusable == "anywhere":
            return False
        return any(re.search(rf"(?<!\w){re.escape(token)}(?!\w)", text) for token in self._tokens)

    @functools.cached_property
    def _tokens(self):
        """Names of nodes, of what they call, and of their layers; none where the network did not come in."""
        found = set()
        for node in self.subject.model.graph.nodes if "subject" in vars(self) else ():
            if node.op not in ("placeholder", "output"):
                found |= {node.name, str(node.target), getattr(node.target, "__name__", node.name)}
        return found
