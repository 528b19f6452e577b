"""What holds for every inquiry that takes time."""

from dataclasses import replace
from typing import get_type_hints

import pytest

from compression.engine import laboratory
from compression.errors import Cancelled
from compression.inquiries import answered_by
from compression.inquiries.course import LayoutInquiry
from compression.inquiries.outcomes import PictureInquiry
from tests.support.watches import GIVEN_UP


@pytest.mark.parametrize("kind", answered_by(), ids=lambda kind: kind.KIND)
def test_every_kind_has_somebody_who_answers_it(kind):
    given, *_, found = get_type_hints(laboratory.function_of(kind)).values()
    assert given is kind and issubclass(found, kind.ANSWER)


QUICK = (PictureInquiry, LayoutInquiry)


@pytest.mark.parametrize("kind", [kind for kind in answered_by() if kind not in QUICK], ids=lambda kind: kind.KIND)
def test_it_can_be_cancelled(kind, bench):
    needed = {"layer": "layers.1", "done": 1}
    given = {name: value for name, value in needed.items() if name in kind.model_fields}
    with pytest.raises(Cancelled):
        laboratory.answer(kind(recipe=bench.recipe, **given), replace(bench.bench, watch=GIVEN_UP))
