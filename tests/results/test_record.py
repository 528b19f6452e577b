from compression.recipe.recipe import make_recipe
from compression.recipe.words import recipe_in_words
from compression.results.record import Result
from tests.support.made_up_results import fabricate

PRUNED = make_recipe("lenet5-mnist5k", [{"technique": "magnitude_pruning", "sparsity": 0.9}])


def test_a_row_knows_its_recipe():
    result = fabricate(PRUNED)
    assert (result.parsed_recipe, result.words) == (PRUNED, recipe_in_words(PRUNED))
    assert (result.model, result.is_baseline) == (PRUNED.model, False)
    assert fabricate(PRUNED.baseline()).is_baseline
    assert result == Result.model_validate_json(result.model_dump_json())  # also after it was read


def test_peak_memory_is_weights_and_activations():
    result = fabricate(PRUNED, weight_bytes=1000, activation_bytes=234)
    assert result.peak_memory_bytes == 1234


def test_a_flat_row_holds_scalars_only_and_the_baselines_beside_them():
    row = fabricate(PRUNED).flat()
    recipe = row.pop("recipe")
    assert recipe["model"] == "lenet5-mnist5k"
    assert all(value is None or isinstance(value, str | int | float) for value in row.values())
    assert {"integer_macs", "weight_bytes", "activation_bytes", "process_peak_bytes"} <= set(row)
    assert (row["timed"], row["load"]) == (1, 0.1)
    assert row["baseline_weight_bytes"] == fabricate(PRUNED).baseline.weight_bytes


def test_rows_have_the_same_columns_where_a_number_is_unknown():
    assert set(fabricate(PRUNED, process_peak_bytes=None).flat()) == set(fabricate(PRUNED).flat())


def test_json_gives_the_same_row_back():
    result = fabricate(PRUNED)
    assert result.sparse
    assert Result.model_validate_json(result.model_dump_json()) == result


def test_rows_without_the_later_fields_can_be_read():
    old = fabricate(PRUNED).model_dump(
        mode="json", exclude={"sparse", "ledger", "runtime_ledger", "process_peak_bytes"}
    )
    assert Result.model_validate(old).process_peak_bytes is None
    assert Result.model_validate(old).sparse == ()
