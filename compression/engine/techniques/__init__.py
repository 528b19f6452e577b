"""Techniques: functions that carry out one kind of step.

The one protocol is `(model, step, context) -> model`. The given model is not changed. A technique knows
nothing of jobs, files or pages; `Context` brings what it needs. To add one: a step in `recipe/steps.py`, a file
here, a line in `TECHNIQUES`, an entry in the contract test; and for people a kind in `recipe/words.py` (its `slider`
puts it among the sliders) and a row in `search/curves.py`. Without these two the dashboard says and shows less.
"""

from __future__ import annotations

from torch import fx

from compression.engine.techniques.channel_pruning import channel_pruning
from compression.engine.techniques.context import Context, Technique, within_memory
from compression.engine.techniques.depthwise_separable import depthwise_separable
from compression.engine.techniques.distillation import distillation
from compression.engine.techniques.entropy_coding import entropy_coding
from compression.engine.techniques.fine_tuning import fine_tuning
from compression.engine.techniques.layer_tying import layer_tying
from compression.engine.techniques.low_rank import low_rank
from compression.engine.techniques.magnitude_pruning import magnitude_pruning
from compression.engine.techniques.quantization import quantization
from compression.engine.techniques.second_order_pruning import second_order_pruning
from compression.engine.techniques.slimmable_student import slimmable_student
from compression.engine.techniques.weight_sharing import weight_sharing
from compression.recipe import steps

__all__ = ["TECHNIQUES", "Context", "Technique", "apply_step", "within_memory"]

TECHNIQUES: dict[type[steps.Step], Technique] = {
    steps.Distillation: distillation,
    steps.SlimmableStudent: slimmable_student,
    steps.LayerTying: layer_tying,
    steps.DepthwiseSeparable: depthwise_separable,
    steps.LowRank: low_rank,
    steps.ChannelPruning: channel_pruning,
    steps.MagnitudePruning: magnitude_pruning,
    steps.SecondOrderPruning: second_order_pruning,
    steps.WeightSharing: weight_sharing,
    steps.Quantization: quantization,
    steps.FineTuning: fine_tuning,
    steps.EntropyCoding: entropy_coding,
}
"""What carries out each kind of step."""


def apply_step(model: fx.GraphModule, step: steps.Step, context: Context) -> fx.GraphModule:
    """Carry out one step; returns a new model and leaves the given one alone."""
    context.watch.check()
    return TECHNIQUES[type(step)](model, step, context)
