"""A result as one HTML file that opens anywhere, without network: it brings its charts' library with it. Torch-free."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib import util
from pathlib import Path
from typing import Any

from compression.explain.alternatives import Option
from compression.explain.comparison import Row
from compression.explain.presentation import BigNumber, Headline, Meaning, Risk


@dataclass(frozen=True)
class Report:
    """Everything that the report says. `figures` are titles with what plotly.js draws."""

    model: str
    setting: str
    headline: Headline
    numbers: Sequence[BigNumber]
    meanings: Sequence[Meaning]
    risks: Sequence[Risk]
    reasons: Sequence[str]
    figures: Sequence[tuple[str, dict[str, Any]]]
    rows: Sequence[Row]
    checked: str
    provenance: str
    recipe: str
    options: Sequence[Option] = ()


def html(report: Report, library: str | None = None) -> str:
    """The page; `library` is plotly.js, by default the installed copy."""
    charts = "".join(
        f'<figure><figcaption>{escape(title)}</figcaption><div class="chart" id="chart{at}" role="img" '
        f'aria-label="{escape(title)}"></div></figure>'
        for at, (title, _) in enumerate(report.figures)
    )
    body = "".join(
        (
            f"<header><p>{escape(report.model)}: {escape(report.setting)}</p>"
            f'<h1 class="{report.headline.tone}">{escape(report.headline.title)}</h1>'
            f'<p class="lead">{escape(report.headline.text)}</p></header>',
            f'<section class="numbers">{"".join(map(_number, report.numbers))}</section>',
            f"<section><h2>Where it stands</h2>{charts}</section>",
            f"<section><h2>What it means</h2>{_meanings(report.meanings)}</section>",
            f'<section><h2>The risk</h2><div class="numbers">{"".join(map(_risk, report.risks))}</div></section>',
            _options(report.options),
            _reasons(report.reasons),
            f"<section><h2>All numbers</h2>{_table(report.rows)}</section>",
            f"<section><h2>Where it comes from</h2><p>{escape(report.checked)}</p><p>{escape(report.provenance)}</p>"
            f"<pre>{escape(report.recipe)}</pre></section>",
        )
    )
    figures = _in_script([figure for _, figure in report.figures])
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(report.model)}: '
        f'{escape(report.headline.title)}</title><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><main>{body}</main>"
        f"<script>{library if library is not None else plotly_js()}</script>"
        f"<script>const FIGURES = {figures};{_SCRIPT}</script></body></html>"
    )


@cache
def plotly_js() -> str:
    """The copy of plotly.js that the plotly package brings; importing the package would take longer."""
    found = util.find_spec("plotly")
    assert found is not None and found.origin is not None  # a dependency of this project
    return (Path(found.origin).parent / "package_data" / "plotly.min.js").read_text(encoding="utf-8")


def _in_script(value: Any) -> str:  # noqa: ANN401  (any JSON)
    """JSON that cannot end the script it stands in."""
    text = json.dumps(value, allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _number(number: BigNumber) -> str:
    return (
        f'<div class="{number.tone}"><span>{escape(number.title)}</span><strong>{escape(number.value)}</strong>'
        f"<span>{escape(number.before)}</span></div>"
    )


def _risk(risk: Risk) -> str:
    return (
        f"<div><span>{escape(risk.title)}</span><strong>{escape(risk.value)}</strong>"
        f"<span>{escape(risk.text)}</span></div>"
    )


def _meanings(found: Sequence[Meaning]) -> str:
    rows = "".join(
        f"<tr><th>{escape(one.title)}"
        f"<small>{'A model, not a measurement: ' if one.is_model else ''}{escape(one.how)}</small></th>"
        f"<td>{escape(one.before)}</td><td><b>{escape(one.after)}</b></td></tr>"
        for one in found
    )
    return f'<div class="wide"><table><tr><td></td><th>before</th><th>after</th></tr>{rows}</table></div>'


def _options(found: Sequence[Option]) -> str:
    if not found:
        return ""
    titles = ("verdict", *(number.title.lower() for number in found[0].numbers))
    rows = "".join(
        f"<tr><th>{escape(one.name)}<small>{escape(one.setting)}</small></th>"
        f'<td class="{one.headline.tone}"><b>{escape(one.headline.title)}</b></td>'
        + "".join(f"<td>{escape(number.value)}<small>{escape(number.before)}</small></td>" for number in one.numbers)
        + "</tr>"
        for one in found
    )
    head = "".join(f"<th>{escape(title)}</th>" for title in titles)
    return (
        f'<section><h2>The alternatives</h2><div class="wide"><table><tr><td></td>{head}</tr>{rows}</table></div>'
        "</section>"
    )


def _reasons(reasons: Sequence[str]) -> str:
    if not reasons:
        return ""
    return f"<section><h2>Good to know</h2><ul>{''.join(f'<li>{escape(one)}</li>' for one in reasons)}</ul></section>"


def _table(rows: Sequence[Row]) -> str:
    """Every measure of the original and of the result; `rows` have two cells each."""
    lines = "".join(
        f"<tr><th>{escape(row.title)}<small>{escape(row.meaning)}</small></th>"
        + "".join(
            f"<td>{escape(cell.value)}<small>{escape(cell.detail)}</small><small>{escape(cell.change)}</small></td>"
            for cell in row.cells
        )
        + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><tr><td></td><th>original</th><th>compressed</th></tr>{lines}</table></div>'


_STYLE = """
:root { color-scheme: light dark; --text: #1d2129; --soft: #5d6570; --back: #fff; --line: #d9dde3; --card: #f6f7f9;
  --good: #08775a; --mixed: #9a5c00; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --text: #eceef1; --soft: #a6adb8; --back: #14161a; --line: #353a42;
  --card: #1d2026; --good: #35c79c; --mixed: #f0a733; --bad: #ff7b70; } }
@media print { :root { color-scheme: light; --text: #000; --soft: #444; --back: #fff; --line: #bbb; --card: #fff;
  --good: #08775a; --mixed: #9a5c00; --bad: #b3261e; } section { break-inside: avoid; } }
body { margin: 0; background: var(--back); color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 1000px; margin: 0 auto; padding: 2rem 1.2rem 4rem; }
h1 { font-size: clamp(2rem, 6vw, 3.2rem); line-height: 1.1; margin: .2rem 0; }
h2 { margin: 2.4rem 0 .8rem; } header p { margin: .2rem 0; color: var(--soft); }
header p.lead { font-size: 1.25rem; color: var(--text); }
.good { --mark: var(--good); } .mixed { --mark: var(--mixed); } .bad { --mark: var(--bad); }
h1, td b, .numbers strong { color: var(--mark, var(--text)); }
.numbers { display: grid; grid-template-columns: repeat(auto-fit, minmax(230px, 1fr)); gap: 1rem; margin-top: 1.4rem; }
.numbers div { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 1rem; }
.numbers span { display: block; color: var(--soft); font-size: .9rem; }
.numbers strong { display: block; font-size: 1.6rem; line-height: 1.25; margin: .2rem 0 .3rem; }
figure { margin: 0 0 1.4rem; } figcaption { color: var(--soft); font-size: .9rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; min-width: 520px; }
th, td { text-align: left; vertical-align: top; padding: .5rem .8rem .5rem 0; border-top: 1px solid var(--line); }
tr:first-child > * { border-top: 0; color: var(--soft); font-weight: 400; }
small { display: block; color: var(--soft); font-weight: 400; font-size: .8rem; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .8rem; overflow-x: auto;
  white-space: pre-wrap; overflow-wrap: anywhere; }
"""

_SCRIPT = """
const dark = matchMedia("(prefers-color-scheme: dark)");
function draw() {
  const style = getComputedStyle(document.documentElement);
  const value = (name) => style.getPropertyValue(name).trim();
  const axis = { gridcolor: value("--line"), linecolor: value("--line"), zeroline: false };
  FIGURES.forEach(({ data, layout }, at) => {
    const themed = { ...layout, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: "system-ui, sans-serif", color: value("--text"), size: 13 },
      hoverlabel: { bgcolor: value("--back"), font: { color: value("--text") }, align: "left" },
      xaxis: { ...layout.xaxis, ...axis }, yaxis: { ...layout.yaxis, ...axis } };
    Plotly.react(`chart${at}`, data, themed, { responsive: true, displaylogo: false });
  });
}
draw();
dark.addEventListener("change", draw);
const charts = document.querySelectorAll(".chart");
addEventListener("beforeprint", () => charts.forEach((chart) => Plotly.Plots.resize(chart)));
"""
