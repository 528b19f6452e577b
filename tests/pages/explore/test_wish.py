"""The wish on Explore: boxes, what can be expected, a search under way, and its answer, with made-up measurements."""

import json

import pytest

from compression.inquiries.layer_tables import TableInquiry
from compression.recipe.recipe import Recipe, make_recipe
from compression.recipe.settings import Settings
from compression.search.limits import Limits
from compression.search.wish import Wish, wish_from
from compression.store import deletion
from compression.store.searches import SearchState
from pages.components.explore import wish_box
from pages.components.frame import classroom
from pages.components.view import state
from pages.components.view.link import View, parameters_of
from tests.support import made_up_answers
from tests.support.made_up_results import keep
from tests.support.page_tools import MODEL, components, downloads, pressed, progress, rerun, texts, url, words

BITS = [make_recipe(MODEL, [{"technique": "quantization", "weight_bits": bits}]) for bits in (8, 4, 3)]
TABLES = TableInquiry(recipe=Recipe(model=MODEL))
LOSSLESS = made_up_answers.tables()
LOSSLESS = LOSSLESS.model_copy(
    update={
        "layers": tuple(
            layer.model_copy(
                update={"cells": tuple(one.model_copy(update={"loss": 0.0, "accuracy": 0.98}) for one in layer.cells)}
            )
            for layer in LOSSLESS.layers
        )
    }
)
WISH = Wish(Limits(drop_points=2), "smallest", 5)
RISING = [(30.0, 3, 0.1), (60.0, 6, 0.2), (120.0, 9, 0.3)]


@pytest.fixture
def searched(dispatcher):
    """Have a search of the model in the store, with some results."""

    def begin(wish=WISH, now=SearchState.RUNNING, spent_s=120.0, progress=RISING, workspace=""):
        dispatcher.measure(Recipe(model=MODEL), *BITS)
        searches = dispatcher.store.searches
        search = searches.begin(MODEL, wish.to_json(), wish.minutes, workspace)
        searches.tell(search.search_id, spent_s, "9 settings measured", progress)
        searches.move(search.search_id, now)
        return search

    return begin


def limited(page, field, value):
    page.number_input(key=f"{state.SETTING}limit_{field}").set_value(value)
    return rerun(page)


def keys(page):
    return {button.key for button in page.button}


class TestBoxes:
    def test_closed_they_are_one_line(self, explore):
        page = explore(groups_open=False)
        assert "Say what it may cost" in texts(page.markdown)
        assert "find_it" not in keys(page)
        assert "find_it" in keys(pressed(page, "wish_open"))

    @pytest.mark.parametrize(
        ("field", "value", "link"),
        [
            ("stored_kb", 300.0, "max_kb"),
            ("drop_points", 1.5, "max_drop"),
            ("latency_ratio", 0.5, "max_ratio"),
            ("latency_ms", 0.1, "max_ms"),
            ("runtime_kb", 400.0, "max_runtime_kb"),
            ("memory_kb", 500.0, "max_memory_kb"),
            ("worst_points", 3.0, "max_worst"),
        ],
    )
    def test_each_limit_has_a_box_and_goes_into_the_link_and_back(self, explore, field, value, link):
        page = limited(explore(), field, value)
        assert float(url(page)[link]) == value
        again = explore(**{link: url(page)[link]})
        assert again.session_state["view"].limits == Limits(**{field: value})
        assert again.number_input(key=f"{state.SETTING}limit_{field}").value == value

    def test_a_limit_that_is_typed_leaves_others_alone_that_are_not_drawn(self, explore):
        page = explore(max_memory_kb="500", groups_open=False)
        pressed(page, "wish_open")
        limited(page, "drop_points", 1.0)
        assert page.session_state["view"].limits == Limits(memory_kb=500, drop_points=1)

    def test_what_is_best_goes_with_the_limits_until_it_is_said_and_is_in_the_link(self, explore):
        page = explore()
        aim = f"{state.SETTING}wish_target"
        assert page.segmented_control(key=aim).value == "accuracy"
        limited(page, "drop_points", 1.0)
        assert page.segmented_control(key=aim).value == "smallest" and "best" not in url(page)
        page.segmented_control(key=aim).set_value("fastest")
        rerun(page)
        assert url(page)["best"] == "fastest"
        limited(page, "drop_points", None)
        assert page.segmented_control(key=aim).value == "fastest"
        again = explore(best="memory")
        assert again.segmented_control(key=aim).value == "memory"
        assert "The least memory" in texts(again.markdown)


class TestOutlook:
    def test_what_is_measured_is_said_at_once_and_shown_with_a_click(self, explore):
        page = limited(explore(), "drop_points", 1.0)
        assert "**Measured already:**" in texts(page.markdown)
        assert "Stored file" in words(page) and "middle" in words(page)
        pressed(page, "show_best")
        assert page.session_state["view"].recipe.steps

    def test_an_estimate_is_called_one_and_measured_with_a_click(self, explore, dispatcher):
        dispatcher.measure(Recipe(model=MODEL))
        dispatcher.held = True
        page = explore(max_kb="300", max_drop="20")
        (said,) = [text.value for text in page.markdown if "for instance" in text.value]
        assert "estimated" in said and "Measured" not in said
        pressed(page, "show_expected")
        assert page.session_state["view"].recipe.steps

    def test_layers_are_tried_alone_once_it_is_open_and_levels_by_layer_then_take_part(self, explore, dispatcher):
        dispatcher.measure(Recipe(model=MODEL))
        dispatcher.held, dispatcher.answers = True, lambda inquiry: LOSSLESS
        page = explore(max_kb="8", groups_open=False)
        assert not dispatcher.inquired
        page = pressed(page, "wish_open")
        assert dispatcher.inquired == [TABLES] and "So far all layers get the same level" in texts(page.caption)
        assert [job.background for job in dispatcher.store.jobs() if job.inquiry] == [True]
        assert "layer by layer: about" not in texts(page.markdown) and progress(page)
        dispatcher.release()
        page = rerun(page)
        (said,) = [text.value for text in page.markdown if "for instance" in text.value]
        assert "chosen layer by layer: about" in said and "estimated" in said
        assert "tried alone on 500 validation images" in texts(page.caption)
        pressed(page, "show_expected")
        assert any(step.levels for step in page.session_state["view"].recipe.steps)

    def test_an_impossible_wish_says_so(self, explore):
        page = explore(max_kb="0.01", max_drop="0.1")
        assert "**Hardly:**" in texts(page.markdown)
        assert "show_best" not in keys(page)


class TestSearching:
    def test_find_it_begins_a_search_for_what_the_boxes_say(self, explore, dispatcher):
        page = explore(max_drop="1", best="fastest")
        page.number_input(key="wish_minutes").set_value(0.5)
        pressed(page, "find_it")
        (search,) = dispatcher.store.searches.of_model(MODEL)
        assert wish_from(search.wish) == Wish(Limits(drop_points=1), "fastest", 0.5)
        assert "Starting" in " ".join(progress(page))
        assert not page.session_state[wish_box.KEY]

    def test_another_search_takes_the_place_of_the_one_under_way(self, explore, dispatcher, searched):
        first = searched()
        pressed(explore(max_drop="3"), "find_it")
        assert dispatcher.store.searches.search(first.search_id).state is SearchState.OVER
        latest, _ = dispatcher.store.searches.of_model(MODEL)
        assert latest.state is SearchState.RUNNING

    def test_it_says_how_far_it_is_and_what_is_best_so_far(self, explore, searched):
        searched()
        page = explore(groups_open=False)
        assert "2 min of 5 min: 9 settings measured, about 3 min left" in progress(page)
        assert "Looking for the smallest file (at most 2 points lost), in 5 minutes" in texts(page.markdown)
        assert "**Best so far.** " in texts(page.markdown)
        drawn = json.loads(components(page)["search_curve"]["figure"])["data"][0]
        assert drawn["y"] == pytest.approx([10, 20, 30, 30]) and drawn["x"] == pytest.approx([0.5, 1, 2, 2])
        assert "30 % of the possible is found" in texts(page.caption)

    def test_where_time_no_longer_helps_that_is_said(self, explore, searched):
        flat = [(6.0 * n, n, 0.3) for n in range(1, 20)]
        searched(progress=flat)
        assert "More time will hardly help" in texts(explore(groups_open=False).caption)

    def test_where_it_still_does_nothing_is_said(self, explore, searched):
        searched(progress=[(6.0 * n, n, 0.03 * n) for n in range(1, 20)])
        assert "More time" not in texts(explore(groups_open=False).caption)

    def test_it_is_paused_resumed_given_more_minutes_and_stopped(self, explore, dispatcher, searched):
        name = searched().search_id
        searches = dispatcher.store.searches
        page = pressed(explore(groups_open=False), "search_pause")
        assert searches.search(name).state is SearchState.PAUSED
        assert "Paused after 2 min of 5 min: 9 settings measured" in progress(page)
        pressed(page, "search_play_arrow")
        assert searches.search(name).state is SearchState.RUNNING
        pressed(page, "search_more_time")
        assert searches.search(name).minutes == 10
        pressed(page, "search_stop")
        assert searches.search(name).state is SearchState.OVER
        assert "search_pause" not in keys(page)

    def test_a_search_is_the_classs_own(self, explore, searched):
        searched(workspace="class-1")
        assert "search_pause" not in keys(explore(groups_open=False))
        assert "search_pause" in keys(explore(groups_open=False, **{classroom.NAME: "class-1"}))

    def test_what_it_measures_is_drawn_by_itself(self, explore, dispatcher, searched):
        searched()
        page = explore(groups_open=False)
        assert page.session_state["parts_seen"].unfinished
        before = page.session_state["parts_seen"].signature
        dispatcher.measure(make_recipe(MODEL, [{"technique": "quantization", "weight_bits": 7}], seed=3))
        rerun(page)
        assert page.session_state["parts_seen"].signature != before


class TestAnswer:
    def answered(self, explore, searched, limits, target="smallest"):
        searched(Wish(limits, target, 5), SearchState.OVER)
        return explore(groups_open=False, curves="none")

    def test_a_wish_that_is_met(self, explore, searched):
        page = self.answered(explore, searched, Limits(stored_kb=500, drop_points=2))
        assert "Met: the smallest file of" in texts(page.success)
        assert texts(page.markdown).count(":material/check_circle:] kept") == 2
        pressed(page, "show_found")
        view = page.session_state["view"]
        assert view.recipe in BITS and view.limits == Limits(stored_kb=500, drop_points=2)
        assert page.button(key="show_found").disabled

    def test_a_wish_that_is_perhaps_met(self, explore, searched):
        page = self.answered(explore, searched, Limits(stored_kb=300, drop_points=0.4))
        assert "Perhaps met: " in texts(page.warning)
        assert ":material/help:] perhaps" in texts(page.markdown)

    def test_a_wish_that_is_not_met_says_how_far_each_limit_would_have_to_give(self, explore, searched):
        page = self.answered(explore, searched, Limits(stored_kb=0.001, drop_points=0.1))
        assert "Not met: none of" in texts(page.error) and "Nearest: " in texts(page.error)
        assert "If only this limit gave way: 1 bytes would have to be" in texts(page.markdown)
        assert ":material/cancel:] not kept" in texts(page.markdown)

    def test_what_would_be_better_and_is_not_sure_is_named(self, explore, searched):
        page = self.answered(explore, searched, Limits(drop_points=3.2))
        assert "is 4-bit weights" in texts(page.success)
        assert "**Better, if it keeps to the limits:** 3-bit weights" in texts(page.markdown)

    def test_it_can_be_taken_everywhere_from_here(self, explore, searched, dispatcher):
        for recipe in (Recipe(model=MODEL), *BITS):
            keep(dispatcher.store, recipe)
        searched(Wish(Limits(drop_points=2), "smallest", 5), SearchState.OVER)
        page = explore(curves="none")  # with the table, which offers files too
        links = {link.proto.label: link.proto for link in page.get("page_link")}
        assert {"Inspect", "Compare", "Present"} <= links.keys()
        ways = [link.proto for link in page.get("page_link") if link.proto.query_string]
        asked = {way.label: way.query_string for way in ways}
        assert "recipes=" in asked["Compare"]
        assert "recipe=" in asked["Inspect"] and "max_drop=2" in asked["Inspect"]
        assert "best=smallest" in asked["Present"]
        assert [downloads(page).count(file) for file in ("Stored file", "Runtime file (.onnx)")] == [2, 2]

    def test_results_that_count_no_longer_are_said(self, explore, searched):
        for known, said in ((9, "This search knew 9 settings, of which 4 can still be compared"), (4, "")):
            searched(now=SearchState.OVER, progress=[(30.0, known, 0.1)])
            info = texts(explore(groups_open=False, curves="none").info)
            assert said in info and ("This search knew" in info) == bool(said)

    def test_five_more_minutes_count_from_now(self, explore, dispatcher, searched):
        name = searched(now=SearchState.OVER).search_id
        pressed(explore(groups_open=False), "search_more_time")
        search = dispatcher.store.searches.search(name)
        assert search.state is SearchState.RUNNING
        assert search.minutes == pytest.approx(2 + 5)

    def test_one_that_cannot_go_on_says_why(self, explore, dispatcher, searched):
        search = searched()
        dispatcher.store.searches.tell(search.search_id, 120.0, "it cannot go on: its data are gone", RISING)
        dispatcher.store.searches.move(search.search_id, SearchState.CANCELLED)
        page = explore(groups_open=False)
        assert "its data are gone" in texts(page.caption)
        assert "search_more_time" not in keys(page)

    def test_a_wish_of_another_version_is_left_out(self, explore, dispatcher):
        dispatcher.store.searches.begin(MODEL, '{"limits":{"colour":3}}', 5)
        assert "search_pause" not in keys(explore(groups_open=False))


def test_a_model_that_is_removed_has_no_searches_any_more(dispatcher, searched, monkeypatch):
    searched()
    monkeypatch.setattr(deletion.own, "own_models", lambda: [MODEL])
    monkeypatch.setattr(deletion.own, "remove", lambda name: name)
    deletion.remove_own(dispatcher.store, MODEL)
    assert dispatcher.store.searches.every() == []


def test_the_view_of_a_wish_is_what_a_link_says():
    view = View(MODEL, Settings(weight_bits=4), limits=Limits(latency_ratio=0.5), target="fastest")
    assert parameters_of(view)["best"] == "fastest"
