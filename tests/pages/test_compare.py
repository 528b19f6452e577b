import json

import numpy as np
import pytest

from compression.inquiries.outcomes import Outcomes, Pictures
from compression.recipe.recipe import Recipe, make_recipe
from pages.components.asking import pick
from pages.components.compare import contest, curves, images, start
from pages.components.view import picture, state
from tests.support.made_up_answers import anatomy, row
from tests.support.page_tools import components, downloads, opened, pressed, progress, rerun, url, words

MODEL = "lenet5-mnist5k"
BASELINE = Recipe(model=MODEL)
BITS = [make_recipe(MODEL, [{"technique": "quantization", "weight_bits": bits}]) for bits in (8, 4, 2)]
N = 40
LABELS = np.arange(N) % 10


def answer(inquiry):
    """Right everywhere; each setting with steps is wrong on as many images as it has fewer bits than 8."""
    if inquiry.kind == "pictures":
        return Pictures(images=np.full((len(inquiry.indices), 1, 4, 4), 7, np.uint8), white=255)
    if inquiry.kind == "anatomy":
        bits = inquiry.recipe.steps[0].weight_bits if inquiry.recipe.steps else 32
        return anatomy((row("conv1", shape=(8, 1, 3, 3), weights=80, nonzero=40, format="codes", bits=bits),))
    predictions = LABELS.copy()
    if inquiry.recipe.steps:
        wrong = 8 - inquiry.recipe.steps[0].weight_bits
        predictions[:wrong] = (predictions[:wrong] + 1) % 10
    probabilities = np.full((N, 10), 0.01)
    probabilities[np.arange(N), predictions] = 0.91
    return Outcomes(probabilities=probabilities.astype(np.float16), labels=LABELS.astype(np.uint8))


@pytest.fixture
def unmeasured(dispatcher):
    """Opens the page as a link with these recipes does."""
    dispatcher.answers = answer

    def open_page(*recipes, raw=None, **parameters):
        asked = raw or json.dumps([json.loads(recipe.to_short_json()) for recipe in recipes])
        link = {"recipes": asked} if raw is not None or recipes else {}
        return rerun(opened("compare", **link | parameters))  # the first run asks

    return open_page


@pytest.fixture
def compare(unmeasured, dispatcher):
    """The same, with the original and three bit widths measured."""
    measured(dispatcher, BASELINE, *BITS)
    return unmeasured


def measured(dispatcher, *recipes):
    dispatcher.measure(*recipes, n_test=N)


def in_url(page):
    return [part["steps"] for part in json.loads(url(page)["recipes"])]


def test_alone_it_says_what_to_do_and_offers_comparisons(unmeasured):
    page = unmeasured()
    rerun(page)
    assert "Choose one more measured setting above" in words(page)
    pressed(page, f"compare_idea_{next(iter(start.IDEAS))}")
    page = rerun(page)
    assert "D instead of A" in words(page)
    assert [len(steps) for steps in in_url(page)] == [0, 1, 1, 1]


def test_a_link_opens_its_comparison(compare):
    page = compare(BASELINE, *BITS)
    said = words(page)
    for part in ("B instead of A", "C instead of A", "D instead of A", "Stored file", "no measurable difference"):
        assert part in said
    assert in_url(page) == [[], *([json.loads(r.to_short_json())["steps"][0]] for r in BITS)]
    assert "These numbers (.csv)" in downloads(page)
    assert not page.error


def test_what_a_long_list_leaves_out_stays_chosen(unmeasured, dispatcher, monkeypatch):
    monkeypatch.setattr(pick, "MAX_OFFERED", 1)
    several = [make_recipe(MODEL, [{"technique": "quantization", "weight_bits": bits}]) for bits in (3, 5, 6, 7)]
    measured(dispatcher, BASELINE, several[0], *BITS, *several[1:])
    page = rerun(unmeasured(BASELINE, several[0], several[3]))
    assert page.multiselect[0].value == [recipe.recipe_id for recipe in (BASELINE, several[0], several[3])]


def test_differences_are_those_on_the_same_images(compare):
    said = words(compare(BASELINE, BITS[2]))
    assert "−15.0 points" in said  # 6 of 40, p = 2 ** -5
    assert "<b>6</b>" in said


def test_what_is_not_measured_is_measured_first(unmeasured, dispatcher):
    dispatcher.held = True
    page = unmeasured(BASELINE, BITS[1])
    assert "Being measured" in words(page)
    assert {job.recipe for job in dispatcher.store.jobs()} == {BASELINE, BITS[1]}
    dispatcher.release()
    page = rerun(page)
    assert "B instead of A" in words(page)
    assert page.multiselect[0].value == [BASELINE.recipe_id, BITS[1].recipe_id]


def test_a_cancelled_setting_says_so_and_can_be_measured_again(unmeasured, dispatcher):
    dispatcher.held = True
    page = unmeasured(BASELINE, BITS[1])
    dispatcher.cancel_all()
    page = rerun(page)
    said = words(page)
    assert "Being measured" not in said
    assert said.count("was cancelled") == 2
    dispatcher.held = False
    pressed(page, "retry_several")
    assert "B instead of A" in words(page)


def test_a_setting_whose_result_is_deleted_is_measured_anew(unmeasured, dispatcher):
    page = rerun(unmeasured(BASELINE, BITS[1]))
    assert "B instead of A" in words(page)
    dispatcher.forget(BITS[1])
    page = rerun(page)
    assert "B instead of A" in words(page)
    assert dispatcher.store.result(BITS[1])


def test_settings_that_differ_only_in_their_seed_have_different_names(unmeasured, dispatcher):
    seeds = [BITS[0].model_copy(update={"seed": seed}) for seed in (0, 7)]
    measured(dispatcher, BASELINE, *seeds)
    page = rerun(unmeasured(BASELINE, *seeds))
    assert page.multiselect[0].value == [recipe.recipe_id for recipe in (BASELINE, *seeds)]
    assert "8-bit weights (seed 7)" in words(page)


def test_no_two_settings_have_the_same_label():
    words = {"aaaaaaaa": "8-bit weights", "bbbbbbbb": "8-bit weights", "cccccccc": "4-bit weights"}
    assert list(pick._distinct(words).values()) == ["8-bit weights · aaaaaa", "8-bit weights · bbbbbb", "4-bit weights"]


def test_models_on_different_images_are_not_compared(unmeasured):
    said = words(unmeasured(BASELINE, Recipe(model="mlp-digits")))
    assert "are measured on different images" in said


def test_until_the_answers_are_there_the_numbers_are_those_of_the_rows(compare, dispatcher):
    dispatcher.held = True
    page = compare(BASELINE, BITS[0], part="Classes")
    assert any("Asking the network" in words for words in progress(page))
    assert "accuracy: no measurable difference" in words(page)
    assert "need every network's answer" in words(page)
    dispatcher.release()
    assert "Worst class" in words(rerun(page))


def test_a_failed_inquiry_says_why_and_the_numbers_stay(compare, dispatcher):
    dispatcher.failing = "outcomes"
    page = compare(BASELINE, BITS[0])
    assert "outcomes went wrong" in words(page)
    assert "Stored file" in words(page)


def test_a_bad_link_says_what_is_wrong(unmeasured):
    said = words(unmeasured(raw='[{"model":"resnet9000","steps":[]}]'))
    assert "This link cannot be opened" in said
    assert "There is no model" in said


def test_another_reference_goes_first(compare):
    page = compare(BASELINE, BITS[0], BITS[1])
    reference = next(box for box in page.selectbox if box.label.startswith("Compared with"))
    reference.set_value(BITS[1].recipe_id)
    page = rerun(page)
    assert [step[0]["weight_bits"] if step else None for step in in_url(page)] == [4, None, 8]
    assert "indirect" in words(page)


def test_classes_name_the_worst_and_the_largest_loss(compare):
    said = words(compare(BASELINE, BITS[2], part="Classes"))
    assert "Worst class: 0" in said
    assert "Compared with A, class “0” lost most: −25.0 points" in said
    assert "may be chance" in said


def test_changed_images_show_both_answers_with_probabilities(compare, dispatcher):
    page = rerun(compare(BASELINE, BITS[2], part="Changed images"))
    said = words(page)
    assert "**6** get another answer from B than from A" in said
    assert said.count("<img") == 6
    assert "data:image/png;base64," in said
    assert "91.0 %" in said
    (asked,) = [inquiry for inquiry in dispatcher.inquired if inquiry.kind == "pictures"]
    assert asked.indices == (0, 1, 2, 3, 4, 5)
    assert asked.recipe == BASELINE


def test_changed_images_can_be_filtered_and_paged(compare, monkeypatch):
    monkeypatch.setattr(images, "PER_PAGE", 4)
    page = compare(BASELINE, BITS[2], part="Changed images")
    assert words(page).count("<img") == 4
    page.pagination[0].set_value(2)
    page = rerun(page)
    assert words(page).count("<img") == 2
    assert "5 to 6 of 6" in words(page)
    page.selectbox(key="compare_class").set_value(3)
    page = rerun(page)
    assert words(page).count("<img") == 1
    page.multiselect(key="compare_kinds").set_value(["fixed"])
    assert "No image is like that" in words(rerun(page))


def test_layers_stand_side_by_side(compare):
    said = words(rerun(compare(BASELINE, BITS[2], part="Layers")))
    assert said.count("8 × 1 × 3 × 3") == 2
    assert "50 % not zero, codes of 2 bits" in said
    assert "do not have the same layers" not in said


def test_the_open_part_is_in_the_address(compare):
    page = compare(BASELINE, BITS[2], part="Curves")
    assert "Curves" in page.query_params["part"]
    assert page.session_state["compare_part"] == "Curves"


def test_the_even_axis_is_one_click_away_and_in_the_link(compare):
    def titles(page):
        charts = (components(page)[f"compare_{cost}"] for cost in ("stored", "latency"))
        return {json.loads(chart["figure"])["layout"]["yaxis"]["title"]["text"] for chart in charts}

    page = compare(BASELINE, BITS[2], part="Curves")
    assert all(title.endswith("(log of the error)") for title in titles(page))
    page.segmented_control(key=f"{state.SETTING}scale").set_value(True)
    rerun(page)
    assert url(page)["scale"] == "even" and all(title.endswith("%") for title in titles(page))
    again = compare(BASELINE, BITS[2], part="Curves", scale="even")
    assert titles(again) == titles(page) and url(again)["scale"] == "even"


def test_a_click_on_a_point_adds_it_and_a_fifth_takes_the_last_place(compare, dispatcher, monkeypatch):
    results = [dispatcher.store.result(recipe) for recipe in (BASELINE, *BITS)]
    added = []
    monkeypatch.setattr("pages.components.asking.pick.choose_several", added.append)
    made = lambda n: contest.Contest(contest.contenders(results[:n]), None)  # noqa: E731
    curves._add(results[2].recipe_id, made(2), results)
    curves._add(results[1].recipe_id, made(2), results)
    curves._add("no such point", made(2), results)
    monkeypatch.setattr(pick, "AT_MOST", 3)
    curves._add(results[3].recipe_id, made(3), results)
    assert added == [[BASELINE, BITS[0], BITS[1]], [BASELINE, BITS[0], BITS[2]]]


def test_pictures_are_as_bright_as_their_data_set_says():
    import base64
    import io

    from PIL import Image

    pixels = np.array([[[0, 8], [16, 4]]], np.uint8)
    uri = picture.of_pixels(pixels.tobytes(), pixels.shape, 16)
    found = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
    assert np.asarray(found).tolist() == [[0, 127], [255, 63]]
