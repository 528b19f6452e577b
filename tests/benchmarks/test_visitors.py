"""A visitor reads what a server sends, and takes nothing for an answer but what a move brought."""

import asyncio
import json
import random
from dataclasses import replace

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from benchmarks.visitors import MODEL, Crowd, Visitor
from compression.models.subject import subject_of
from compression.recipe.settings import recipe_of
from compression.recipe.words import recipe_in_words


def component(name, element_id, **data):
    made = ForwardMsg()
    made.delta.fragment_id = "a part"
    element = made.delta.new_element.bidi_component
    element.component_name, element.id, element.json = name, element_id, json.dumps(data)
    return made


def charts(recipe):
    return [component("chart_view", side, marked=recipe.recipe_id) for side in ("left", "right")]


def line(recipe):
    made = ForwardMsg()
    made.delta.new_element.markdown.body = f":material/conversion_path: {recipe_in_words(recipe)}"
    return [made]


def last_part():
    return [component("foresight", "foresight", rows="{}", again_ms=None)]


def slider():
    made = ForwardMsg()
    made.delta.fragment_id = "controls"
    element = made.delta.new_element.slider
    element.id, element.max, element.step = "$$ID-1-setting_weight_bits", 1, 1
    element.options.extend(["32 (off)", "8"])
    return made


@pytest.fixture
def visitor():
    """One who has just moved the bits from 32 to 8; `asked` is what the server was asked for."""
    made = Visitor("http://nowhere", random.Random(0))
    made.asked = []
    made._ask = lambda **what: made.asked.append(what)
    made._take(slider())
    made.move("weight_bits")
    return made


def take(visitor, *parts):
    for message in (message for part in parts for message in part):
        visitor._take(message)
    return visitor._ended.is_set()


def test_a_move_asks_for_what_the_slider_then_says(visitor):
    assert visitor.asked == [{"fragment_id": "controls"}]
    assert visitor.states == {"$$ID-1-setting_weight_bits": "8"}
    assert visitor.settings.weight_bits == 8


def test_only_the_page_of_the_moved_slider_is_an_answer(visitor):
    before = recipe_of(subject_of(MODEL), replace(visitor.settings, weight_bits=32))
    now = recipe_of(subject_of(MODEL), visitor.settings)
    assert not take(visitor, charts(before), line(before), last_part())
    assert not take(visitor, charts(now)[:1], line(now), last_part())
    assert not take(visitor, charts(now), last_part()[:0])
    assert take(visitor, last_part())
    assert len(visitor.answers) == 1


def test_a_page_without_the_words_is_no_answer(visitor):
    assert not take(visitor, charts(recipe_of(subject_of(MODEL), visitor.settings)), last_part())
    assert visitor.answers == []


def test_the_next_move_is_waited_for_anew(visitor):
    first = recipe_of(subject_of(MODEL), visitor.settings)
    assert take(visitor, charts(first), line(first), last_part())
    visitor.move("weight_bits")
    assert not take(visitor, charts(first), line(first), last_part())


def test_errors_on_the_page_are_told(visitor):
    made = ForwardMsg()
    made.delta.new_element.exception.message = "it broke"
    take(visitor, [made])
    assert visitor.failures == ["it broke"]


def test_timers_are_set_once_and_stopped():
    async def visit():
        visitor = Visitor("http://nowhere", random.Random(0))
        ask, stop = ForwardMsg(), ForwardMsg()
        ask.auto_rerun.fragment_id, ask.auto_rerun.interval = "progress", 60
        stop.stop_auto_rerun.fragment_ids.append("progress")
        visitor._take(ask)
        first = visitor.timers["progress"]
        visitor._take(ask)
        assert visitor.timers == {"progress": first}
        visitor._take(stop)
        assert visitor.timers == {}

    asyncio.run(visit())


def test_one_whom_nobody_answers_counts_as_never():
    answers = tuple(map(float, range(1, 101)))
    assert Crowd(answers, (), 0, (), {}, {}, 0, 0).p95_s == 96
    assert Crowd(answers[:94], (), 0, ("no answer",) * 6, {}, {}, 0, 0).p95_s == float("inf")
