"""Made-up results of every kind, and what is to be said of each."""

from compression.recipe.recipe import make_recipe
from tests.support.made_up_results import fabricate


def recipe(*steps):
    return make_recipe("lenet5-mnist5k", list(steps))


CHANNELS = {"technique": "channel_pruning", "pruning_ratio": 0.5}
WEIGHTS = {"technique": "magnitude_pruning", "sparsity": 0.9}


def result(
    accuracy=0.969, before=0.972, p_value=0.5, ratio=(0.7, 0.68, 0.72), size=1000, was=6100, steps=(CHANNELS,), **more
):
    difference = accuracy - before
    names = ("latency_ratio", "latency_ratio_low", "latency_ratio_high")
    changes = dict(zip(names, ratio, strict=True)) | {"p_value": p_value, "stored_bytes": size, "accuracy": accuracy}
    off = {"": 0, "_low": -0.013, "_high": 0.013}
    changes |= {f"accuracy_difference{end}": difference + by for end, by in off.items()}
    row = fabricate(recipe(*steps), **changes | more)
    first = {"accuracy": before, "stored_bytes": was, "n_test": row.n_test}
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
    ({"ratio": SLOWER}, "mixed", "A trade-off"),
    ({"ratio": FASTER, **LARGER}, "mixed", "A trade-off"),
    ({"ratio": FASTER, **LOST}, "mixed", "A trade-off"),
    ({"ratio": SLOWER, **LARGER, **GAINED}, "mixed", "A trade-off"),
    ({"ratio": SAME_SPEED, **LARGER}, "mixed", "Nothing won"),
    ({"ratio": SLOWER, **SAME_SIZE}, "mixed", "Nothing won"),
    ({"ratio": SAME_SPEED, **SAME_SIZE, **LOST}, "mixed", "Nothing won"),
    ({"ratio": SAME_SPEED, **SAME_SIZE}, "neutral", "Nothing won"),
    ({"ratio": SAME_SPEED, "size": 6090}, "neutral", "Nothing won"),
    ({"ratio": FASTER, "steps": (), **SAME_SIZE}, "neutral", "The original"),
    ({"ratio": FASTER, **COLLAPSED}, "bad", "It breaks the product"),
    ({"ratio": SLOWER, **SAME_SIZE, **COLLAPSED}, "bad", "It breaks the product"),
]
"""What `result` is given, the tone, and the title."""
