"""Write layers as products of thinner ones."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Literal

from torch import fx

from compression.engine.network.form import WeightedLayer, clone, module_of, weighted_layers
from compression.engine.primitives.moments import Moments
from compression.engine.primitives.replacement import moments_of, replace_layers, replaceable
from compression.engine.primitives.thin_layers import ThinForm, make_chain, thin_form
from compression.engine.techniques.context import Context, fitting_images
from compression.engine.techniques.levels import levels_of
from compression.errors import NotApplicable
from compression.knapsack import choose
from compression.recipe.steps import LowRank


def low_rank(model: fx.GraphModule, step: LowRank, context: Context) -> fx.GraphModule:
    """Keep `step.rank_ratio` of each layer's full rank, measured by what the layer answers on images.

    Linear layers and 1 x 1 convolutions become two (Denton et al., 2014), other convolutions three (Tucker-2;
    Kim et al., 2016), or a column and a row (Jaderberg et al., 2014; Tai et al., 2016). All factors are
    fitted, layer by layer and without training, to what the original network answers. A layer is replaced
    only if that leaves it with fewer weights and fewer operations: a square matrix, say, below half of its
    rank; the final report says how many were. Depthwise and other grouped convolutions, layers that are used
    in several places and layers with a mask or a grid stay, and so does the layer of the logits: below the
    number of classes, its rank is what tells them apart.

    `ranks="uniform"` keeps the same share everywhere. `"error"` gives the network as many parameters as that,
    and spends them where they lower the layers' relative errors most. Layers with a level of their own keep that share,
    and only the others give and take. Raises `NotApplicable` where no layer
    would shrink at any rank.
    """
    forms = thin_forms(model, step.convolutions)
    if not any(form.shrinks(form.smallest) for form in forms.values()):
        raise NotApplicable(
            "No layer of this network gets smaller as a product of thinner ones: its layers are too thin, depthwise, "
            "shared, or already sparse or quantized. Use channel pruning or quantization instead."
        )
    levels = levels_of(step, forms, others=weighted_layers(model), idle=1)
    if min(levels.values()) == 1:
        context.watch.report(1, "full rank: nothing to do")
        return clone(model)
    x = fitting_images(context.dataset)
    ranks = _ranks_at(forms, levels, step.round_to)
    free = {name: form for name, form in forms.items() if name not in dict(step.levels)}
    if step.ranks == "error" and free and step.rank_ratio < 1:
        fixed = {name: chosen for name, chosen in ranks.items() if name not in free}
        ranks = fixed | _ranks_by_error(free, moments_of(model, x, context.watch), ranks, step.round_to)
    chains = {name: functools.partial(make_chain, forms[name], chosen) for name, chosen in ranks.items()}
    thinner = replace_layers(model, chains, x, watch=context.watch)
    context.watch.report(1, f"{len(chains)} of {len(forms)} layers replaced; the others would not get smaller")
    return thinner


Ranks = dict[str, tuple[int, ...]]


def thin_forms(model: fx.GraphModule, convolutions: Literal["tucker", "spatial"]) -> dict[str, ThinForm]:
    """How each layer could be factored, by name, but for those of the logits."""
    nodes = replaceable(model)
    logits = _last_weighted(model, [node for node in model.graph.nodes if node.op == "output"])
    return {name: thin_form(model, node, convolutions) for name, node in nodes.items() if node not in logits}


def _last_weighted(model: fx.GraphModule, nodes: list[fx.Node]) -> set[fx.Node]:
    """The first weighted layers on the way back from these nodes."""
    found: set[fx.Node] = set()
    for node in nodes:
        is_weighted = isinstance(module_of(model, node), WeightedLayer)
        found |= {node} if is_weighted else _last_weighted(model, node.all_input_nodes)
    return found


def _ranks_at(forms: Mapping[str, ThinForm], levels: Mapping[str, float], round_to: int) -> Ranks:
    """These shares of the layers' ranks; without the layers that would not shrink."""
    ranks = {name: form.ranks_at(levels[name], round_to) for name, form in forms.items()}
    return {name: chosen for name, chosen in ranks.items() if forms[name].shrinks(chosen)}


def _ranks_by_error(
    forms: Mapping[str, ThinForm], moments: Mapping[str, Moments], uniform: Ranks, round_to: int
) -> Ranks:
    """Ranks with the least sum of relative errors, within the parameters that `uniform` takes."""
    budget = sum(forms[name].cost(uniform.get(name)).params for name in forms)
    ranks = {name: [one for one in form.candidates(round_to) if form.shrinks(one)] for name, form in forms.items()}
    options = [_options(form, moments[name], ranks[name]) for name, form in forms.items()]
    chosen = choose(options, [budget])
    if chosen is None:  # `uniform` is below the lowest ranks that are tried
        return uniform
    return {name: ranks[name][number - 1] for name, number in zip(forms, chosen, strict=True) if number > 0}


def _options(form: ThinForm, moments: Moments, ranks: Sequence[tuple[int, ...]]) -> list[tuple[float, ...]]:
    """Relative error and parameters of the layer as it is, and then of each of these ranks."""
    errors = form.errors(moments)
    return [(0.0, form.cost(None).params), *((errors(one), form.cost(one).params) for one in ranks)]
