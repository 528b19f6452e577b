import sqlite3
import subprocess
import sys
from urllib.parse import quote, urlencode

import pytest

from compression import units
from compression.errors import StorageFailed
from compression.models.subject import subject_of
from compression.recipe.recipe import make_recipe
from compression.search.curves import sweep_recipes
from compression.store import job_queue
from pages.components.view.link import DEFAULT_MODEL, parameters_of, view_of
from sample_models.catalogue import MODELS
from tests.support.page_tools import ROOT, asked, opened, progress, texts, words


def test_home_shows_every_model_with_its_accuracy(home):
    page = home()
    shown = texts(page.markdown) + texts(page.caption)
    for entry in MODELS.values():
        assert entry.title in shown
        assert entry.about in shown
    assert f"{100 * MODELS[DEFAULT_MODEL].card['accuracy']:.1f} %" in shown
    assert not any("Continue" in words for words in progress(page))
    assert "Jobs" in progress(page)


def test_home_measures_something_without_a_click(home, dispatcher):
    home()
    assert set(asked(dispatcher, "sweep-")) == set(sweep_recipes(subject_of(DEFAULT_MODEL), "none"))


def test_home_asks_in_plain_words_with_the_models_own_numbers(home):
    said = words(home())
    assert "neural network" in said
    assert f"takes **{units.size(4 * MODELS[DEFAULT_MODEL].card['params'])}**" in said
    assert "Try it: make it smaller" in said


def test_home_explains_the_words_that_come_next(home):
    said = words(home())
    for word in ("MACs", "Pareto front", "Slimmable", "Stored file", "Test images"):
        assert f"**{word}:**" in said
    assert all(f"**{name}:**" in said for name in {subject_of(model).data.name for model in MODELS})


@pytest.mark.parametrize("kept", ["", "model=none", "%7B", "recipe=%5B%7B%7D%5D", "x" * 5000])
def test_what_a_browser_keeps_may_be_anything(home, cookies, kept):
    cookies["view"] = kept
    assert not any("Continue" in words for words in progress(home()))


def test_home_offers_what_this_browser_looked_at_last(home, dispatcher, cookies):
    recipe = make_recipe("resnet8-mnist5k", [{"technique": "quantization", "weight_bits": 4, "activation_bits": 8}])
    cookies["view"] = quote(urlencode(parameters_of(view_of(recipe))), safe="")
    page = home()
    assert "Continue where you left off: ResNet-8 on MNIST-5k" in progress(page)
    assert "4-bit weights, 8-bit activations" in texts(page.caption)


def test_home_says_what_the_dispatcher_says(home, dispatcher):
    dispatcher.problem = "The disk is full: free some space."
    assert "The disk is full" in texts(home().error)


def test_a_missing_card_is_said_and_breaks_nothing(home, monkeypatch, tmp_path):
    monkeypatch.setattr("sample_models.catalogue.WEIGHTS", tmp_path)
    page = home()
    assert "cannot be read" in texts(page.caption)


def test_home_shows_progress(home, dispatcher):
    dispatcher.held = True
    dispatcher.measure(sweep_recipes(subject_of(DEFAULT_MODEL), "none")[0])
    total = len(sweep_recipes(subject_of(DEFAULT_MODEL), "none"))
    assert any(f"1 of {total} settings" in words for words in progress(home()))


@pytest.mark.parametrize(
    ("page", "asks"),
    [("compare", "results"), ("inspect", "results"), ("present", "results"), ("learn", "answer_name")],
)
def test_a_broken_store_is_said(dispatcher, monkeypatch, page, asks):
    def broken(*given):
        raise StorageFailed("The disk is full: free some space.")

    monkeypatch.setattr(dispatcher.store, asks, broken)
    assert "The disk is full" in words(opened(page))


@pytest.mark.parametrize("page", ["explore", "inspect", "present", "compare"])
def test_a_damaged_result_is_left_out_and_named(dispatcher, page):
    bits = [make_recipe(DEFAULT_MODEL, [{"technique": "quantization", "weight_bits": n}]) for n in (4, 5)]
    dispatcher.measure(bits[0].baseline(), *bits)
    with dispatcher.store.database.write() as connection:
        connection.exec_driver_sql(
            "UPDATE results SET document = json_set(document, '$.accuracy', null) "
            f"WHERE recipe_id = '{bits[1].recipe_id}'"
        )
    shown = opened(page, model=DEFAULT_MODEL)
    said = texts(shown.warning)
    assert "1 result left out" in said and bits[1].recipe_id in said and "Measured again" in said
    assert bits[0].recipe_id not in said


class TestHeldDatabase:
    """Another program holds the database: what is known is shown, and only what has to be written waits."""

    @pytest.fixture
    def held(self, dispatcher, monkeypatch):
        monkeypatch.setattr(job_queue, "ASK_PATIENCE_S", 0.1)
        dispatcher.measure(*sweep_recipes(subject_of(DEFAULT_MODEL), "none"))
        dispatcher.held = True
        holder = sqlite3.connect(dispatcher.store.database.file, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        yield dispatcher
        holder.close()

    def test_a_measured_setting_has_its_verdict(self, held):
        page = opened("explore", model=DEFAULT_MODEL)
        assert "baseline" in words(page) and not page.error

    def test_another_one_has_its_estimate_and_the_reason(self, held):
        recipe = '[{"technique":"channel_pruning","pruning_ratio":0.35}]'
        page = opened("explore", model=DEFAULT_MODEL, recipe=recipe)
        assert "another program has held it" in texts(page.error)
        assert "Estimated" in texts(page.info)


def test_the_page_process_never_imports_torch():
    """Everything that a page imports, in a fresh process."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import importlib, pkgutil, pages.components\n"
        "for module in pkgutil.walk_packages(pages.components.__path__, 'pages.components.'):\n"
        "    importlib.import_module(module.name)\n"
        "from compression.results.record import Measures\n"
        "from compression.explain.sizes import waterfall\n"
        "waterfall(Measures.model_construct(ledger={}, runtime_ledger={}))\n"
        "from compression.results.significance import wilson_interval; wilson_interval(9, 10)\n"
        "from compression.results.machine import machine_id; machine_id()\n"
        "heavy = {'torch', 'torchvision', 'onnxruntime', 'distributed', 'sklearn', 'mlxtend', 'matplotlib'}\n"
        "heavy &= set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
