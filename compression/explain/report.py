"""A result as one HTML file that opens anywhere, without network: it brings its charts' library with it. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compression.explain.comparison import Row
from compression.explain.presentation import BigNumber, Meaning, Option, Risk
from compression.explain.verdict import Verdict
from compression.results.score import said

if TYPE_CHECKING:
    from jinja2 import Template


@dataclass(frozen=True)
class Report:
    """Everything that the report says. `figures` are titles with what plotly.js draws."""

    model: str
    setting: str
    verdict: Verdict
    numbers: Sequence[BigNumber]
    meanings: Sequence[Meaning]
    risks: Sequence[Risk]
    figures: Sequence[tuple[str, dict[str, Any]]]
    rows: Sequence[Row]
    checked: str
    provenance: str
    recipe: str
    options: Sequence[Option] = ()
    why: Sequence[str] = ()


def html(report: Report, library: str) -> str:
    """The page; `library` is plotly.js and the charts' script that finds places for words beside points."""
    figures = [figure for _, figure in report.figures]
    page = _template().render(report=report, figures=figures, library=_LIBRARY)
    return said(page).replace(_LIBRARY, library)


_LIBRARY = "@library@"
"""Stands for the library while words are put right: it is not ours."""


@cache
def _template() -> Template:
    """`report.html.jinja`, in which all words are escaped and no number of a figure may be NaN, which is no JSON."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # only reports need it

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False}
    return environment.get_template("report.html.jinja")


@cache
def plotly_js() -> str:
    """The copy of plotly.js that the plotly package brings; importing the package would take longer."""
    found = util.find_spec("plotly")
    assert found is not None and found.origin is not None  # a dependency of this project
    return (Path(found.origin).parent / "package_data" / "plotly.min.js").read_text(encoding="utf-8")
