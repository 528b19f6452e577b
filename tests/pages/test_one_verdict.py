"""Explore, Present, its report and the command line say the same of a result."""

from dataclasses import replace

import pytest

from compression import cli
from compression.explain import presentation, report, verdict
from pages.components.explore import outcome
from pages.components.present import stage
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

    (option,) = presentation.options(row, (), (), 0.2)
    options = (replace(option, name="after"),)
    made = report.Report("LeNet", "", option.verdict, option.numbers, (), (), (), (), "", "", "", options)
    page = report.html(made, "")
    assert f'<h1 class="{tone}"><span aria-hidden="true">{judged.sign}</span> {title}</h1>' in page
    assert f'<td class="{tone}"><b>{judged.sign} {title}</b></td>' in page

    monkeypatch.setattr(cli, "_measure", lambda recipe, fresh, watch: (row, {}))
    (tmp_path / "recipe.json").write_text('{"model": "mlp-digits"}')
    assert cli.main(["run", str(tmp_path / "recipe.json")]) == 0
    assert f"\n{title}. " in capsys.readouterr().out
