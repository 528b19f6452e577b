"""The command `search`: real workers, a few seconds."""

import json
import os

import pytest

from compression import cli
from compression.cli.terminal import answers_only
from compression.search.limits import LIMITS
from compression.store.searches import SearchState
from compression.store.store import Store


@pytest.fixture
def found(fresh_home, capsys, monkeypatch):
    """What a search of a few seconds prints; however slow the machine is, it begins with one measured setting."""
    monkeypatch.delenv("COMPRESSION_SCHEDULER", raising=False)
    known = fresh_home / "known.json"
    known.write_text('{"model": "mlp-digits", "steps": [{"technique": "quantization", "weight_bits": 4}]}')
    assert cli.main(["run", str(known)]) == 0
    capsys.readouterr()

    def run(*options):
        code = cli.main(["search", "--model", "mlp-digits", "--minutes", "0.1", "--json", *options])
        printed = capsys.readouterr()
        assert code == 0, printed.err
        return json.loads(printed.out)

    return run


def test_it_prints_the_best_that_keeps_the_limits(found, fresh_home, capsys):
    answer = found("--max-bytes", "15000", "--max-points-lost", "5", "--target", "smallest")
    assert answer["met"] is True
    best = answer["best"]
    assert best["stored_bytes"] <= 15_000 and best["recipe"]["model"] == "mlp-digits" and best["recipe"]["steps"]
    assert [(one["limit"], one["asked"], one["state"]) for one in answer["limits"]] == [
        ("max-bytes", 15_000, "kept"),
        ("max-points-lost", 5, "kept"),
    ]
    assert answer["limits"][0]["reached"] == best["stored_bytes"]
    assert all(one["stored_bytes"] <= 15_000 for one in answer["others"])
    assert answer["nearest"] is None and answer["measured"] > 1 and answer["words"][0].startswith("Met:")
    (search,) = Store().searches.every()
    assert search.state is SearchState.OVER

    recipe = fresh_home / "best.json"
    recipe.write_text(json.dumps(best["recipe"]))
    assert cli.main(["run", str(recipe), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["stored_bytes"], again["accuracy"]) == (best["stored_bytes"], best["accuracy"])


def test_what_cannot_be_met_says_what_is_nearest_and_what_it_takes(found):
    answer = found("--max-bytes", "100", "--max-points-lost", "1")
    assert answer["met"] is False and answer["best"] is None
    assert answer["nearest"]["recipe"]["model"] == "mlp-digits"
    assert "not kept" in [one["state"] for one in answer["limits"]]
    assert {one["limit"] for one in answer["needed"]} <= {"max-bytes", "max-points-lost"}
    assert answer["words"][0].startswith("Not met:")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--model", "no-such"], "no-such"),
        (["--model", "mlp-digits", "--minutes", "0"], "Minutes must be from 0.1"),
        (["--model", "mlp-digits", "--max-bytes", "-5"], "--max-bytes must be from"),
        (["--model", "mlp-digits", "--max-latency-ratio", "nan"], "--max-latency-ratio must be from"),
    ],
)
def test_a_wrong_wish_is_refused_before_anything_starts(options, said, fresh_home, capsys):
    assert cli.main(["search", *options]) == 2
    assert said in capsys.readouterr().err


def test_what_libraries_print_is_no_part_of_the_answer(capfd):
    with answers_only():
        os.write(1, b"a solver's remark")
    print("the answer")
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("the answer\n", "a solver's remark")


def test_every_limit_has_an_option(capsys):
    with pytest.raises(SystemExit):
        cli.main(["search", "--help"])
    printed = capsys.readouterr().out
    assert all(limit.option in printed for limit in LIMITS.values())
