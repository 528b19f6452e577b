"""Made-up results of every kind, and what is to be said of each."""

from compression.recipe.recipe import make_recipe
from tests.support.made_up_results import fabricate


def recipe(*steps):
    return make_recipe("lenet5-mnist5k", list(steps))


CHANNELS = {"technique": "channel_pruning", "pruning_ratio": 0.5}
WEIGHTS = {"technique": "magnitude_pruning", "sparsity": 0.9}


def result(
    accuracy=0.969,
    before=0.972,
    p_value=0.5,
    ratio=(0.7, 0.68, 0.72),
    size=1000,
    was=6100,
    steps=(CHANNELS,),
    off=0.006,
    memory=1.0,
    **more,
):
    """`off` is the half width of the accuracy difference's interval, `memory` the peak against the baseline's."""
    difference = accuracy - before
    names = ("latency_ratio", "latency_ratio_low", "latency_ratio_high")
    changes = dict(zip(names, ratio, strict=True)) | {"p_value": p_value, "stored_bytes": size, "accuracy": accuracy}
    ends = {"": 0, "_low": -off, "_high": off}
    changes |= {f"accuracy_difference{end}": difference + by for end, by in ends.items()}
    changes |= {"weight_bytes": int(900_000 * memory), "activation_bytes": int(100_000 * memory)}
    row = fabricate(recipe(*steps), **changes | more)
    first = {"accuracy": before, "stored_bytes": was, "n_test": row.n_test}
    first |= {"weight_bytes": 900_000, "activation_bytes": 100_000}
    return row.model_copy(update={"baseline": row.baseline.model_copy(update=first)})


FASTER, SLOWER, SAME_SPEED = (0.7, 0.68, 0.72), (1.3, 1.2, 1.4), (1.0, 0.98, 1.02)
SAME_SIZE, LARGER = {"size": 6100}, {"size": 7000}
LOST, GAINED = {"accuracy": 0.95, "p_value": 0.001}, {"accuracy": 0.99, "p_value": 0.001}
COLLAPSED = {"accuracy": 0.34, "p_value": 0.0}

TONES = [
    ({"ratio": FASTER}, "good", "Worth it"),
    ({"ratio": SAME_SPEED}, "good", "Worth it"),
    ({"ratio": FASTER, **SAME_SIZE}, "good", "Worth it"),
    ({"ratio": SAME_SPEED, **SAME_SIZE, **GAINED}, "good", "Worth it"),
    ({"ratio": SAME_SPEED, **SAME_SIZE, "memory": 0.8}, "good", "Worth it"),
    ({"ratio": SAME_SPEED, "size": 5490}, "good", "Worth it"),
    ({"ratio": FASTER, "off": 0.008}, "neutral", "Perhaps worth it"),
    ({"ratio": SLOWER}, "mixed", "A trade-off"),
    ({"ratio": FASTER, **LARGER}, "mixed", "A trade-off"),
    ({"ratio": FASTER, **LOST}, "mixed", "A trade-off"),
    ({"ratio": FASTER, "memory": 1.2}, "mixed", "A trade-off"),
    ({"ratio": SLOWER, **LARGER, **GAINED}, "mixed", "A trade-off"),
    ({"ratio": SAME_SPEED, **LARGER}, "bad", "Not worth it"),
    ({"ratio": SLOWER, **SAME_SIZE}, "bad", "Not worth it"),
    ({"ratio": SLOWER, "size": 5600}, "bad", "Not worth it"),
    ({"ratio": SAME_SPEED, **SAME_SIZE, **LOST}, "bad", "Not worth it"),
    ({"ratio": SAME_SPEED, **SAME_SIZE}, "neutral", "Nothing won"),
    ({"ratio": SAME_SPEED, "size": 6090}, "neutral", "Nothing won"),
    ({"ratio": SAME_SPEED, "size": 5500}, "neutral", "Hardly anything won"),
    ({"ratio": (0.95, 0.94, 0.96), **SAME_SIZE}, "neutral", "Hardly anything won"),
    ({"ratio": FASTER, "steps": (), **SAME_SIZE}, "neutral", "The original"),
    ({"ratio": FASTER, **COLLAPSED}, "bad", "The accuracy collapses"),
    ({"ratio": SLOWER, **SAME_SIZE, **COLLAPSED}, "bad", "The accuracy collapses"),
]
"""What `result` is given, the tone, and the title; with nothing else measured."""
