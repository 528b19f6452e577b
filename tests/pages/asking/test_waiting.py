"""One bar while jobs run: how far, cancel, why one failed, try again."""

from streamlit.testing.v1 import AppTest

from compression.recipe.recipe import make_recipe
from tests.support.page_tools import checked, progress

PRUNED, ROUNDED = (
    make_recipe("mlp-digits", [step])
    for step in (
        {"technique": "channel_pruning", "pruning_ratio": 0.5},
        {"technique": "quantization", "weight_bits": 4},
    )
)


def page():
    """Two settings and a question about each, waited for in one place each."""
    import streamlit as st

    from compression.inquiries.anatomy import Anatomy, AnatomyInquiry
    from pages.components.asking import waiting
    from tests.pages.asking.test_waiting import PRUNED, ROUNDED

    found = waiting.measure([PRUNED, ROUNDED], "learn", key="both")
    st.text(f"{sum(one is not None for one in found)} measured")
    if st.session_state.get("asks"):
        answers = waiting.ask_all([AnatomyInquiry(recipe=one) for one in (PRUNED, ROUNDED)], Anatomy, key="layers")
        st.text(f"{len(answers or [])} answers")


def opened(**state):
    test = AppTest.from_function(page, default_timeout=60)
    for key, value in state.items():
        test.session_state[key] = value
    return checked(test.run())


def said(test):
    return [text.value for text in test.text]


def test_all_that_is_missing_has_one_bar(dispatcher):
    dispatcher.held = True
    test = opened()
    assert said(test) == ["0 measured"]
    assert len(progress(test)) == 1
    dispatcher.release()
    assert said(checked(test.run())) == ["2 measured"]
    assert progress(test) == []


def test_what_was_cancelled_says_so_and_can_be_tried_again(dispatcher):
    dispatcher.held = True
    test = opened()
    test.button(key="cancel_both").click()
    checked(test.run())
    dispatcher.release()
    checked(test.run())
    assert [box.value.split()[-2:] for box in test.warning] == [["was", "cancelled.**"]] * 2
    test.button(key="retry_both").click()
    assert said(checked(checked(test.run()).run())) == ["2 measured"]


def test_what_failed_says_why_while_the_rest_goes_on(dispatcher):
    dispatcher.failing = "quantization"
    test = opened()
    assert "went wrong" in test.error[0].value
    assert said(checked(test.run())) == ["1 measured"]


def test_the_same_reason_is_said_once(dispatcher):
    dispatcher.failing = "anatomy"
    test = opened(asks=True)
    assert len(test.error) == 1
    assert "This could not be found out" in test.error[0].value
    dispatcher.failing = ""
    test.button(key="retry_layers").click()
    assert said(checked(checked(test.run()).run())) == ["2 measured", "2 answers"]
