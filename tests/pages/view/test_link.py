import json
from dataclasses import replace

import pytest

from compression.charts.axes import Axes
from compression.errors import InvalidRecipe, UnknownModel
from compression.recipe.recipe import make_recipe
from compression.recipe.settings import Settings
from compression.recipe.steps import DepthwiseSeparable, LowRank
from compression.search.limits import Limits
from pages.components.view.link import DEFAULT_MODEL, View, parameters_of, recipes_from, text_of, view_from
from sample_models.catalogue import MODELS

PRUNED = '{"steps":[{"technique":"channel_pruning","pruning_ratio":0.5}]}'


@pytest.mark.parametrize(
    "view",
    [
        View(),
        View("resnet8-mnist5k", Settings(pruning_percent=50, weight_bits=4, student_percent=50, budget="thorough")),
        View("mlp-digits", Settings(pruning_percent=90, remove="weights", seed=7)),
        View("mlp-digits", Settings(weight_bits=8, budget="quick")),
        View("mlp-digits", Settings(50, remove="weights", criterion="second_order", pattern="2:4")),
        View(
            "resnet20-fashion",
            Settings(
                structure=(DepthwiseSeparable(share=0.25), LowRank(rank_ratio=0.5)), coding="packed", rate_weight=0.25
            ),
        ),
        View("resnet8-mnist5k", Settings(student="squeezenet", resolution=16, teachers=("lenet5-mnist5k",))),
        View(curves=("quantization", "low_rank")),
        View(curves=()),
        View(axes=Axes("zipped", "macs", "flips")),
        View(axes=Axes("macs", "energy", "flips")),
        View(axes=Axes(is_even=True)),
        View(axes=Axes("macs", "energy", "flips", is_even=True)),
        View("mlp-digits", Settings(weight_bits=4), limits=Limits(stored_kb=12.5, drop_points=0)),
    ],
)
def test_a_link_opens_the_same_view(view):
    assert view_from(parameters_of(view)) == view


def test_recipes_beyond_the_sliders_open_too():
    recipe = make_recipe("mlp-digits", [{"technique": "magnitude_pruning", "sparsity": 0.99}])
    view = view_from({"model": "mlp-digits", "recipe": '[{"technique":"magnitude_pruning","sparsity":0.99}]'})
    assert view.custom == view.recipe == recipe
    assert view_from(parameters_of(view)) == view


def test_a_link_may_be_incomplete():
    assert view_from({}) == view_from({"axes": "stored, latency, accuracy"}) == View()
    assert view_from({"model": "mlp-digits"}) == View("mlp-digits", Settings())
    assert view_from({"recipe": PRUNED}) == View(DEFAULT_MODEL, replace(View().settings, pruning_percent=50))
    assert view_from({"recipe": json.dumps({"model": "mlp-digits", "steps": []})}).model == "mlp-digits"


def test_defaults_are_left_out_of_links():
    assert parameters_of(View()) == {"model": DEFAULT_MODEL, "recipe": '{"seed":0,"steps":[]}'}
    assert DEFAULT_MODEL in MODELS


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"recipe": "{"}, "cannot be read as JSON"),
        ({"recipe": "7"}, "must look like"),
        ({"recipe": "[" * 100_000}, "cannot be read as JSON"),
        ({"recipe": '[{"technique":"channel_pruning","pruning_ratio":7}]'}, "pruning_ratio.*got 7"),
        ({"recipe": '[{"technique":"wishing"}]'}, "wishing"),
        ({"budget": "lots"}, "none, quick, thorough or a time .* but is 'lots'"),
        ({"curves": "quantization,magic"}, "no curve 'magic'.*channel_pruning"),
        ({"axes": "stored,latency"}, "axes 'stored,latency' are not two of stored, .* and one of accuracy"),
        *(
            ({"axes": axes}, "are not two of")
            for axes in ("", "stored", "stored,latency,speed", "accuracy,latency,stored")
        ),
        ({"scale": "wide"}, "scale must be log or even, but is 'wide'"),
        ({"max_kb": "much"}, "max_kb must be a number from 0.001 to 1,000,000,000, but is 'much'"),
        ({"max_kb": "1e-320"}, "max_kb must be a number from 0.001 to 1,000,000,000, but is '1e-320'"),
        ({"max_ms": "1e300"}, "max_ms must be a number from 1e-06 to 1,000,000, but is '1e300'"),
        ({"max_drop": "101"}, "max_drop must be a number from 0 to 100, but is '101'"),
        ({"max_drop": "-1"}, "max_drop must be a number"),
        ({"max_ms": "inf"}, "max_ms must be a number"),
        ({"model": "mlp-digits", "recipe": '{"model":"resnet8-mnist5k","steps":[]}'}, "two models"),
    ],
)
def test_bad_links_are_refused_with_the_value(parameters, words):
    with pytest.raises(InvalidRecipe, match=words):
        view_from(parameters)


def test_an_unknown_model_is_named_with_those_there_are():
    with pytest.raises(UnknownModel, match=r"'resnet9000'.*lenet5-mnist5k"):
        view_from({"model": "resnet9000"})


def test_curves_are_in_the_link_only_where_they_are_not_the_usual_ones():
    assert "curves" not in parameters_of(View())
    assert parameters_of(View(curves=("quantization", "low_rank")))["curves"] == "quantization,low_rank"
    assert view_from({"curves": "low_rank, quantization"}).curves == ("quantization", "low_rank")


@pytest.mark.parametrize("model", [None, "mlp-digits"])
def test_a_link_holds_several_recipes(model):
    recipes = tuple(make_recipe("mlp-digits", [{"technique": "quantization", "weight_bits": bits}]) for bits in (4, 2))
    assert recipes_from(text_of(recipes, with_model=model is None), "recipes", 2, model) == recipes


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("[", "cannot be read as JSON"),
        ("{}", "a list of at most 2 recipes"),
        ("[{},{},{}]", "a list of at most 2 recipes"),
        ("[1]", "must look like"),
        ('[{"steps":[{"technique":"magic"}]}]', "magic"),
    ],
)
def test_several_recipes_that_cannot_be_read_are_refused(raw, words):
    with pytest.raises(InvalidRecipe, match=words):
        recipes_from(raw, "beside", 2, "mlp-digits")
