import json
import re
from dataclasses import replace

import pytest

from compression.charts import compared
from compression.charts.palette import contenders
from compression.explain import comparison, presentation, report, verdict
from compression.explain.comparison import Pair
from compression.explain.presentation import Assumptions
from compression.recipe.recipe import make_recipe
from tests.support.made_up_results import fabricate

MODEL = "lenet5-mnist5k"
ORIGINAL = fabricate(make_recipe(MODEL, []))
RESULT = fabricate(make_recipe(MODEL, [{"technique": "quantization", "weight_bits": 4}]))


@pytest.fixture
def made():
    found = contenders([ORIGINAL, RESULT])
    return report.Report(
        model="LeNet",
        setting="4-bit weights",
        verdict=replace(verdict.judge(RESULT), reasons=("It is what it is.",)),
        numbers=presentation.big_numbers(RESULT),
        meanings=presentation.meanings(RESULT, Assumptions()),
        risks=presentation.risks(RESULT),
        figures=[("Size", compared.draw_curves(found, [ORIGINAL, RESULT], "stored"))],
        rows=comparison.table(found, {"B": Pair(None, 3)}),
        checked="Checked.",
        provenance="Measured here.",
        recipe="{}",
    )


def test_it_says_everything(made):
    page = report.html(made, "/* library */")
    told = [
        made.verdict.sign,
        made.model,
        made.setting,
        made.verdict.title,
        *made.verdict.reasons,
        made.checked,
        made.provenance,
    ]
    told += [one.title for one in (*made.numbers, *made.meanings, *made.risks, *made.rows)]
    assert [words for words in (*told, "A model, not a measurement") if words not in page] == []


def test_it_needs_no_network(made):
    page = report.html(made, "/* library */")
    assert not re.search(r"""(src|href)\s*=|@import|url\(|https?://""", page)
    assert len(report.html(made, report.plotly_js())) > 1_000_000


def test_words_cannot_become_markup(made):
    evil = "</script><script>alert(1)</script>"
    figure = {"data": [{"hovertext": [evil]}], "layout": {"title": evil}}
    page = report.html(
        replace(
            made,
            setting=evil,
            checked=evil,
            recipe=evil,
            provenance=evil,
            figures=[(evil, figure)],
            verdict=replace(made.verdict, plain=evil, reasons=(evil,)),
        ),
        "",
    )
    assert "<script>alert" not in page
    assert page.count("</script>") == 2
    text = re.search(r"const FIGURES = (.*?);\n", page).group(1)
    assert json.loads(text) == [figure]


def test_it_is_well_formed(made):
    from html.parser import HTMLParser

    class Balance(HTMLParser):
        def __init__(self):
            super().__init__()
            self.open = []

        def handle_starttag(self, tag, attributes):
            if tag not in ("meta", "br"):
                self.open.append(tag)

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

    balance = Balance()
    balance.feed(report.html(made, ""))
    assert balance.open == []
