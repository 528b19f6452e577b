"""What the weights of each layer look like, before and after. Torch-free."""

from __future__ import annotations

from compression.inquiries.arrays import Array
from compression.inquiries.inquiry import Answer, Inquiry, Part


class Histogram(Part):
    """How many weights lie where. `edges` has one number more than `before` and `after` have counts.

    Zeros are not among the counts: `zeros_before` and `zeros_after` say how many there are. `before` is empty where
    there is no layer to compare with. `levels` are the values that weights may take afterwards; empty for floats.
    """

    edges: Array
    before: Array
    after: Array
    levels: Array
    zeros_before: int
    zeros_after: int


class LayerWeights(Part):
    """One layer. `values` is over the weights, `steps` over the weights divided by their channel's step of the grid.

    `steps` is only there where each output channel has a grid of its own. `zeros` is the matrix of outputs x inputs
    in cells of `cell` rows and columns: the share of each cell's weights that are zero, 0 to 255. `corner` is
    the first rows and columns as they are, True where a weight is zero. `filters` and `filters_before` hold the first
    kernels (outputs x inputs x height x width), empty where there are none to look at.
    """

    name: str
    original: str
    shape: tuple[int, ...]
    original_shape: tuple[int, ...]
    n_zeros: int
    values: Histogram
    steps: Histogram | None
    zeros: Array
    cell: tuple[int, int]
    corner: Array
    filters: Array
    filters_before: Array


class Weights(Answer):
    """All layers with weights, in the order in which the network calls them."""

    layers: tuple[LayerWeights, ...]


class WeightInquiry(Inquiry, kind="weights", answer=Weights, words="looking at the weights"):
    """Histograms, zeros and filters of every layer, from the decoded files."""
