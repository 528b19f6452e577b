"""What a network's files hold layer by layer, and how long each layer takes. Torch-free."""

from __future__ import annotations

from typing import Literal

from compression.inquiries.inquiry import Answer, Inquiry, Part

Format = Literal["float32", "float16", "bfloat16", "codes", "codebook"]
"""How a layer's weights are written: floats, integer codes with a scale, or codes that point at shared values."""


class LayerRow(Part):
    """One convolution or linear layer as it stands in the files.

    `original` names the layer of the uncompressed network that it is, or is a part of (empty: there is none).
    `bits` are those that the codes or values of its weights need, read from the file. `stored_bytes` are its weights,
    scales, codebook and bias in the stored file, `weight_bytes` its weights alone, `runtime_bytes` all of them in the
    runtime file. `macs` and `ms` are for one image, all `calls` together. `integer` says whether an integer kernel
    carries it out.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    original: str = ""
    calls: int = 1
    groups: int = 1
    weights: int
    parameters: int
    nonzero: int
    format: Format
    bits: int
    levels: int
    stored_bytes: int
    weight_bytes: int
    runtime_bytes: int
    macs: int
    integer: bool
    ms: float


class NodeTime(Part):
    """One node of the graph that the runtime really runs: its operator, its layer (or empty), and milliseconds."""

    operator: str
    layer: str
    ms: float


class FileAnatomy(Part):
    """One network. `layers` and `rest` add up to the stored file: `rest` has bytes that belong to no single layer.

    `run_ms` is the median time of whole runs, in turn with those in which nodes are timed. Timing a node takes time
    itself: `overhead_ms` is taken off each node's already.
    """

    layers: tuple[LayerRow, ...]
    rest: dict[str, int]
    stored_bytes: int
    nodes: tuple[NodeTime, ...]
    run_ms: float
    overhead_ms: float
    runs: int

    @property
    def nodes_ms(self) -> float:
        """The time of all nodes of one run."""
        return sum(node.ms for node in self.nodes)


class Box(Part):
    """One node of the network's picture: a weighted layer (named), or another operation."""

    label: str
    layer: str = ""


class Arrow(Part):
    """Numbers that go from one box to another; `bits` where they are rounded on the way, else 0."""

    source: int
    target: int
    bits: int = 0


class Anatomy(Answer):
    """The network's files, those of its baseline, and a picture of what is connected with what.

    `named` is False where the layers could not be matched with the steps, and are numbered instead.
    """

    subject: FileAnatomy
    baseline: FileAnatomy
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    named: bool = True
    other_family: bool = False


class AnatomyInquiry(Inquiry, kind="anatomy", answer=Anatomy, words="taking the network apart"):
    """Each layer in the stored file, in the runtime file, and on the clock."""
