import itertools

import pytest
import torch

from compression.engine.primitives.rank_allocation import Choice, cheapest_errors


def _table(layers, choices, seed):
    """Random error tables: errors fall as parameters rise, and leaving a layer alone costs nothing."""
    generator = torch.Generator().manual_seed(seed)
    table = {}
    for layer in range(layers):
        params = torch.randint(10, 1000, (choices,), generator=generator).sort().values.tolist()
        errors = torch.rand(choices, generator=generator).sort(descending=True).values.tolist()
        rows = [Choice((rank,), *row) for rank, row in enumerate(zip(params, errors, strict=True), 1)]
        table[f"layer{layer}"] = [*rows, Choice(None, 1000, 0.0)]
    return table


def _best(table, budget):
    """Every combination."""
    sums = [
        sum(choice.error for choice in combination)
        for combination in itertools.product(*table.values())
        if sum(choice.params for choice in combination) <= budget
    ]
    return min(sums)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_is_within_budget_and_close_to_the_best_of_all_combinations(seed, share):
    table = _table(4, 6, seed)
    smallest = sum(min(choice.params for choice in rows) for rows in table.values())
    budget = int(smallest + share * (4000 - smallest))
    chosen = cheapest_errors(table, budget)
    assert chosen.keys() == table.keys()
    assert sum(choice.params for choice in chosen.values()) <= budget
    assert sum(choice.error for choice in chosen.values()) <= _best(table, budget) + 0.25


def test_a_large_budget_leaves_all_layers_alone():
    chosen = cheapest_errors(_table(3, 5, 0), 3000)
    assert all(choice.ranks is None for choice in chosen.values())


def test_the_smallest_budget_takes_the_smallest_choices():
    table = _table(3, 5, 1)
    chosen = cheapest_errors(table, sum(rows[0].params for rows in table.values()))
    assert [choice.params for choice in chosen.values()] == [rows[0].params for rows in table.values()]


def test_a_choice_that_is_larger_and_worse_is_never_taken():
    rows = [Choice((1,), 10, 0.1), Choice((2,), 20, 0.5), Choice(None, 100, 0.0)]
    assert cheapest_errors({"layer": rows}, 50)["layer"].ranks == (1,)


def test_what_a_step_leaves_over_is_spent():
    """The hull of `a` jumps from 100 to 10 parameters; 30 more are worth having."""
    table = {"a": [Choice((1,), 10, 0.5), Choice((2,), 40, 0.45), Choice(None, 100, 0.0)]}
    assert cheapest_errors(table, 60)["a"].ranks == (2,)
