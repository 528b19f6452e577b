"""What the chapters of the course ask about one layer of a sample model, or about timing. Torch-free.

Each answer holds every position of the chapter's controls, so that a moved slider only looks something up. The
recipe says which model: its layers are those of the trained network, whatever the steps.
"""

from __future__ import annotations

from pydantic import Field

from compression.inquiries.arrays import Array
from compression.inquiries.inquiry import Answer, Inquiry

ROWS, COLUMNS = 32, 64
"""At most these outputs and inputs of a layer are drawn: more would be specks on a projector."""

SPARSITIES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
"""Positions of the pruning chapter's slider."""

PATTERNS = ("weights", "blocks", "channels", "2:4", "1:4")
"""What goes together: single weights, four neighbours, whole outputs, and two fixed patterns."""

BITS = (1, 2, 3, 4, 5, 6, 7, 8)
"""Positions of the bit sliders."""

GRIDS = (("tensor", "nearest"), ("tensor", "mse"), ("channel", "nearest"), ("channel", "mse"))
"""One scale for the layer or one for each output; over the full range or clipped."""

CLUSTERS = (2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 256)
"""Positions of the slider for shared values."""

TEMPERATURES = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 20.0)
"""Positions of the temperature slider."""

TEACHER_PICTURES = 12
"""Images whose predictions are shown: half of them those that the teacher is least sure of."""

CODED_SPARSITIES = (0.0, 0.5, 0.9)
"""Shares of zeros that the coding chapter offers before the layer gets its codes."""

KERNELS, CHANNELS, SIDES = (3, 5), (8, 32, 64, 128), (7, 14, 28)
"""The grid of convolutions that are timed, whole and split."""


class LayerInquiry(Inquiry):
    """An inquiry of one layer, by its name in the network."""

    layer: str = Field(min_length=1, max_length=200)


class Layout(Answer):
    """Of each layer, in order: weights (layers), multiply-accumulates for one image; `others` are all other numbers."""

    layers: tuple[str, ...]
    weights: Array
    macs: Array
    others: int


class LayoutInquiry(Inquiry, kind="lesson_layout", answer=Layout, words="counting weights and operations"):
    """Where a network's numbers are and where its work is done."""


class Pruned(Answer):
    """`weights` (rows x columns, float16) is the corner that is drawn.

    `gone_at[pattern]` (uint8, the corner's shape) is the first position of `SPARSITIES` at which each weight is zero;
    past the end: at none. `zeros[pattern]` and `errors[pattern]` are the share of zeros and the relative squared
    error of the layer's answers on real images at each position, with nothing fitted afterwards. Patterns of fixed
    sparsity have one position.
    """

    weights: Array
    gone_at: dict[str, Array]
    zeros: dict[str, Array]
    errors: dict[str, Array]


class PruningInquiry(LayerInquiry, kind="lesson_pruning", answer=Pruned, words="pruning the layer in every way"):
    """Which weights of a layer go at each sparsity, and what that does to its answers."""


class Rounded(Answer):
    """`counts` and `edges` are the layer's histogram, `sample` some weights of the output `channel`, ascending.

    For each of `GRIDS` and each of `BITS`: `levels[grid]` are the values that the weights of that channel may take
    (bits x 256, NaN beyond the last), `rounded[grid]` (bits x sample) what the sample becomes, and `errors[grid]`
    (bits) the relative squared error of the layer's answers on real images. `ranges` (outputs x 2) are the
    least and the largest weight of each output. `weights` (rows x columns, float16) is the corner that is drawn, and
    `corners[grid]` (bits x rows x columns) what becomes of it.
    """

    counts: Array
    edges: Array
    weights: Array
    corners: dict[str, Array]
    channel: int
    sample: Array
    levels: dict[str, Array]
    rounded: dict[str, Array]
    errors: dict[str, Array]
    ranges: Array


class RoundingInquiry(
    LayerInquiry, kind="lesson_rounding", answer=Rounded, words="rounding the layer to every number of bits"
):
    """What a layer's weights become with 1 to 8 bits."""


class Taught(Answer):
    """The teacher's predictions for some images, softened by each of `TEMPERATURES`.

    `images` (uint8, images x channels x height x width) with the true `labels`; `probabilities` (float32,
    temperatures x images x classes). `entropy_bits` (temperatures) is how much an answer says on average over all
    validation images, and `sure` the share of them on which the teacher gives its choice over 99 % at temperature 1.
    """

    images: Array
    white: int
    labels: Array
    classes: tuple[str, ...]
    probabilities: Array
    entropy_bits: Array
    sure: float


class TeacherInquiry(Inquiry, kind="lesson_teacher", answer=Taught, words="asking the teacher"):
    """What a teacher tells a student, beyond the right answer."""


class Shared(Answer):
    """`counts` and `edges` are the layer's histogram.

    For each of `CLUSTERS`, rows of at most 256 numbers with NaN (`values`) or 0 (`members`) behind the last:
    the shared `values`, how many weights take each (`members`); `errors` and `even_errors` are the mean squared
    change of a weight, relative to the weights' mean square, with these values and with as many evenly spaced ones.
    Each weight counts by how strongly the network's answers depend on it, as when the values are placed.
    """

    counts: Array
    edges: Array
    values: Array
    members: Array
    errors: Array
    even_errors: Array
    size: int


class SharingInquiry(LayerInquiry, kind="lesson_sharing", answer=Shared, words="looking for the best shared values"):
    """The codebooks of a layer, from 2 to 256 values."""


class Factored(Answer):
    """A layer as a product of two thinner ones, `left` (outputs x full rank) times `right` (full rank x inputs).

    Keeping the first r columns and rows gives the best product of rank r for the images that the network sees. Both
    are cut to the corner that is drawn, whose original is `weights`. `errors` and `plain_errors` (rank 0 to full)
    are relative squared errors of the answers: with these, and with a plain singular value decomposition of the
    weights. `shape` is that of the whole layer, outputs and inputs.
    """

    weights: Array
    left: Array
    right: Array
    errors: Array
    plain_errors: Array
    shape: tuple[int, int]


class FactorInquiry(LayerInquiry, kind="lesson_factors", answer=Factored, words="taking the layer apart"):
    """A layer at every rank."""


class Split(Answer):
    """Medians in milliseconds for one image of a convolution and of its split form.

    All are kernels x inputs x outputs x sides, along `KERNELS`, `CHANNELS`, `CHANNELS` and `SIDES`. `ratio` is split
    over whole, measured in turns, with its 95 % interval.
    """

    whole_ms: Array
    split_ms: Array
    ratio: Array
    ratio_low: Array
    ratio_high: Array


class SplitInquiry(Inquiry, kind="lesson_split", answer=Split, words="timing convolutions of many shapes"):
    """How long convolutions take, whole and depthwise-separable. Of this machine: the recipe does not matter."""


class Coded(Answer):
    """Of a layer's codes, for each of `CODED_SPARSITIES` and each of `BITS`.

    `counts` (sparsities x bits x 256) says how often each code occurs, the first being the lowest; `lengths` (the
    same shape) how many bits a Huffman code gives it, 0 where it does not occur. `entropy`, `huffman`, `arithmetic`
    and `plain` (sparsities x bits) are bits a weight: Shannon's bound for single codes, and what the three codings
    of the stored file really take, all they need to be decoded counted in but for the network's graph. `size` is
    the number of weights.
    """

    counts: Array
    lengths: Array
    entropy: Array
    huffman: Array
    arithmetic: Array
    plain: Array
    size: int


class CodingInquiry(LayerInquiry, kind="lesson_coding", answer=Coded, words="writing the layer down in every way"):
    """What a layer's codes cost to write down."""


class Timed(Answer):
    """Milliseconds of single runs (float32, 2 x rounds x runs): of this recipe, and in turn with it of its baseline."""

    times_ms: Array
    ratio: float
    ratio_low: float
    ratio_high: float


class TimingInquiry(Inquiry, kind="lesson_timing", answer=Timed, words="timing single runs"):
    """Every single run of a latency measurement."""
