"""What the layers of a decoded network are. Torch-free."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from compression.studies.study import Answer, Study


class Layer(BaseModel):
    """One layer with weights, in the runtime file.

    `shape` is the weight's (outputs x inputs, and height x width of a filter), `output` that of what it hands on for
    one image. `params` are weights and biases, `nonzero` those weights that are not zero and the biases, `values` how
    many different numbers the weights of one output are at most. Tied layers have their weights at the first of them.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    kind: Literal["convolution", "depthwise", "linear"]
    shape: tuple[int, ...]
    output: tuple[int, ...]
    params: int
    nonzero: int
    macs: int
    values: int


class Layers(Answer):
    """In the order in which they run."""

    layers: tuple[Layer, ...]


class LayerStudy(Study):
    """Every layer's shape and size, as decoded."""

    ANSWER = Layers
    WORDS: ClassVar[str] = "looking at the layers"

    kind: Literal["layers"] = "layers"
