import io
import json
import zipfile

import numpy as np
import pytest

from compression.explain import bundle, presentation
from compression.inquiries.outcomes import Outcomes
from compression.inquiries.verification import Verification
from compression.recipe.recipe import Recipe, make_recipe
from compression.store import artifacts
from pages.components.present import assume, export, full_screen
from tests.support.made_up_results import fabricate, keep
from tests.support.page_tools import checked, downloads, opened, pressed, progress, rerun, url, words

MODEL = "lenet5-mnist5k"
BITS = make_recipe(MODEL, [{"technique": "quantization", "weight_bits": 4}])
BASELINE = BITS.baseline()
N = 1000
LABELS = (np.arange(N) % 10).astype(np.uint8)


def sound(inquiry, **changes):
    files = fabricate(inquiry.recipe).artifacts
    found = Verification(
        stored_sha256=files["stored"],
        onnx_sha256=files["onnx"],
        decodes_alike=True,
        is_valid_onnx=True,
        n_test=N,
        different=0,
        ties=0,
        accuracy=0.989,
        kept_accuracy=0.989,
        opset=17,
        runtime="ONNX Runtime 1",
    )
    return found.model_copy(update=changes)


def answer(inquiry):
    if inquiry.kind == "verification":
        return sound(inquiry)
    wrong = 9 if inquiry.recipe.steps else 0
    predictions = LABELS.copy()
    predictions[:wrong] = (predictions[:wrong] + 1) % 10
    return Outcomes(probabilities=np.eye(10, dtype=np.float16)[predictions], labels=LABELS)


@pytest.fixture
def unmeasured(dispatcher):
    """Opens the page as a link does."""
    dispatcher.answers = answer

    def open_page(recipe=None, **parameters):
        link = {} if recipe is None else {"model": recipe.model, "recipe": recipe_in_link(recipe)}
        return rerun(opened("present", **link | parameters))

    return open_page


@pytest.fixture
def present(unmeasured, dispatcher):
    """The same, with the original and a compressed network measured."""
    measured(dispatcher, BASELINE, BITS)
    return unmeasured


def recipe_in_link(recipe):
    content = json.loads(recipe.to_short_json())
    del content["model"]
    return json.dumps(content)


def measured(dispatcher, *recipes):
    for recipe in recipes:
        keep(dispatcher.store, recipe)


def test_the_original_alone_leads_on(unmeasured):
    page = unmeasured(BASELINE)
    assert "nothing is compressed yet" in words(page)
    page.button(key="present_first").click()
    page = rerun(rerun(page))
    assert "Worth it" in words(page)


def test_the_best_that_is_measured_is_offered(present):
    page = present(BASELINE)
    pressed(page, "present_best")
    assert json.loads(url(page)["recipe"])["steps"] == [json.loads(BITS.to_short_json())["steps"][0]]


def test_it_says_verdict_meaning_and_risk(present):
    said = words(present(BITS))
    for part in (
        "Worth it",
        "File to ship",
        "A model, not a measurement",
        "How sure is",
        "9 turned from right to wrong",
        "Why this one",
        "No other setting of this model is measured yet",
    ):
        assert part in said


def test_a_link_that_is_not_measured_is_measured(unmeasured, dispatcher):
    dispatcher.held = True
    page = unmeasured(BITS)
    assert BITS in {recipe for group, recipe in dispatcher.submitted if group.startswith("picked-")}
    assert any("Measuring “4-bit weights”" in words for words in progress(page))
    before = next(box for box in page.selectbox if box.label == "Setting")
    dispatcher.release()
    page = rerun(page)
    assert "Worth it" in words(page)
    after = next(box for box in page.selectbox if box.label == "Setting")
    assert before.options[0].endswith("not measured")
    assert before.key != after.key  # else a browser takes its first option for the one that is called otherwise now
    assert after.value == BITS.recipe_id


def test_assumptions_change_what_it_means_and_are_in_the_address(present):
    page = present(BITS, mbits="5")
    assert "at 5 Mbit/s" in words(page)
    page.number_input(key="present_mbits").set_value(2.0)
    page = rerun(page)
    assert "at 2 Mbit/s" in words(page)
    assert url(page)["mbits"] == "2"
    page.segmented_control(key="present_memory").set_value("dram")
    page = rerun(page)
    assert "weights from DRAM" in words(page)
    next(button for button in page.button if button.label == "Usual assumptions").click()
    page = rerun(page)
    assert "at 0.1 Mbit/s" in words(page)
    assert "mbits" not in page.query_params


def test_images_are_typed_in_millions(present):
    page = present(BITS)
    assert page.number_input(key="present_inferences").value == 1000
    assert "Computing 1 billion images" in words(page)
    page.number_input(key="present_inferences").set_value(2.5)
    page = rerun(page)
    assert "Computing 2.5 million images" in words(page)
    assert url(page)["inferences"] == "2500000"


def test_a_bad_link_says_what_is_wrong(present):
    page = present(BITS, mbits="fast")
    assert "mbits must be a number from 0.01 to 10000, but is 'fast'" in words(page)
    assert page.number_input(key="present_mbits").value == presentation.Assumptions().mbits
    page = present(model="resnet9000")
    assert "There is no model 'resnet9000'" in words(page)


def test_full_screen_shows_the_page_alone(present):
    page = present(BITS, full="1")
    said = words(page)
    assert "Worth it" in said
    assert ".st-key-menu, .st-key-present_choice" in said
    assert not downloads(page)
    assert not page.number_input
    assert url(page)["full"] == "1"


@pytest.mark.parametrize("parameters", [{"model": MODEL}, {"model": "no such model"}])
def test_without_something_to_present_nothing_is_hidden(unmeasured, parameters):
    page = unmeasured(full="1", **parameters)
    assert full_screen._STYLE not in [html.proto.body for html in page.get("html")]
    assert page.selectbox


@pytest.mark.parametrize(("wanted", "full"), [("on", True), ("off", False)])
def test_the_button_enters_and_leaves_full_screen(monkeypatch, wanted, full):
    session = {"full_screen": {"wanted": wanted}, "present_full": not full}
    monkeypatch.setattr("streamlit.session_state", session)
    full_screen._toggled()
    assert session["present_full"] is full


def test_files_are_offered_when_they_are_checked(present):
    page = rerun(present(BITS))
    assert {"Stored file", "Runtime file (.onnx)", "Everything (.zip)", "Report (.html)"} <= set(downloads(page))
    assert "all 1,000 predictions are those that were measured" in words(page)


def test_a_file_that_was_lost_is_offered_once_it_is_there_again(present, dispatcher):
    recipe = BITS.model_copy(update={"seed": 77})  # of which nobody has asked for a file before
    measured(dispatcher, BASELINE, recipe)
    file = artifacts.path_of(fabricate(recipe).artifacts["stored"])
    content = file.read_bytes()
    file.unlink()
    page = rerun(present(recipe))
    assert "no longer on this machine" in words(page)
    page = pressed(page, "files_present")
    assert [name for group, name in dispatcher.submitted if group.startswith("files-")] == [recipe]
    file.write_bytes(b"something else")
    assert "is damaged" in words(rerun(page)) and page.button(key="files_present")
    file.write_bytes(content)
    assert "Stored file" in downloads(rerun(page))


def test_files_are_not_offered_while_they_are_checked(present, dispatcher):
    dispatcher.held = True
    page = present(BITS)
    assert "Chart (.png)" in downloads(page)
    assert not {"Report (.html)", "Stored file", "Runtime file (.onnx)", "Everything (.zip)"} & set(downloads(page))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"different": 5}, "5 of 1,000 predictions differ from those that were measured"),
        ({"decodes_alike": False}, "decodes to something else than the .onnx"),
        ({"is_valid_onnx": False}, "The .onnx is not valid"),
        ({"onnx_sha256": "d" * 64}, "not what was measured"),
    ],
)
def test_files_that_are_not_what_was_measured_are_never_offered(present, dispatcher, changes, problem):
    dispatcher.answers = lambda inquiry: (
        sound(inquiry, **changes) if inquiry.kind == "verification" else answer(inquiry)
    )
    page = rerun(present(BITS))
    assert not {"Stored file", "Runtime file (.onnx)", "Everything (.zip)"} & set(downloads(page))
    assert problem in words(page)


def test_undecided_images_are_said_and_accepted(present, dispatcher):
    dispatcher.answers = lambda inquiry: (
        sound(inquiry, different=2, ties=2) if inquiry.kind == "verification" else answer(inquiry)
    )
    page = rerun(present(BITS))
    assert "Everything (.zip)" in downloads(page)
    assert "2 of 1,000 predictions differ, all on images that are undecided" in words(page)


def test_a_failed_inquiry_says_why(present, dispatcher):
    dispatcher.failing = "verification"
    page = present(BITS)
    assert "verification went wrong" in words(page)
    assert "Runtime file (.onnx)" not in downloads(page)
    assert "Worth it" in words(page)


def made(*others):
    results = {one.recipe_id: fabricate(one) for one in (BASELINE, BITS, *others)}
    result, beside = results[BITS.recipe_id], [results[one.recipe_id] for one in others]
    return export.Export(result, results, presentation.Assumptions(), presentation.risks(result), beside)


def test_the_zip_holds_words():
    files = {"stored": b"stored", "onnx": b"onnx", "predictions": bytes(range(10))}
    with zipfile.ZipFile(io.BytesIO(export.everything(made(), files, "Checked well."))) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    assert len(content) == 11
    assert all(name.encode() in content[bundle.README] for name in content)
    assert content[bundle.STORED] == b"stored"
    assert content[bundle.RUNTIME] == b"onnx"
    assert np.load(io.BytesIO(content[bundle.PREDICTIONS])).tolist() == list(range(10))
    assert content["chart.png"].startswith(b"\x89PNG")
    assert b"<svg" in content["chart.svg"]
    assert Recipe.model_validate_json(content[bundle.RECIPE]) == BITS
    assert b"Checked well." in content["README.txt"]
    assert b"Checked well." in content["report.html"]
    assert len(content["numbers.csv"].splitlines()) == 3
    compile(content[bundle.SCRIPT], "check.py", "exec")


def test_the_zip_holds_the_files_of_alternatives_or_says_why_not():
    others = TestAlternatives.OTHERS[:2]
    files = {"stored": b"stored", "onnx": b"onnx", "predictions": bytes(range(10))}
    beside = [{"stored": b"other", "onnx": b"other's"}, {}]
    with zipfile.ZipFile(io.BytesIO(export.everything(made(*others), files, "Checked.", beside))) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    recipes = [content[f"alternative-{number}/{bundle.RECIPE}"] for number in (1, 2)]
    assert [Recipe.model_validate_json(recipe) for recipe in recipes] == list(others)
    assert content[f"alternative-1/{bundle.STORED}"] == b"other"
    assert content[f"alternative-1/{bundle.RUNTIME}"] == b"other's"
    assert f"alternative-2/{bundle.STORED}" not in content
    readme = content[bundle.README].decode()
    assert readme.count("its files are gone from this machine: run the recipe") == 1
    assert all(name in readme for name in content)
    assert bundle.WHERE in readme


def test_a_call_that_takes_as_long_as_computing_is_told(present, dispatcher):
    quick = make_recipe(MODEL, [{"technique": "quantization", "weight_bits": 3}])
    keep(dispatcher.store, quick, call_ms=0.09)
    assert "to call the runtime from Python" in words(present(quick))
    assert "to call the runtime from Python" not in words(present(BITS))


def test_what_beats_it_is_a_click_away(present, dispatcher):
    better = make_recipe(MODEL, [{"technique": "quantization", "weight_bits": 3}])
    keep(dispatcher.store, better, accuracy=0.9895, stored_bytes=20_000)
    page = present(BITS)
    assert "Something else is better" in words(page)
    assert "Of 1 other measured setting 1 is smaller, and as good in all else." in words(page)
    pressed(page, f"against_{better.recipe_id}")
    assert json.loads(url(page)["recipe"])["steps"][0]["weight_bits"] == 3


def test_the_report_holds_the_verdict_and_both_charts():
    page = export.report_html(made(), "Checked.")
    assert "Worth it" in page
    assert "Why this one" in page
    assert "chart1" in page
    assert "Accuracy against latency of one image. Faster is to the left, better is up" in page


def test_a_browser_that_says_nothing_changes_no_assumption(monkeypatch):
    session = {"present_memory": None, "present_assumed": presentation.Assumptions(memory="dram")}
    monkeypatch.setattr("streamlit.session_state", session)
    assume._changed("memory")
    assert session["present_assumed"].memory == "dram"


def test_every_assumption_has_a_field_and_words():
    names = set(presentation.Assumptions.__dataclass_fields__)
    assert names == set(presentation.ASSUMED) == set(presentation.LIMITS) | {"memory"}
    assert set(assume._STEPS) == set(presentation.LIMITS)


def test_leaving_and_coming_back_keeps_the_assumptions(present):
    page = present(BITS)
    page.number_input(key="present_mbits").set_value(2.0)
    page = rerun(page)
    checked(page.switch_page("app.py").run())
    page.query_params.clear()
    page.switch_page("pages/present.py")
    page = rerun(page)
    assert page.number_input(key="present_mbits").value == 2


class TestAlternatives:
    OTHERS = tuple(
        make_recipe(MODEL, [{"technique": "channel_pruning", "pruning_ratio": ratio}]) for ratio in (0.3, 0.5, 0.7)
    )

    def beside(self, *recipes):
        return "[" + ",".join(recipe_in_link(recipe) for recipe in recipes) + "]"

    def test_up_to_two_stand_beside_it_and_in_the_address(self, present, dispatcher):
        measured(dispatcher, *self.OTHERS)
        page = present(BITS)
        assert "The alternatives" not in words(page)
        page.multiselect[0].set_value([recipe.recipe_id for recipe in self.OTHERS[:2]])
        page = rerun(page)
        said = words(page)
        assert "The alternatives" in said
        assert said.count("prune 50 % of channels") == said.count("prune 30 % of channels") == 1
        assert json.loads(url(page)["beside"]) == json.loads(self.beside(*self.OTHERS[:2]))
        page.multiselect[0].set_value([])
        page = rerun(page)
        assert "beside" not in page.query_params
        assert "The alternatives" not in words(page)

    def test_a_link_opens_them(self, present, dispatcher):
        measured(dispatcher, *self.OTHERS)
        page = present(BITS, beside=self.beside(*self.OTHERS[1:]))
        assert page.multiselect[0].value == [recipe.recipe_id for recipe in self.OTHERS[1:]]
        assert "prune 70 % of channels" in words(page)

    def test_a_bad_link_says_what_is_wrong_and_shows_the_rest(self, present):
        said = words(present(BITS, beside="["))
        assert "alternatives cannot be read" in said
        assert "Worth it" in said

    def test_what_is_not_measured_is_left_out(self, present):
        page = present(BITS, beside=self.beside(self.OTHERS[0]))
        assert page.multiselect[0].value == []

    def test_report_chart_and_numbers_have_them(self):
        one = made(*self.OTHERS[:2])
        html = export.report_html(one, "")
        assert "The alternatives" in html
        assert html.count("alternative 2") > 2  # in the table and on both charts
        assert "alternative 1" in export.picture(one, "svg").decode()
        assert export.numbers_csv(one).count('""channel_pruning""') == 2
