"""What holds for every inquiry that takes time."""

from dataclasses import replace

import pytest

from compression.engine import laboratory
from compression.errors import Cancelled
from compression.inquiries.course import LayoutInquiry
from compression.inquiries.outcomes import PictureInquiry
from tests.support.watches import GIVEN_UP

QUICK = (PictureInquiry, LayoutInquiry)


@pytest.mark.parametrize("kind", [kind for kind in laboratory.ANSWERS if kind not in QUICK], ids=lambda kind: kind.KIND)
def test_it_can_be_cancelled(kind, bench):
    needed = {"layer": "layers.1", "done": 1}
    given = {name: value for name, value in needed.items() if name in kind.model_fields}
    with pytest.raises(Cancelled):
        laboratory.answer(kind(recipe=bench.recipe, **given), replace(bench.bench, watch=GIVEN_UP))
