import pytest
from streamlit.runtime.scriptrunner_utils.script_requests import RerunData, ScriptRequests, ScriptRequestType

from pages.components.frame import timers

OLD, NEW = "hash of the old page", "hash of the new page"
CLICK = RerunData(page_script_hash=NEW)
TIMER = RerunData(page_script_hash=OLD, fragment_id="part of the old page", is_auto_rerun=True)


@pytest.fixture
def requests():
    timers.hold_back()
    timers.hold_back()
    yield ScriptRequests()
    ScriptRequests._request_rerun_locked = timers._fold


def asked(requests):
    request = requests.on_scriptrunner_ready()
    return request.type, request.rerun_data.page_script_hash, request.rerun_data.fragment_id_queue


def test_a_timer_of_the_left_page_does_not_undo_a_click(requests):
    requests.request_rerun(CLICK)
    assert requests.request_rerun(TIMER)
    assert asked(requests) == (ScriptRequestType.RERUN, NEW, [])


def test_it_draws_nothing_on_the_new_page_either(requests):
    requests.request_rerun(CLICK)
    asked(requests)
    requests.request_rerun(TIMER)
    assert requests.on_scriptrunner_ready().type is ScriptRequestType.STOP


def test_without_this_streamlit_forgets_the_click():
    """When this fails, Streamlit has mended it, and `timers` can go."""
    requests = ScriptRequests()
    requests.request_rerun(CLICK)
    requests.request_rerun(TIMER)
    assert asked(requests)[1] == OLD


def test_timers_of_the_page_itself_are_heard(requests):
    requests.request_rerun(RerunData(page_script_hash=OLD))
    asked(requests)
    requests.request_rerun(TIMER)
    assert asked(requests) == (ScriptRequestType.RERUN, OLD, ["part of the old page"])


def test_so_are_those_of_a_page_that_was_opened_by_its_address(requests):
    requests.request_rerun(RerunData(page_script_hash="", page_name="old"))
    asked(requests)
    requests.request_rerun(TIMER)
    assert asked(requests)[1] == OLD


def test_what_a_person_does_is_never_left_out(requests):
    requests.request_rerun(CLICK)
    requests.request_rerun(RerunData(page_script_hash=OLD))
    assert asked(requests)[1] == OLD
