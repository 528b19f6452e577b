"""The command that searches for the best setting within limits."""

from __future__ import annotations

import argparse
import json
from typing import Any

from rich.table import Table

from compression.cli.terminal import answers_only, console, progress
from compression.models.subject import subject_of
from compression.results import score
from compression.results.metrics import METRICS
from compression.results.record import Result
from compression.search.answer import Answer, Standing, answer, sentences
from compression.search.limits import LIMITS, Limit, Limits, Target
from compression.search.wish import Wish, wish_for
from compression.store.searches import Search, SearchState
from compression.store.store import Store

_TARGETS: dict[str, Target] = {
    "best-accuracy": "accuracy",
    "smallest": "smallest",
    "fastest": "fastest",
    "least-memory": "memory",
}
COLUMNS = ("accuracy", "difference", "stored", "runtime", "ratio", "memory")


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`search`."""
    search = commands.add_parser("search", help="find the best setting within limits")
    search.add_argument("--model", required=True, metavar="MODEL")
    for field, limit in LIMITS.items():
        search.add_argument(limit.option, dest=field, type=float, metavar=_unit(limit))
    search.add_argument("--target", choices=tuple(_TARGETS), help="what is to be best within them")
    search.add_argument("--minutes", type=float, default=5.0, help="to spend (default: 5)")
    search.add_argument("--seed", type=int, default=0)
    search.add_argument("--json", action="store_true", help="print one JSON object")
    search.set_defaults(command=_search)


def _unit(limit: Limit) -> str:
    return "BYTES" if limit.thousands else limit.option.rpartition("-")[2].upper()


def _search(options: argparse.Namespace) -> int:
    wish = _wish(options)
    subject = subject_of(options.model)
    score.judge_by(subject.data.has_labels)
    with answers_only():
        found, search = _carried_out(options.model, wish)
    if options.json:
        print(json.dumps(_content(options.model, found, search), indent=1))
    else:
        _print(found)
    return 0


def _wish(options: argparse.Namespace) -> Wish:
    """In the units of limits, which say kilobytes where the command line says bytes."""
    asked = {field: getattr(options, field) for field in LIMITS}
    limits = {
        field: most / 1000 if LIMITS[field].thousands else most for field, most in asked.items() if most is not None
    }
    target = _TARGETS[options.target] if options.target else None
    return wish_for(Limits(**limits), target, options.minutes, options.seed)


def _carried_out(model: str, wish: Wish) -> tuple[Answer, Search]:
    """With workers of this process's own; interrupted it ends, and what was measured is kept."""
    from compression.work import searching
    from compression.work.dispatcher import Dispatcher

    dispatcher = Dispatcher(Store())
    store = dispatcher.store
    search = searching.begin(store, model, wish)
    try:
        searching.carry_on(dispatcher)
        with progress() as watch:
            search = searching.search_until_over(
                dispatcher, search, lambda now: watch.report(min(1.0, now.spent_s / 60 / now.minutes), now.message)
            )
    finally:
        if search.state is SearchState.RUNNING:
            store.searches.move(search.search_id, SearchState.CANCELLED)
        dispatcher.close()
    return answer(store.results(model), wish), search


def _content(model: str, found: Answer, search: Search) -> dict[str, Any]:
    """The answer as plain data."""
    return {
        "model": model,
        "target": next(name for name, target in _TARGETS.items() if target == found.wish.target),
        "met": found.is_met,
        "words": sentences(found),
        "limits": [_standing(one) for one in found.limits],
        "best": _result(found.best),
        "nearest": _result(found.nearest),
        "others": [{"why": one.why, **one.result.model_dump(mode="json")} for one in found.others],
        "needed": [_standing(one) for one in found.needed],
        "prices": [
            {"limit": _name(price.field), "loosened_to": _said(price.field, price.most), "words": price.words}
            for price in found.prices
        ],
        "measured": found.n_measured,
        "seconds": search.spent_s,
        "progress": [
            {"seconds": seconds, "measured": n, "hypervolume": volume} for seconds, n, volume in search.progress
        ],
    }


def _result(result: Result | None) -> dict[str, Any] | None:
    return None if result is None else result.model_dump(mode="json")


def _name(field: str) -> str:
    return LIMITS[field].option.removeprefix("--")


def _said(field: str, value: float | None) -> float | None:
    """In the command line's unit."""
    return value if value is None or not LIMITS[field].thousands else 1000 * value


def _standing(one: Standing) -> dict[str, Any]:
    return {
        "limit": _name(one.field),
        "asked": _said(one.field, one.asked),
        "reached": _said(one.field, one.reached),
        "state": one.state,
        "words": one.words,
    }


def _print(found: Answer) -> None:
    for sentence in sentences(found):
        console().print(sentence, highlight=False)
    metrics = [METRICS[key] for key in COLUMNS]
    table = Table("", "recipe", *(metric.words for metric in metrics), box=None)
    shown = [("best", found.best), ("nearest", found.nearest), *((one.why, one.result) for one in found.others)]
    for why, result in shown:
        if result is not None:
            table.add_row(why, result.words, *(metric.said(result) for metric in metrics))
    console().print(table)
