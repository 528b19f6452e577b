"""Explore, Present, its report and the command line say the same of a result."""

from dataclasses import replace

import pytest

from compression.cli import main, measuring
from compression.explain import presentation, report, verdict
from compression.search.limits import Limits, judge
from pages.components.explore import outcome
from pages.components.present import stage
from pages.components.shown import against
from tests.support.verdicts import TONES, result


@pytest.mark.parametrize(("made", "tone", "title"), TONES)
def test_the_same_tone_everywhere(made, tone, title, monkeypatch, capsys, tmp_path):
    row, shown = result(**made), []
    boxes = {name: (lambda text, icon, name=name: shown.append(name), "") for name in outcome._BOXES}
    monkeypatch.setattr(outcome, "_BOXES", boxes)
    judged = verdict.judge(row)
    outcome.show_judged(judged)
    assert shown == [tone]

    monkeypatch.setattr(stage.st, "html", shown.append)
    stage.show_head(row, judged)
    assert f">{title}</div>" in shown[1].replace("</span> ", "</span>>")
    assert f"color:{stage._COLOURS[tone]}" in shown[1]

    (option,) = presentation.options(row, (), ())
    options = (replace(option, name="after"),)
    made = report.Report("LeNet", "", option.verdict, option.numbers, (), (), (), (), "", "", "", options)
    page = report.html(made, "")
    assert f'<h1 class="{tone}"><span aria-hidden="true">{judged.sign}</span> {title}</h1>' in page
    assert f'<td class="{tone}"><b>{judged.sign} {title}</b></td>' in page

    monkeypatch.setattr(measuring, "_measure", lambda recipe, fresh, watch: (row, {}))
    (tmp_path / "recipe.json").write_text('{"model": "mlp-digits"}')
    assert main(["run", str(tmp_path / "recipe.json")]) == 0
    assert f"\n{title}. " in capsys.readouterr().out


def test_one_that_speaks_against_it_and_is_the_next_point_is_told_once():
    mine = result(size=1000, accuracy=0.95)
    bits = {"technique": "quantization", "weight_bits": 3}
    other = result(size=2000, accuracy=0.99, ratio=(0.3, 0.29, 0.31), steps=(bits,))
    ((words, found),) = against.lines(mine, verdict.judge(mine, [other]), [other])
    assert found is other
    assert words.startswith("Faster and at least as accurate: 3-bit weights (but larger)")
    costs_time = other.model_copy(update={"latency_ratio": 0.9, "latency_ratio_low": 0.8, "latency_ratio_high": 1.0})
    ((words, _),) = against.lines(mine, verdict.judge(mine, [costs_time]), [costs_time])
    assert "more points of accuracy" in words


@pytest.mark.parametrize(("made", "box"), [({}, "warning"), ({"accuracy": 0.34, "p_value": 0.0}, "error")])
def test_limits_are_told_beside_any_verdict(made, box, monkeypatch):
    said = {}
    for name in ("success", "warning", "error"):
        monkeypatch.setattr(outcome.st, name, lambda words, icon, name=name: said.update({name: words}))
    monkeypatch.setattr(outcome, "_BOXES", {"good": (outcome.st.success, ""), "bad": (outcome.st.error, "")})
    row = result(**made)
    outcome.show_judged(verdict.judge(row), judge(row, Limits(stored_kb=0.5)))
    assert list(said) == [box]
    assert "Beyond your limits: 1.00 KB is over 500 bytes." in said[box]
