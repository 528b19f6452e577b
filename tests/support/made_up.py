"""Answers of inquiries with made-up numbers in real shapes, for tests of numbers, rules and pages."""

import numpy as np

from compression.inquiries.activations import ActivationInquiry, ActivationRange, Activations
from compression.inquiries.anatomy import Anatomy, AnatomyInquiry, Arrow, Box, FileAnatomy, LayerRow, NodeTime
from compression.inquiries.sensitivity import LayerSensitivity, Sensitivities, SensitivityInquiry
from compression.inquiries.weights import Histogram, LayerWeights, WeightInquiry, Weights


def row(name="conv1", **changes):
    """One layer: 1,000 weights in float."""
    return LayerRow(
        **(
            {
                "name": name, "kind": "Conv 5×5", "shape": (8, 5, 5, 5), "original": name, "weights": 1000,
                "parameters": 1008, "nonzero": 1000, "format": "float32", "bits": 32, "levels": 0,
                "stored_bytes": 3500, "weight_bytes": 3400, "runtime_bytes": 4032, "macs": 100_000,
                "integer": False, "ms": 0.02,
            }
            | changes
        )
    )  # fmt: skip


def file(layers, others=(), rest=None, **changes):
    """A file of these layers; `others` are nodes without weights: operator and milliseconds."""
    rest = rest or {"graph": 100, "header": 12, "shared": 0, "others": 0}
    nodes = [NodeTime(operator="Conv", layer=layer.name, ms=layer.ms) for layer in layers]
    nodes += [NodeTime(operator=operator, layer="", ms=ms) for operator, ms in others]
    return FileAnatomy(
        **(
            {
                "layers": tuple(layers), "rest": rest, "nodes": tuple(nodes), "run_ms": 0.05, "overhead_ms": 0.003,
                "runs": 240,
                "stored_bytes": sum(layer.stored_bytes for layer in layers) + sum(rest.values()),
            }
            | changes
        )
    )  # fmt: skip


BASELINE = (
    row("conv1", stored_bytes=3500),
    row("hidden", kind="Linear", shape=(50, 800), weights=40_000, parameters=40_050, nonzero=40_000,
        stored_bytes=130_000, weight_bytes=129_000, runtime_bytes=160_200, macs=40_000, ms=0.01),
)  # fmt: skip


def anatomy(layers=BASELINE, others=(), **changes):
    """A network of these layers beside the made-up baseline."""
    boxes = [Box(label="Image"), *(Box(label="ReLU", layer=layer.name) for layer in layers), Box(label="Classes")]
    arrows = [Arrow(source=number, target=number + 1, bits=8 * (number == 1)) for number in range(len(boxes) - 1)]
    return Anatomy(
        **(
            {
                "subject": file(layers, others), "baseline": file(BASELINE), "boxes": tuple(boxes),
                "arrows": tuple(arrows),
            }
            | changes
        )
    )  # fmt: skip


def histogram(levels=(), before=True):
    """Ten bars."""
    return Histogram(
        edges=np.linspace(-1, 1, 11).astype(np.float32),
        before=np.arange(10, dtype=np.int32) if before else np.zeros(0, np.int32),
        after=np.arange(10, dtype=np.int32)[::-1],
        levels=np.array(levels, np.float32),
        zeros_before=0,
        zeros_after=5,
    )


def layer_weights(name="conv1", **changes):
    """A layer of eight outputs and 125 inputs, of which every other one is zero."""
    return LayerWeights(
        **(
            {
                "name": name, "original": name, "shape": (8, 5, 5, 5), "original_shape": (8, 5, 5, 5), "n_zeros": 500,
                "values": histogram(), "steps": histogram((-1, 0, 1)), "zeros": np.full((8, 63), 127, np.uint8),
                "cell": (1, 2), "corner": np.tile([True, False], (8, 16)),
                "filters": np.ones((8, 5, 5, 5), np.float16), "filters_before": np.ones((8, 5, 5, 5), np.float16),
            }
            | changes
        )
    )  # fmt: skip


def weights(names=("conv1", "hidden")):
    """All layers."""
    return Weights(layers=tuple(layer_weights(name) for name in names))


def activations(bits=8, dynamic=False):
    """The image and two layers, of which the first is rounded."""
    rows = (
        ActivationRange(name="image", min=-1, low=-0.9, high=0.9, max=1),
        ActivationRange(
            name="conv1", min=0, low=0, high=4, max=9, kept_low=0, kept_high=6, bits=bits, clipped=0.002 * bool(bits)
        ),
        ActivationRange(name="hidden", min=-5, low=-4, high=4, max=5),
    )
    return Activations(n_images=256, subject=rows, baseline=rows, dynamic=dynamic)


def sensitivities():
    """`conv1` suffers below four bits and from half of its weights on; `hidden` from two bits on only."""
    return Sensitivities(
        n_images=500,
        accuracy=0.98,
        layers=(
            LayerSensitivity(
                name="conv1", weights=1000, by_bits=(0.98, 0.972, 0.90, 0.5), by_sparsity=(0.9, 0.8, 0.5, 0.3, 0.1)
            ),
            LayerSensitivity(
                name="hidden", weights=40_000, by_bits=(0.98, 0.98, 0.975, 0.96),
                by_sparsity=(0.98, 0.98, 0.98, 0.975, 0.97),
            ),
        ),
    )  # fmt: skip


def answer_to(inquiry):
    """What a fake engine answers."""
    return {
        AnatomyInquiry: anatomy,
        WeightInquiry: weights,
        ActivationInquiry: activations,
        SensitivityInquiry: sensitivities,
    }[type(inquiry)]()
