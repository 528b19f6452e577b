"""The Jobs page; jobs are moved by the tests."""

import functools
import json
from dataclasses import replace

import pytest

from compression import environment
from compression.errors import StorageFailed
from compression.inquiries.outcomes import OutcomeInquiry
from compression.recipe.recipe import make_recipe
from compression.search.wish import Wish
from compression.store import deletion, history
from compression.store.job_queue import Owner
from compression.store.jobs import JobState
from compression.store.searches import SearchState
from compression.work.members import Member, Members
from pages.components.jobs import board, dialogs, history_chosen
from pages.components.jobs import history as history_tab
from pages.components.view import state
from tests.support import page_tools
from tests.support.fake_dispatcher import ME
from tests.support.made_up_results import BYTES, files_of, keep, key_of
from tests.support.page_tools import checked, url, words

MODEL = "mlp-digits"
WORKER = Member("tls://127.0.0.1:7", "0", "vm", 4242, False, 312_000_000, 2_000_000_000, 98.0, 0)


@pytest.fixture
def dispatcher(dispatcher):
    """Whose jobs are moved by the tests."""
    dispatcher.held = True
    dispatcher.workers = Members("tls://127.0.0.1:1", True, (WORKER,))
    return dispatcher


@pytest.fixture
def opened(dispatcher):
    """Opens the Jobs page as a link with these query parameters does."""
    return functools.partial(page_tools.opened, "jobs")


def quantized(bits, seed=0):
    return make_recipe(MODEL, [{"technique": "quantization", "weight_bits": bits}], seed=seed)


def add(dispatcher, recipe, **changes):
    return key_of(keep(dispatcher.store, recipe, **changes))


def plain(said):
    return said.replace("\N{NO-BREAK SPACE}", " ")


class TestWork:
    def test_at_first_there_is_nothing_and_it_says_where_jobs_come_from(self, opened, dispatcher):
        dispatcher.workers, dispatcher.problem = Members(), "The worker processes could not be started."
        page = opened()
        assert "could not be started" in words(page)
        assert "The workers are starting" in words(page)
        assert "Nothing waits. Jobs come here when" in words(page)
        assert "No job has ended yet" in words(page)
        assert page.button(key="jobs_cancel_all").disabled
        assert url(page) == {}

    def test_a_running_job_is_on_its_workers_card(self, opened, dispatcher):
        (job,) = dispatcher.submit([quantized(4)], group="explore-someone")
        dispatcher.begin(job)
        dispatcher.workers = Members("tls://127.0.0.1:1", True, (replace(WORKER, job_ids=(job.job_id,)),))
        said = words(opened())
        assert "MLP" in said
        assert "Measure: 4-bit weights  \npruning layer 3 · 40 % ·" in said
        assert "process 4242 on vm · memory 312 MB of 2.00 GB · CPU 98 % · normal priority" in plain(said)
        assert "another server" not in said

    def test_a_job_of_another_servers_worker_is_shown_too(self, opened, dispatcher):
        (job,) = dispatcher.submit([quantized(4)], group="explore-someone")
        dispatcher.begin(job)
        page = opened()
        assert "In another server's workers" in words(page)
        assert "Idle" in words(page)

    def test_one_job_is_cancelled(self, opened, dispatcher):
        first, second = dispatcher.submit([quantized(4), quantized(5)], group="explore-someone")
        dispatcher.begin(first)
        dispatcher.workers = Members("", True, (replace(WORKER, job_ids=(first.job_id,)),))
        page = opened()
        checked(page.button(key="jobs_cancel_0").click().run())
        assert dispatcher.store.job(first.job_id).is_cancel_requested
        assert "stopping" in words(page)
        checked(page.button(key=f"jobs_cancel_{second.job_id}").click().run())
        assert dispatcher.store.job(second.job_id).state is JobState.CANCELLED

    def test_waiting_jobs_are_counted_by_who_asked_and_cancelled_together(self, opened, dispatcher):
        dispatcher.submit([quantized(bits) for bits in range(2, 9)], group="sweep-other", background=True)
        dispatcher.submit([OutcomeInquiry(recipe=quantized(4))], group="inquiry-other")
        page = opened()
        assert "**Explore: the curves (another browser window)**  \nMLP on digits: 7 waiting" in words(page)
        assert "**A page that looks into a result (another browser window)**  \nMLP on digits: 1 waiting" in words(page)
        assert "Asking the network about every test image: 4-bit weights" in words(page)
        checked(page.button(key="jobs_cancel_group_sweep-other").click().run())
        assert {job.state for job in dispatcher.jobs("sweep-other")} == {JobState.CANCELLED}
        assert dispatcher.jobs("inquiry-other")[0].state is JobState.WAITING

    def test_a_search_is_called_by_its_wish_and_paused_with_its_jobs(self, opened, dispatcher):
        dispatcher.held = True
        searches = dispatcher.store.searches
        first, second = (searches.begin(MODEL, Wish(target="fastest").to_json(), 5) for _ in range(2))
        for search in (first, second):
            dispatcher.submit([quantized(4)], group=search.group, background=True)
        page = opened()
        assert "**Search: the fastest, in 5 minutes**  \nMLP on digits: 1 waiting" in words(page)
        checked(page.button(key=f"jobs_cancel_group_{first.group}").click().run())
        assert {job.state for job in dispatcher.jobs(first.group)} == {JobState.CANCELLED}
        assert searches.search(first.search_id).state is SearchState.PAUSED
        assert searches.search(second.search_id).state is SearchState.RUNNING
        checked(page.button(key="jobs_cancel_all").click().run())
        page.radio(key="jobs_whose").set_value("all")
        checked(page.button(key="jobs_yes").click().run())
        assert searches.search(second.search_id).state is SearchState.PAUSED

    def test_all_are_cancelled_only_after_a_question(self, opened, dispatcher):
        dispatcher.submit([quantized(4)], group="explore-other")
        page = opened()
        checked(page.button(key="jobs_cancel_all").click().run())
        assert page.radio(key="jobs_whose").options == ["Mine: 0 jobs of this browser", "Everybody's: 1 job"]
        checked(page.button(key="jobs_no").click().run())
        assert dispatcher.jobs("explore-other")[0].state is JobState.WAITING
        assert "does not begin with its curves" not in words(page)
        checked(page.button(key="jobs_cancel_all").click().run())
        page.radio(key="jobs_whose").set_value("all")
        checked(page.button(key="jobs_yes").click().run())
        assert dispatcher.jobs("explore-other")[0].state is JobState.CANCELLED

    def test_ones_own_are_cancelled_without_those_of_others(self, opened, dispatcher, cookies):
        cookies["visitor"] = "0123456789abcdef"
        dispatcher.submit([quantized(4)], group="explore-other.1")
        dispatcher.submit([quantized(4)], group="sweep-0123456789abcdef.77", background=True)
        page = opened()
        checked(page.button(key="jobs_cancel_all").click().run())
        assert "does not begin with its curves again" in words(page)
        checked(page.button(key="jobs_yes").click().run())
        assert dispatcher.jobs("explore-other.1")[0].state is JobState.WAITING
        assert dispatcher.jobs("sweep-0123456789abcdef.77")[0].state is JobState.CANCELLED

    def test_a_failure_says_why_and_is_tried_again(self, opened, dispatcher):
        (job,) = dispatcher.submit([quantized(4)], group="sweep-other", background=True)
        dispatcher.end(job, JobState.FAILED, "The loss is not finite. Try a smaller learning rate.")
        page = opened()
        assert "The loss is not finite" in words(page)
        checked(page.button(key=f"jobs_retry_{job.job_id}").click().run())
        again = dispatcher.jobs("sweep-other")[-1]
        assert (again.state, again.background, again.recipe) == (JobState.WAITING, False, quantized(4))
        assert "The loss is not finite" not in words(page)

    def test_many_failures_are_tried_again_at_once_or_cleared(self, opened, dispatcher):
        for job in dispatcher.submit([quantized(bits) for bits in range(1, 9)], group="g"):
            dispatcher.end(job, JobState.FAILED, "why")
        page = opened()
        assert "**Failed** (8)" in words(page)
        checked(page.button(key="jobs_retry_all").click().run())
        assert [job.state for job in dispatcher.jobs("g")].count(JobState.WAITING) == 8
        dispatcher.cancel("g")
        checked(page.run())
        checked(page.button(key="jobs_clear_failed").click().run())
        assert JobState.FAILED not in {job.state for job in dispatcher.jobs("g")}

    def test_what_is_over_is_a_table(self, opened, dispatcher):
        first, second = dispatcher.submit([quantized(4), quantized(5)], group="explore-other")
        dispatcher.end(first, JobState.COMPLETE)
        dispatcher.cancel_jobs([second.job_id])
        (table,) = opened().dataframe
        rows = {row["purpose"]: row for row in table.value.to_dict("records")}
        assert rows["Measure: 4-bit weights"]["outcome"] == "finished"
        assert rows["Measure: 4-bit weights"]["took"] >= 0
        assert rows["Measure: 5-bit weights"]["outcome"] == "cancelled"

    def test_workers_of_a_cluster_elsewhere(self, opened, dispatcher):
        far = Member("tls://10.0.0.7:1", "tls://10.0.0.7:1", "10.0.0.7", None, True, 5_000_000, 0, None, None)
        dispatcher.workers = Members("tls://10.0.0.1:8786", False, tuple(replace(far, name=f"w{n}") for n in range(30)))
        said = words(opened())
        assert "10.0.0.7 · memory 5.00 MB" in plain(said)
        assert "30 workers on the cluster in COMPRESSION_SCHEDULER; their scheduler is `tls://10.0.0.1:8786`" in said
        assert f"{30 - board.MAX_CARDS} more workers are not shown" in said

    def test_other_servers_on_the_same_database_are_named(self, opened, dispatcher):
        dispatcher.store.queue.heartbeat(ME)
        assert "share this database" not in words(opened())
        dispatcher.store.queue.heartbeat(Owner("other", "far-away", 99, 0.0))
        assert "2 servers share this database: here, process 1; far-away, process 99" in words(opened())

    def test_nothing_is_read_again_while_nothing_changes(self, opened, dispatcher, monkeypatch):
        dispatcher.submit([quantized(4)], group="explore-other")
        page = opened()
        looked = []
        look = board.overview.look
        monkeypatch.setattr(board.overview, "look", lambda store: looked.append(1) or look(store))
        checked(page.run())
        assert looked == []
        dispatcher.submit([quantized(5)], group="explore-other")
        checked(page.run())
        assert len(looked) == 1

    @pytest.mark.parametrize("part", ["work", "history"])
    def test_a_broken_store_is_said(self, opened, dispatcher, part):
        environment.home().joinpath("results.sqlite").write_bytes(b"this is no database" * 100)
        page = opened(show=part)
        assert "Move that file away" in words(page)


class TestLog:
    def test_it_opens_from_a_running_job_and_is_in_the_address(self, opened, dispatcher):
        (job,) = dispatcher.submit([quantized(4)], group="explore-other")
        dispatcher.begin(job, log=("begun in process 7", "pruning layer 3"))
        page = opened()
        assert "begun in process 7" not in words(page)
        checked(page.button(key=f"jobs_log_{job.job_id}").click().run())
        assert "0.0 s  begun in process 7" in words(page)
        assert "pruning layer 3" in words(page)
        assert url(page) == {"job": job.job_id}

    def test_a_link_opens_it(self, opened, dispatcher):
        (job,) = dispatcher.submit([quantized(4)], group="explore-other")
        dispatcher.end(job, JobState.FAILED, "why it failed", log=("begun", "it stumbled"))
        page = opened(job=job.job_id)
        assert ":red-badge[:material/error: failed]" in words(page)
        assert "it stumbled" in words(page)
        assert json.dumps("quantization") in words(page)

    def test_from_there_it_is_tried_again(self, opened, dispatcher):
        (job,) = dispatcher.submit([quantized(4)], group="explore-other")
        dispatcher.end(job, JobState.FAILED, "why it failed")
        page = opened(job=job.job_id)
        checked(page.button(key="job_retry").click().run())
        again = dispatcher.jobs("explore-other")[-1]
        assert again.state is JobState.WAITING
        assert url(page)["job"] == again.job_id
        assert "It has not begun yet" in words(page)
        checked(page.button(key="job_cancel").click().run())
        assert dispatcher.store.job(again.job_id).state is JobState.CANCELLED

    def test_a_job_that_is_gone(self, opened):
        assert "There is no such job any more" in words(opened(job="nonsense"))


class TestHistory:
    def test_every_result_is_a_row_whatever_it_was_measured_with(self, opened, dispatcher):
        add(dispatcher, quantized(4), stored_bytes=BYTES // 2)
        add(dispatcher, quantized(5), engine_version="0.1")
        (table,) = opened(show="history").dataframe
        rows = table.value.to_dict("records")
        assert [row["setting"] for row in rows] == ["5-bit weights", "4-bit weights"]
        assert [row["origin"] for row in rows] == ["engine 0.1", "here, now"]
        assert rows[1]["size_ratio"] == 2
        assert rows[1]["stored"] == 850

    def test_a_search_is_in_the_address_and_a_link_repeats_it(self, opened, dispatcher):
        add(dispatcher, quantized(4))
        add(dispatcher, quantized(5))
        page = opened(show="history")
        page.text_input(key="past_text").set_value("5-bit").run()
        checked(page.run())
        assert url(page) == {"show": "history", "search": "5-bit"}
        assert [row["setting"] for row in page.dataframe[0].value.to_dict("records")] == ["5-bit weights"]
        again = opened(show="history", search="4-bit", order="smallest")
        assert [row["setting"] for row in again.dataframe[0].value.to_dict("records")] == ["4-bit weights"]
        assert again.selectbox(key="past_order").value == "smallest"
        assert url(again) == {"show": "history", "search": "4-bit", "order": "smallest"}

    def test_nothing_to_find_and_nothing_found(self, opened, dispatcher):
        assert "Nothing is measured yet" in words(opened(show="history"))
        add(dispatcher, quantized(4))
        page = opened(show="history", search="nonsense")
        assert "**0** of 1 results" in words(page)
        assert "Nothing fits" in words(page)

    @pytest.mark.parametrize(
        ("parameters", "problem"),
        [
            ({"show": "nonsense"}, "this page has work, history, disk"),
            ({"show": "history", "models": "nonsense"}, "There is no model 'nonsense'"),
            ({"show": "history", "order": "nonsense"}, "There is no order 'nonsense'"),
        ],
    )
    def test_a_bad_link_is_said(self, opened, dispatcher, parameters, problem):
        add(dispatcher, quantized(4))
        page = opened(**parameters)
        assert "This link cannot be opened" in words(page)
        assert problem in words(page)

    def test_rows_stay_where_they_are_while_new_results_come(self, opened, dispatcher):
        add(dispatcher, quantized(4))
        page = opened(show="history")
        add(dispatcher, quantized(5))
        checked(page.run())
        assert len(page.dataframe[0].value) == 1
        assert "**2** of 2 results" in words(page)
        checked(page.button(key="past_refresh").click().run())
        assert [row["setting"] for row in page.dataframe[0].value.to_dict("records")] == [
            "5-bit weights",
            "4-bit weights",
        ]

    def test_what_does_not_fit_is_said(self, opened, dispatcher, monkeypatch):
        monkeypatch.setattr(history_tab, "MAX_ROWS", 2)
        for bits in (3, 4, 5):
            add(dispatcher, quantized(bits))
        page = opened(show="history")
        assert len(page.dataframe[0].value) == 2
        assert "**3** of 3 results; the table has the first 2" in words(page)


def choose(page, monkeypatch, *rows):
    """Choose rows of the history's table, which AppTest has no means for."""
    monkeypatch.setattr(history_tab, "_table", lambda *arguments: list(rows))
    return checked(page.run())


class TestChosenResults:
    def test_one_is_opened_elsewhere(self, opened, dispatcher, monkeypatch):
        add(dispatcher, quantized(4))
        page = choose(opened(show="history"), monkeypatch, 0)
        links = {link.proto.label: link.proto.query_string for link in page.get("page_link") if link.proto.query_string}
        assert {"Explore", "Inspect"} <= set(links)
        assert all("quantization" in link for link in links.values())

    def test_several_are_compared(self, opened, dispatcher, monkeypatch):
        add(dispatcher, quantized(4))
        add(dispatcher, quantized(5))
        links = []
        monkeypatch.setattr(history_chosen.menu, "link", lambda page, query=None: links.append((page, query)))
        choose(opened(show="history"), monkeypatch, 0, 1)
        (query,) = [query for page, query in links if page == "Compare" and query]
        assert [recipe["model"] for recipe in json.loads(query["recipes"])] == [MODEL, MODEL]

    def test_tags_and_note_are_kept(self, opened, dispatcher, monkeypatch):
        key = add(dispatcher, quantized(4))
        page = choose(opened(show="history"), monkeypatch, 0)
        page.text_area[0].set_value("for the talk on Monday")
        (save,) = [button for button in page.button if button.label == "Save"]
        checked(save.click().run())
        assert history.notes(dispatcher.store)[key].text == "for the talk on Monday"

    def test_a_result_of_other_conditions_says_so(self, opened, dispatcher, monkeypatch):
        add(dispatcher, quantized(4), engine_version="0.1")
        page = choose(opened(show="history"), monkeypatch, 0)
        assert "measured under other conditions" in words(page)

    def test_deleting_says_what_goes_and_asks(self, opened, dispatcher, monkeypatch):
        key, kept = add(dispatcher, quantized(4)), add(dispatcher, quantized(5))
        size = sum(len(content) for content in files_of(quantized(4)).values())
        page = choose(opened(show="history"), monkeypatch, 1)
        checked(page.button(key="past_delete").click().run())
        assert "- **1 result** from the database" in words(page)
        assert f"- **4 files** from the disk, which frees **{size} bytes**" in words(page)
        checked(page.button(key="jobs_no").click().run())
        assert len(history.entries(dispatcher.store)) == 2
        checked(page.button(key="past_delete").click().run())
        checked(page.button(key="jobs_yes").click().run())
        assert [entry.key for entry in history.entries(dispatcher.store)] == [kept]
        assert "from the database" not in words(page)
        assert key != kept

    def test_a_deletion_that_fails_says_why(self, opened, dispatcher, monkeypatch):
        add(dispatcher, quantized(4))
        page = choose(opened(show="history"), monkeypatch, 0)
        checked(page.button(key="past_delete").click().run())

        def full(store, result_keys):
            raise StorageFailed("The disk is read-only. Check your rights.")

        monkeypatch.setattr(deletion, "delete", full)
        checked(page.button(key="jobs_yes").click().run())
        assert "The disk is read-only" in words(page)


class TestConsequences:
    def test_everything_that_goes_or_stays_has_a_line(self):
        planned = deletion.Deletion(2, 3, 1, 7, 12_300, 1, 5)
        assert dialogs.consequences(planned) == [
            "**2 results** from the database",
            "**3 answers** that pages found out about them",
            "Tags and notes of **1 result**",
            "**7 files** from the disk, which frees **12.3 KB**",
            "1 file stays: other results have the very same content",
            "An uncompressed model that 5 other results compared with. "
            "Their numbers stay; it is measured again when something needs it",
        ]


class TestDisk:
    def test_every_place_is_said_with_its_size(self, opened, dispatcher, fresh_home):
        add(dispatcher, quantized(4))
        said = words(opened(show="disk"))
        size = sum(len(content) for content in files_of(quantized(4)).values())
        assert str(fresh_home / "results.sqlite") in said
        assert f"**Files of results** · {size} bytes · 4 files" in said
        assert str(fresh_home / "artifacts") in said
        assert str(fresh_home / "data") in said

    def test_leftovers_are_found_and_removed(self, opened, dispatcher, monkeypatch):
        key = add(dispatcher, quantized(4))
        page = opened(show="disk")
        checked(page.button(key="disk_look").click().run())
        assert "There are none." in words(page)
        with monkeypatch.context() as patch:
            patch.setattr(deletion, "_remove", lambda database, found: None)
            deletion.delete(dispatcher.store, [key])
        monkeypatch.setattr(deletion.orphans, "__defaults__", (-60,))
        monkeypatch.setattr(deletion.clean_up, "__defaults__", (-60,))
        checked(page.button(key="disk_look").click().run())
        assert "**4 files, " in words(page)
        checked(page.button(key="disk_clean").click().run())
        assert "4 files removed" in words(page)
        assert list(deletion.files()) == []

    def test_where_a_broken_database_lies_is_said_too(self, opened, dispatcher):
        file = environment.home() / "results.sqlite"
        file.write_bytes(b"this is no database" * 100)
        page = opened(show="disk")
        assert str(file) in words(page)
        checked(page.button(key="disk_look").click().run())
        assert "Move that file away" in words(page)


def test_this_browser_window_is_told_from_others(opened, dispatcher):
    page = opened()
    page.session_state[state._SESSION] = "mine"
    dispatcher.submit([quantized(4)], group="explore-mine")
    checked(page.run())
    assert "Explore: the setting shown (this browser window)" in words(page)


@pytest.mark.parametrize("tags", [(), ("a", "b"), ("a,b", "c"), ("[x]",), ('say "hi", you',)])
def test_tags_survive_the_address(tags):
    from pages.components.jobs import job_link

    assert job_link._split(job_link._joined(tags)) == tags


@pytest.mark.parametrize("text", ["[", "[1, {}]", "[" * 100_000])
def test_bad_tags_in_an_address_break_nothing(text):
    from pages.components.jobs import job_link

    assert all(isinstance(tag, str) for tag in job_link._split(text))
