"""Searches carried on: what a campaign asks for goes through the job engine, what came out goes back to it.

Torch-free. All that has to outlast this process is in the store: the wish, the time spent, the results and which jobs
failed. So the next dispatcher goes on with a search where this one left it.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Protocol

from compression.errors import CompressionError
from compression.inquiries import Inquiry
from compression.inquiries.layer_tables import TableInquiry, Tables
from compression.inquiries.retiming import RetimingInquiry
from compression.models.subject import subject_of
from compression.recipe.recipe import Recipe
from compression.results.record import Result
from compression.search.answer import Answer, answer, finalists
from compression.search.campaign import Campaign
from compression.search.wish import Wish, wish_from
from compression.store.jobs import Job, JobState
from compression.store.searches import Search, Searches, SearchState
from compression.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

TICK_S = 0.1
"""How often a search looks for what came out."""
IDLE_S = 1.0
"""How often it is looked for searches, where there are none."""
TELL_S = 1.0
"""How often it is told how far a search is."""
POINTS = 400
"""Of its progress that are kept: then every other is dropped."""
LEAST_MINUTES = 1.0
"""Of a search that has tables made: they take a worker up to half a minute."""
LAST_S = 60.0
"""How long timing the finalists again may take after the time is over."""

Work = Recipe | Inquiry

_log = logging.getLogger(__name__)


class Carrier(Protocol):
    """What a search needs of a `Dispatcher`: that begins the searches of its server, so its module imports this one."""

    store: Store

    @property
    def name(self) -> str:
        """Of it in the store."""

    @property
    def is_closed(self) -> bool:
        """Whether it does nothing any more."""

    @property
    def is_ready(self) -> bool:
        """Whether worker processes are there."""

    @property
    def background_slots(self) -> int:
        """How many background jobs can be done at a time."""

    def submit(self, works: Sequence[Work], *, group: str, background: bool, workspace: str) -> list[Job]:
        """Have these done."""

    def cancel_jobs(self, job_ids: Collection[str]) -> None:
        """Give up these jobs."""

    def jobs(self, group: str) -> list[Job]:
        """All jobs of a group."""


class SearchRun:
    """One search under way in this process."""

    def __init__(self, dispatcher: Carrier, search: Search) -> None:
        self.search, self.wish = search, wish_from(search.wish)
        self._dispatcher = dispatcher
        self._store = dispatcher.store.within(search.workspace)
        self._tables = TableInquiry(recipe=Recipe(model=search.model))
        self._campaign = self._begun(None)
        over = dispatcher.store.jobs(search.group, [JobState.CANCELLED])  # with an earlier pause or server
        self._told = {job.job_id for job in over}  # recipe_ids and, of failed ones, job_ids
        self._spent_s, self._progress = search.spent_s, list(search.progress)
        self._looked_at, self._told_at, self._over_at = time.monotonic(), 0.0, 0.0
        self._retimed: set[tuple[str, int]] = set()
        self._has_asked = False

    def _begun(self, tables: Tables | None) -> Campaign:
        wish, subject = self.wish, subject_of(self.search.model)
        return Campaign(subject, wish.limits, wish.target, seed=wish.seed, tables=tables)

    @property
    def is_over(self) -> bool:
        """Whether its time is spent."""
        return self._spent_s >= 60 * self.search.minutes

    def step(self, search: Search) -> bool:
        """Go on for a moment, with the search as it stands in the store now; False once there is nothing more to do."""
        self.search = search
        self._look_for_tables()
        jobs = self._dispatcher.jobs(search.group)
        open_jobs = [job for job in jobs if not job.state.is_final]
        self._collect(jobs)
        self._count_time()
        if self.is_over:
            return self._finish(open_jobs)
        self._over_at = 0.0
        self._ask(open_jobs)
        self._tell(f"{len(self._campaign.results):,} settings measured")
        return True

    def let_go(self) -> None:
        """Give up what is under way."""
        jobs = self._dispatcher.jobs(self.search.group)
        self._dispatcher.cancel_jobs([job.job_id for job in jobs if not job.state.is_final])

    def _look_for_tables(self) -> None:
        """Have the layers tried one by one, where there is time for that, and go on with what that tells."""
        if self._campaign.has_tables or not self._campaign.results:
            return
        content = self._store.answer(self._tables)
        if content is not None:
            before, self._campaign = self._campaign, self._begun(Tables.model_validate_json(content))
            self._campaign.take_over(before)
        elif not self._has_asked and self.search.minutes >= LEAST_MINUTES:
            self._has_asked = True
            self._submit([self._tables])

    def _collect(self, jobs: list[Job]) -> None:
        """Tell the campaign what is new: results, whoever asked for them, and what of its own failed."""
        for result in self._store.results(self.search.model):
            if result.recipe_id not in self._told:
                self._told.add(result.recipe_id)
                self._campaign.tell(result)
        for job in jobs:
            if job.state in (JobState.FAILED, JobState.CANCELLED) and job.job_id not in self._told:
                self._told.add(job.job_id)
                if job.inquiry is None:
                    self._campaign.failed(job.recipe)

    def _count_time(self) -> None:
        """Time counts while there are workers, once the uncompressed model is measured: before, nothing can be."""
        now = time.monotonic()
        if self._dispatcher.is_ready and self._campaign.results:
            self._spent_s += now - self._looked_at
        self._looked_at = now

    def _ask(self, open_jobs: list[Job]) -> None:
        """Keep every worker busy, with one job that waits: choosing the next takes a third of a second."""
        for _ in range(self._dispatcher.background_slots + 1 - len(open_jobs)):
            recipe = self._campaign.ask()
            if recipe is None:
                self._spent_s = 60 * self.search.minutes
                return
            self._submit([recipe])

    def _submit(self, works: Sequence[Work]) -> None:
        self._dispatcher.submit(
            works,
            group=self.search.group,
            background=True,
            workspace=self.search.workspace,
        )

    def _finish(self, open_jobs: list[Job]) -> bool:
        """Give up what is under way, then time those again that may be recommended."""
        measuring = [job.job_id for job in open_jobs if not isinstance(job.inquiry, RetimingInquiry)]
        if measuring:
            self._dispatcher.cancel_jobs(measuring)
        self._over_at = self._over_at or time.monotonic()
        wanted = {(one.recipe_id, len(one.timings)): one for one in finalists(self._results(), self.wish)}
        fresh = {key: one for key, one in wanted.items() if key not in self._retimed}
        self._retimed.update(fresh)
        self._submit([RetimingInquiry(recipe=one.parsed_recipe, done=len(one.timings)) for one in fresh.values()])
        is_late = time.monotonic() - self._over_at > LAST_S
        timing = [job for job in open_jobs if isinstance(job.inquiry, RetimingInquiry)]
        if (fresh or timing) and not is_late:
            self._tell("timing the best ones again")
            return True
        self._tell(f"over: {len(self._campaign.results):,} settings measured", always=True)
        self._dispatcher.store.searches.move(self.search.search_id, SearchState.OVER)
        return False

    def _results(self) -> list[Result]:
        return self._store.results(self.search.model)

    def _tell(self, words: str, *, always: bool = False) -> None:
        if not always and time.monotonic() - self._told_at < TELL_S:
            return
        self._told_at = time.monotonic()
        known = len(self._campaign.results)
        if not self._progress or self._progress[-1][1] != known:
            self._progress.append((self._spent_s, known, self._campaign.hypervolume))
        if len(self._progress) > POINTS:
            self._progress = self._progress[::2]
        self._dispatcher.store.searches.tell(self.search.search_id, self._spent_s, words, self._progress)


class Searcher:
    """Carries on all searches of a dispatcher's store that nobody else does, in a thread of its own."""

    def __init__(self, dispatcher: Carrier) -> None:
        self._dispatcher, self._runs = dispatcher, dict[str, SearchRun]()
        self._thread = threading.Thread(target=self._work, daemon=True, name="compression-searcher")
        self._thread.start()

    def works_for(self, dispatcher: Carrier) -> bool:
        """Whether it carries on the searches of this one."""
        return self._dispatcher is dispatcher and self._thread.is_alive()

    def _work(self) -> None:
        """Until the dispatcher is closed; the searches then go on with the next one."""
        while not self._dispatcher.is_closed:
            try:
                self._step()
            except CompressionError as error:
                _log.warning("searches wait: %s", error)
                time.sleep(IDLE_S)
            except Exception:
                _log.exception("a search stumbled")
                time.sleep(IDLE_S)
            time.sleep(TICK_S if self._runs else IDLE_S)

    def _step(self) -> None:
        """Every search a moment; those that were paused or cancelled meanwhile are let go."""
        if not self._dispatcher.is_ready:
            return
        running = {one.search_id: one for one in self._dispatcher.store.searches.running_of(self._dispatcher.name)}
        for search_id in self._runs.keys() - running.keys():
            self._runs.pop(search_id).let_go()
        for search_id, search in running.items():
            self._carry_on(search_id, search)

    def _carry_on(self, search_id: str, search: Search) -> None:
        try:
            run = self._runs.get(search_id) or SearchRun(self._dispatcher, search)
        except (CompressionError, ValueError) as error:  # its model is gone, or another version asked for it
            self._dispatcher.store.searches.tell(search_id, search.spent_s, f"it cannot go on: {error}", ())
            self._dispatcher.store.searches.move(search_id, SearchState.CANCELLED)
            return
        self._runs[search_id] = run
        if not run.step(search):
            del self._runs[search_id]


def answer_of(store: Store, search: Search) -> Answer:
    """What is known for a search's wish by now."""
    return answer(store.within(search.workspace).results(search.model), wish_from(search.wish))


def search_until_over(
    dispatcher: Carrier, search: Search, watch: Callable[[Search], None] = lambda search: None
) -> Search:
    """Wait until a search is over, paused or cancelled; `watch` sees it every now and then."""
    searches: Searches = dispatcher.store.searches
    while True:
        now = searches.search(search.search_id)
        if now is None or now.state is not SearchState.RUNNING:
            return now or search
        watch(now)
        time.sleep(TICK_S)


def begin(store: Store, model: str, wish: Wish) -> Search:
    """A new search for a wish; whichever dispatcher has this store carries it on."""
    subject_of(model)
    return store.searches.begin(model, wish.to_json(), wish.minutes, store.workspace)


_lock = threading.Lock()
_searcher: Searcher | None = None


def carry_on(dispatcher: Carrier) -> None:
    """Have this process's searches carried on by its dispatcher, until that is closed; once is enough."""
    global _searcher  # noqa: PLW0603 - one for a process, like the dispatcher
    with _lock:
        if _searcher is None or not _searcher.works_for(dispatcher):
            _searcher = Searcher(dispatcher)
