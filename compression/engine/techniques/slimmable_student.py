"""Take a student of any width out of one network trained for all widths."""

from __future__ import annotations

from torch import fx

from compression import units
from compression.engine.primitives.slimming import take_width
from compression.engine.techniques.context import Context, fitting_images
from compression.recipe.steps import SlimmableStudent


def slimmable_student(model: fx.GraphModule, step: SlimmableStudent, context: Context) -> fx.GraphModule:
    """The first `step.width_mult` of each layer's channels of the slimmable network (Yu and Huang, 2019).

    Nothing is trained: batch-norm statistics, where there are any, are measured anew for this width. The
    student replaces `model`; the full width is the slimmable network itself, which was trained on and so is
    not the sample model. Raises `NotApplicable` for models without slimmable weights.
    """
    slimmable = context.load_slimmable()
    student = take_width(slimmable, step.width_mult, fitting_images(context.dataset), context.watch)
    context.watch.report(1, f"took {units.share(step.width_mult)} of the width")
    return student
