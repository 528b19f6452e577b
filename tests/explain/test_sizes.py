"""How each size leads to the next, with the bytes of real files."""

import pytest

from compression.engine.files import export, stored_file
from compression.engine.files.ledger import runtime_ledger
from compression.explain.sizes import waterfall
from compression.recipe.recipe import Recipe, make_recipe
from tests.support.made_up_results import fabricate
from tests.support.networks import VARIANTS

MODEL = "resnet8-mnist5k"


def measured(variant):
    written = export.to_onnx(VARIANTS[variant](MODEL))
    stored, runtime = stored_file.encode(written), written.SerializeToString()
    pruned = [{"technique": "magnitude_pruning", "sparsity": 0.9}]
    return fabricate(
        make_recipe(MODEL, pruned if variant == "sparse" else []),
        params=77_418,
        theoretical_bytes=20_000,
        stored_bytes=len(stored),
        onnx_bytes=len(runtime),
        zipped_bytes=stored_file.zipped_size(runtime),
        ledger=stored_file.decode_with_ledger(stored)[1],
        runtime_ledger=runtime_ledger(runtime),
    )


@pytest.mark.parametrize("variant", VARIANTS)
def test_changes_lead_from_size_to_size(variant):
    found = measured(variant)
    level = 0
    for part in waterfall(found):
        if part.is_total:
            assert level in (0, part.bytes)
            level = part.bytes
        else:
            assert part.bytes != 0
            level += part.bytes
    totals = [part.bytes for part in waterfall(found) if part.is_total]
    assert totals == [found.theoretical_bytes, found.stored_bytes, found.onnx_bytes, found.zipped_bytes]


def test_causes_are_named():
    sparse, codes, integers = (
        {part.label: part.cause for part in waterfall(measured(variant))} for variant in ("sparse", "codes", "integers")
    )
    assert "computes with them" in sparse["Zeros"]
    assert "four bytes" in sparse["Weights"]
    assert "whole bytes" in codes["Weights"]
    assert not {"Zeros", "Positions"} & {*codes, *integers}  # nobody pruned: a zero is a code like any other
    assert "Rounding nodes" in integers


def test_results_without_ledgers_have_none():
    assert waterfall(fabricate(Recipe(model=MODEL), ledger={}, runtime_ledger={})) == ()
