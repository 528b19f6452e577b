"""A visitor reads what a server sends, and knows an answer from news that a timer asked for."""

import asyncio
import random

from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from benchmarks.visitors import Crowd, Visitor


def message(**parts):
    return ForwardMsg(**parts)


def delta(fragment):
    made = ForwardMsg()
    made.delta.fragment_id = fragment
    return made


def test_only_a_run_that_draws_the_moved_control_is_an_answer():
    async def visit():
        visitor = Visitor("http://nowhere", random.Random(0))
        visitor._moved = "controls"
        seen = []
        for fragments in (["progress"], [], ["charts", "controls"]):
            started = ForwardMsg()
            started.new_session.page_script_hash = "explore"
            visitor._take(started)
            for fragment in fragments:
                visitor._take(delta(fragment))
            visitor._take(message(script_finished=ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY))
            seen.append(visitor._ended.is_set())
        return visitor.page, seen

    assert asyncio.run(visit()) == ("explore", [False, False, True])


def test_a_slider_is_found_with_its_positions():
    made = delta("controls")
    slider = made.delta.new_element.slider
    slider.id, slider.min, slider.max, slider.step = "bits", 0, 10, 5
    slider.default.append(5)
    visitor = Visitor("http://nowhere", random.Random(0))
    visitor._take(made)
    assert (visitor.controls["bits"].fragment, visitor.controls["bits"].positions) == ("controls", [0, 5, 10])
    assert visitor.states == {}  # a browser says nothing of what stands where the page put it


def test_of_a_hundred_answers_the_95th_is_told():
    assert Crowd(tuple(map(float, range(101))), (), 0).p95_s == 95
