"""What runs and what waits, live: the one part of the Jobs page that runs by itself."""

from __future__ import annotations

import contextlib

import streamlit as st

from compression import units
from compression.errors import CompressionError
from compression.models.subject import model_title
from compression.store.jobs import Job, JobState
from compression.work import dispatcher, overview
from compression.work.members import Member, Members
from compression.work.overview import Activity, Group, Running
from pages.components.asking import notices, waiting
from pages.components.jobs import dialogs, job_link

BUSY_S, QUIET_S = 1.0, 3.0
"""How often the page asks whether anything changed, while jobs run and while none do: one small query each time."""

MAX_CARDS = 12
"""Workers drawn as cards; a large cluster's others are counted."""

_SEEN, _DRAWN = "jobs_activity", "jobs_drawn"


def look() -> Activity:
    """What all jobs do; the last look again where the store says that nothing changed. Raises `StorageFailed`."""
    store = dispatcher.get_dispatcher().store
    seen: Activity | None = st.session_state.get(_SEEN)
    if seen is None or seen.revision != store.revision():
        seen = st.session_state[_SEEN] = overview.look(store)
    return seen


@notices.told
def show() -> None:
    """Draw it, and again by itself."""
    seen, servers = look(), overview.servers(dispatcher.get_dispatcher().store)
    st.session_state[_DRAWN] = _rest(seen)
    st.fragment(run_every=QUIET_S if seen.is_quiet else BUSY_S)(_board)(servers, [True])


def _rest(seen: Activity) -> object:
    """Changes when the rest of the page has to be drawn anew: its lists, and the window that is open over it.

    Buttons of this part only note what they ask for, in callbacks: one that is clicked just when something else
    changes is then not overlooked.
    """
    lists = tuple(job.job_id for job in (*seen.over, *seen.failed)), seen.failed_total
    return lists, seen.is_quiet, job_link.opened(), dialogs.asked()


@notices.told
def _board(servers: list[str], first: list[bool]) -> None:
    """`first` is empty but for the first time: a page that is just being drawn must not start anew."""
    queue = dispatcher.get_dispatcher()
    seen = look()
    if not (first and first.pop()) and st.session_state.get(_DRAWN) != _rest(seen):
        st.rerun()
    if queue.problem:
        st.error(queue.problem, icon=":material/error:")
    _head(seen)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        _workers(seen, queue.members())
        if len(servers) > 1:
            st.caption(f":material/dns: {len(servers)} servers share this database: {'; '.join(servers)}.")
    with right:
        _waiting(seen)


def _head(seen: Activity) -> None:
    """How many there are of each, and one button that stops all of it."""
    counts = seen.counts
    with st.container(horizontal=True, vertical_alignment="center", key="jobs_head"):
        words = ("waiting", "running", "finished", "failed", "cancelled")
        st.markdown(
            " · ".join(f"**{counts[one]:,}**&nbsp;{word}" for one, word in zip(JobState, words, strict=True)),
            help="Jobs of everybody who uses this database. Those that are over are listed for 30 days; "
            "what they measured is kept until you delete it under History.",
        )
        st.button(
            "Cancel all",
            icon=":material/stop_circle:",
            key="jobs_cancel_all",
            disabled=seen.is_quiet,
            on_click=dialogs.ask,
            args=(dialogs.CANCEL_ALL,),
        )
    if seen.unreadable:
        st.caption(f"{seen.unreadable:,} jobs were asked for by another version of this program and are not listed.")


# What runs --------------------------------------------------------------------------------------------


def _workers(seen: Activity, members: Members) -> None:
    """A card for each worker with what it does, then what runs elsewhere."""
    running = {row.job.job_id: row for row in seen.running}
    st.markdown(
        "**Workers**",
        help="Processes beside this server that do the work. One is kept free for what a person asks for; the others "
        "also measure curves, and give way whenever something else wants the processor.",
    )
    if not members.all:
        st.caption(":material/hourglass_empty: The workers are starting. That takes a few seconds.")
    shown = sorted(members.all, key=lambda one: not one.job_ids) if len(members.all) > MAX_CARDS else members.all
    for number, one in enumerate(shown[:MAX_CARDS]):
        _worker(number, one, next((running.pop(name) for name in one.job_ids if name in running), None))
    if len(members.all) > MAX_CARDS:
        st.caption(f"{len(members.all) - MAX_CARDS:,} more workers are not shown; those with work come first.")
    if members.all:
        where = "on this machine" if members.is_embedded else "on the cluster in COMPRESSION_SCHEDULER"
        st.caption(f":material/lan: {len(members.all):,} workers {where}; their scheduler is `{members.address}`.")
    for row in running.values():
        with st.container(border=True, key=f"worker_elsewhere_{row.job.job_id}"):
            st.caption(
                "In another server's workers, just begun, or left by a server that was stopped: then it is begun again"
            )
            _running(row, row.job.job_id)


def _worker(number: int, one: Member, row: Running | None) -> None:
    role = "also measures curves" if one.takes_background else "kept free for what you ask for"
    with st.container(border=True, key=f"worker_{number}"):
        st.markdown(f"**Worker {one.name}** · {role}" if len(one.name) < 20 else f"**{one.name}** · {role}")
        if row is not None:
            _running(row, str(number))
        else:
            _line(0.0, "Starting or between two jobs" if one.job_ids else "Idle", str(number), None)
        st.caption(member_in_words(one))


def member_in_words(one: Member) -> str:
    """A worker's process, memory, use of the processor and priority on one line."""
    limit = f" of {units.size(one.memory_limit_bytes)}" if one.memory_limit_bytes else ""
    nice = one.niceness
    parts = (
        f"process {one.pid} on {one.host}" if one.pid else one.host,
        f"memory {units.size(one.memory_bytes)}{limit}",
        None if one.cpu_percent is None else f"CPU {one.cpu_percent:.0f} %",
        None if nice is None else "normal priority" if nice <= 0 else f"low priority (niceness {nice})",
    )
    return " · ".join(part.replace(" ", "\N{NO-BREAK SPACE}") for part in parts if part)


def _running(row: Running, key: str) -> None:
    job = row.job
    what = f"**{model_title(job.recipe.model)}** · {overview.purpose(job)}"
    _line(job.progress, f"{what}  \n{doing(row)}", key, job)


def doing(row: Running) -> str:
    """What a running job does, how far it is, since when, and how long still."""
    job = row.job
    taken = overview.seconds_taken(job) or 0.0
    left = "time left not known yet" if row.seconds_left is None else f"about {units.duration(row.seconds_left)} left"
    words = "stopping" if job.is_cancel_requested else job.message or "starting"
    return f"{words} · {units.share(job.progress, 0)} · {units.duration(taken)} so far, {left}"


def _line(fraction: float, words: str, key: str, job: Job | None) -> None:
    """A bar with its words, and what can be done about it; without a job the buttons only keep their place."""
    with st.container(horizontal=True, vertical_alignment="bottom", key=f"jobs_line_{key}"):
        st.progress(fraction, words)
        name = job.job_id if job else ""
        is_over = job is None or job.is_cancel_requested
        st.button("Log", key=f"jobs_log_{key}", disabled=job is None, on_click=job_link.open_job, args=(name,))
        waiting.cancel_button([name], f"jobs_cancel_{key}", disabled=is_over)


# What waits -------------------------------------------------------------------------------------------


def _waiting(seen: Activity) -> None:
    total = seen.counts[JobState.WAITING]
    st.markdown(f"**Waiting** ({total:,})", help="In the order in which they come: what a person waits for goes first.")
    if not seen.groups:
        st.caption(
            "Nothing waits. Jobs come here when you move a slider on Explore or open a page that asks a question."
        )
    for group in seen.groups:
        _group(group)
    if seen.groups_total > len(seen.groups):
        st.caption(f"{seen.groups_total - len(seen.groups):,} more groups wait; they are not listed.")


def _group(group: Group) -> None:
    left = "" if group.seconds_left is None else f" · about {units.duration(group.seconds_left)} for all"
    runs = f", {group.running} running" if group.running else ""
    with st.container(border=True, key=f"waits_{group.name}"):
        who = job_link.asker(group.name)
        models = " and ".join(dict.fromkeys(model_title(job.recipe.model) for job in group.first))
        told, way = st.columns([3, 1], vertical_alignment="center")  # in the same place whatever is told
        told.markdown(f"**{who}**  \n{models}: {group.waiting:,} waiting{runs}{left}")
        with way:
            st.button("Cancel these", key=f"jobs_cancel_group_{group.name}", on_click=_cancel_group, args=(group.name,))
        more = group.waiting - len(group.first)
        with st.expander(f"Next {len(group.first)}" if more > 0 else "Which", key=f"waits_open_{group.name}"):
            for job in group.first:
                with st.container(horizontal=True, vertical_alignment="center"):
                    st.caption(f"{model_title(job.recipe.model)}: {overview.purpose(job)}")
                    waiting.cancel_button([job.job_id], f"jobs_cancel_{job.job_id}", type="tertiary")
            if more > 0:
                st.caption(f"and {more:,} more")


def _cancel_group(name: str) -> None:
    with contextlib.suppress(CompressionError):  # what is drawn next meets the same, and says it
        dispatcher.get_dispatcher().cancel(name)
