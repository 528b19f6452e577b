"""Every technique on networks of the kinds that broke other people's tools."""

import functools

import pytest

from tests.cases.checks import at_the_door, every_technique, like_its_twin, once_inside, steps_in_a_row
from tests.cases.findings import in_words
from tests.cases.networks import CASES
from tests.cases.own_layers import LAYERS
from tests.cases.own_numbers import NUMBERS
from tests.cases.trial import Trial


def checks_of(id):
    """What is to hold for a case."""
    twin = [like_its_twin] if CASES[id].twinned is not None else []
    own = [checks[id] for checks in (LAYERS, NUMBERS) if id in checks]
    return [at_the_door, once_inside, every_technique, *twin, steps_in_a_row, *own]


def parameters():
    for id in CASES:  # all of a case together: what was made of it is used again
        for check in checks_of(id):
            yield pytest.param(id, check, id=f"{id}-{check.__name__}")


trial_of = functools.lru_cache(maxsize=1)(Trial)


@functools.lru_cache(maxsize=1)
def door(id):
    """What came of bringing the case in, which is refused or wrong at the last of them."""
    found = []
    for what, work in at_the_door(trial_of(id)):
        found.append((what, trial_of(id).tried(work, at_the_door=True)))
        if found[-1][1].kind != "pass":
            break
    return found


@pytest.mark.parametrize(("id", "check"), parameters())
def test_it_is_right_or_refused_by_name(id, check):
    findings = door(id)
    if check is not at_the_door:
        what, last = findings[-1]
        if last.kind == "refused":
            pytest.skip(f"{what}: {last.text}")
        findings = [(what, trial_of(id).tried(work)) for what, work in check(trial_of(id))]
    faults = in_words(findings)
    assert not faults, faults
