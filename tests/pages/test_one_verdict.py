"""Explore, Present, its report and the command line say the same of a result."""

from dataclasses import replace

import pytest

from compression import cli
from compression.explain import presentation, report
from pages.components.explore import outcome
from pages.components.present import stage
from tests.support.verdicts import TONES, result


@pytest.mark.parametrize(("made", "tone", "title"), TONES)
def test_the_same_tone_everywhere(made, tone, title, monkeypatch, capsys, tmp_path):
    row, shown = result(**made), []
    boxes = {name: (lambda text, icon, name=name: shown.append(name), "") for name in outcome._BOXES}
    monkeypatch.setattr(outcome, "_BOXES", boxes)
    outcome.show_judged(row)
    assert shown == [tone]

    monkeypatch.setattr(stage.st, "html", shown.append)
    stage.show_head(row)
    assert f">{title}</div>" in shown[1].replace("</span> ", "</span>>")
    assert f"color:{stage._MARKS[tone][1]}" in shown[1]

    (option,) = presentation.options(row, ())
    options = (replace(option, name="after"),)
    made = report.Report("LeNet", "", option.verdict, option.numbers, (), (), (), (), "", "", "", options)
    page = report.html(made, "")
    assert f'<h1 class="{tone}">{title}</h1>' in page
    assert f'<td class="{tone}"><b>{title}</b></td>' in page

    monkeypatch.setattr(cli, "_measure", lambda recipe, fresh, watch: (row, {}))
    (tmp_path / "recipe.json").write_text('{"model": "mlp-digits"}')
    assert cli.main(["run", str(tmp_path / "recipe.json")]) == 0
    assert f"\n{title}. " in capsys.readouterr().out
