"""Everything that a presentation can be taken away as. The files are checked against the engine before."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from compression import units
from compression.charts import LABELS, picture_files
from compression.charts.drawing import direction
from compression.charts.palette import contenders
from compression.charts.picture_files import PictureFormat
from compression.explain import bundle, comparison, presentation, report
from compression.explain.comparison import Pair
from compression.explain.presentation import Assumptions, Risk
from compression.inquiries.verification import Verification, VerificationInquiry
from compression.models.subject import model_title
from compression.results import score
from compression.results.metrics import METRICS
from compression.results.predictions import classes_from
from compression.results.record import Result
from pages.components.asking import notices, waiting
from pages.components.present import stage
from pages.components.shown import against, elements, table
from pages.components.view import spacing


@dataclass(frozen=True)
class Export:
    """What is exported."""

    result: Result
    results: Mapping[str, Result]
    assumed: Assumptions
    risks: Sequence[Risk]
    others: Sequence[Result] = ()

    @property
    def title(self) -> str:
        """The model and the setting."""
        return f"{model_title(self.result.model)}: {self.result.words}"

    @property
    def name(self) -> str:
        """What files are called."""
        return f"{self.result.model}-{self.result.recipe_id}"


def show(export: Export) -> None:
    """Files that need no check, and as soon as there is one the report, which tells of it, and what was checked."""
    st.markdown("## Take it away")
    checked = waiting.ask(VerificationInquiry(recipe=export.result.parsed_recipe), Verification, key="verification")
    said = words_of(checked) if checked else ""
    with st.container(horizontal=True, key="present_downloads"):
        if checked is not None:
            elements.download("Report (.html)", lambda: report_html(export, said), f"{export.name}.html")
        elements.download("Chart (.png)", lambda: picture(export, "png"), f"{export.name}.png")
        elements.download("Chart (.svg)", lambda: picture(export, "svg"), f"{export.name}.svg")
        elements.download("Numbers (.csv)", lambda: numbers_csv(export), f"{export.name}.csv")
        elements.download("Recipe (.json)", lambda: bundle.recipe_json(export.result), f"{export.name}.json")
        if checked is not None and _is_current(checked, export.result):
            _show_checked(export, said)
    if checked is not None:
        _say(checked, export.result, said)
    _show_snippet(export.result)


def _is_current(checked: Verification, result: Result) -> bool:
    """Whether the check was good, and of just these files."""
    same = (checked.stored_sha256, checked.onnx_sha256) == (result.artifacts["stored"], result.artifacts["onnx"])
    return checked.is_sound and same


def _say(checked: Verification, result: Result, said: str) -> None:
    if _is_current(checked, result):
        st.caption(f":material/verified: {said}")
    else:
        st.error(
            f"**The stored file and the .onnx are not offered: they are not what was measured.** {said} "
            "Check the disk, and measure the setting again with `python -m compression run --fresh`.",
            icon=":material/gpp_bad:",
        )


def words_of(checked: Verification) -> str:
    """What the check found."""
    files = "to exactly the .onnx" if checked.decodes_alike else "to something else than the .onnx"
    valid = "" if checked.is_valid_onnx else " The .onnx is not valid."
    if checked.different == 0:
        answers = f"all {checked.n_test:,} predictions are those that were measured"
    elif checked.different == checked.ties:
        answers = f"{checked.different:,} of {checked.n_test:,} predictions differ, all on images that are undecided"
    else:
        answers = f"{checked.different:,} of {checked.n_test:,} predictions differ from those that were measured"
    accuracy = units.share(checked.accuracy, units.decimals_for(checked.n_test))
    return (
        f"Checked: the stored file decodes {files}, and loaded anew in {checked.runtime} (opset {checked.opset}) "
        f"{answers}: {accuracy} right.{valid}"
    )


def _show_checked(export: Export, said: str) -> None:
    files: dict[str, bytes] = {}
    with notices.telling():  # one is damaged
        files = _files(export.result)
        if files.keys() != export.result.artifacts.keys():
            st.caption(":material/error: Its files are no longer on this machine.")
    if files.keys() != export.result.artifacts.keys():
        waiting.offer_files(export.result, key="present")
        return
    elements.download_files(export.result, key="present")
    zipped = f"{export.name}.zip"
    beside = [_files(other) for other in export.others]
    elements.download("Everything (.zip)", lambda: everything(export, files, said, beside), zipped, type="primary")


def _files(result: Result) -> dict[str, bytes]:
    """Its stored file, runtime file and predictions, as far as they are on this machine."""
    parts = {role: elements.artifact(name) for role, name in result.artifacts.items()}
    return {role: content for role, content in parts.items() if content is not None}


def _show_snippet(result: Result) -> None:
    """How anybody gets the same point."""
    with st.expander("Reproduce it", icon=":material/terminal:"):
        st.caption(f"In the folder of the unpacked zip, with this project installed. {bundle.WHERE}")
        st.code(bundle.commands(result), language="sh")
        st.caption(f"{bundle.SCRIPT}, which needs nothing but numpy and onnxruntime:")
        st.code(bundle.script(result), language="python")


# The files.


def report_html(export: Export, said: str) -> str:
    """The page for browsers without this dashboard."""
    result = export.result
    baseline = export.results.get(result.parsed_recipe.baseline().recipe_id)
    pair = Pair(comparison.known_difference(result, baseline) if baseline else None, result.changed_predictions)
    found = contenders([*([baseline] if baseline else []), result])
    figures = [
        (
            score.said(f"Accuracy against {METRICS[cost].words}. {direction(METRICS[cost])}"),
            stage.figure(result, export.results, cost, export.others),
        )
        for cost in stage.CHARTS
    ]
    measured = export.results.values()
    judged = against.judge(result, measured)
    return report.html(
        report.Report(
            model=model_title(result.model),
            setting=result.words,
            verdict=judged,
            numbers=presentation.big_numbers(result),
            meanings=presentation.meanings(result, export.assumed),
            risks=export.risks,
            figures=figures,
            rows=comparison.table(found, {"B": pair}),
            checked=said,
            provenance=bundle.provenance(result),
            recipe=bundle.recipe_json(result),
            options=presentation.options(result, export.others, measured) if export.others else (),
            why=against.told(result, judged, measured),
        ),
        report.plotly_js() + LABELS.read_text(encoding="utf-8"),
    )


def picture(export: Export, kind: PictureFormat) -> bytes:
    """The chart as a file."""
    every, is_even = list(export.results.values()), spacing.is_even()
    return picture_files.draw(export.result, every, export.title, kind, export.others, is_even=is_even)


def numbers_csv(export: Export) -> str:
    """The result, its alternatives and, for comparison, the original."""
    baseline = export.results.get(export.result.parsed_recipe.baseline().recipe_id)
    return table.csv_of([export.result, *export.others, *([baseline] if baseline else [])])


def _other(number: int, result: Result, files: Mapping[str, bytes]) -> Iterator[tuple[str, str, bytes | str]]:
    """An alternative's recipe and its files: name, meaning, content; the recipe alone makes those that are gone."""
    folder, said = f"alternative-{number}", f"alternative {number}: {result.words}"
    gone = "" if {"stored", "onnx"} <= files.keys() else "; its files are gone from this machine: run the recipe"
    yield f"{folder}/{bundle.RECIPE}", said + gone, bundle.recipe_json(result)
    for role, name, meaning in (("stored", bundle.STORED, "stored file"), ("onnx", bundle.RUNTIME, "runtime file")):
        if role in files:
            yield f"{folder}/{name}", f"its {meaning}, as measured; not checked again for this zip", files[role]


def everything(
    export: Export, files: Mapping[str, bytes], said: str, beside: Sequence[Mapping[str, bytes]] = ()
) -> bytes:
    """The zip: `files` are the result's stored file, runtime file and predictions, `beside` those of alternatives."""
    predictions = classes_from(files["predictions"], export.result.n_test)
    result = export.result
    contents: tuple[tuple[str, str, bytes | str], ...] = (
        ("report.html", "everything on one page; opens in any browser, without network", report_html(export, said)),
        ("chart.png", score.said("accuracy against size, for slides"), picture(export, "png")),
        ("chart.svg", "the same as a drawing that can be scaled", picture(export, "svg")),
        ("numbers.csv", "every number of the result, its alternatives and the original", numbers_csv(export)),
        ("all-settings.csv", "the same of everything measured of this model", table.csv_of([*export.results.values()])),
        (bundle.RECIPE, "the recipe, for the command line", bundle.recipe_json(result)),
        (bundle.STORED, "the stored file: what you would ship", files["stored"]),
        (bundle.RUNTIME, "the decoded network for ONNX Runtime", files["onnx"]),
        (bundle.PREDICTIONS, "the measured class of each test image", bundle.predictions_file(predictions)),
        (bundle.SCRIPT, "checks the runtime file on the test images", bundle.script(result)),
        *itertools.chain.from_iterable(map(_other, itertools.count(1), export.others, beside)),
    )
    names = {bundle.README: "this text", **{name: meaning for name, meaning, _ in contents}}
    readme = bundle.readme(result, export.title, said, names)
    return bundle.zipped({bundle.README: readme, **{name: content for name, _, content in contents}})
