"""The whole thing as a person uses it: real server, real engine, real Chromium."""

import json
import os
import re
import signal
import urllib.parse
import urllib.request
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import slider
from compression.models.subject import subject_of
from compression.recipe.settings import BIT_WIDTHS, neutral_settings, recipe_of
from tests.support.browser_tools import PATIENCE_MS, press, settle, steps_in_url, wait_until_measured

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]


def wait_for_step(page, technique):
    page.wait_for_function("technique => decodeURIComponent(location.search).includes(technique)", arg=technique)


def test_home_is_alive_without_a_click(page, server):
    page.goto(server[0])
    page.wait_for_function(
        "() => [...document.querySelectorAll('.js-plotly-plot')].filter("
        "plot => plot.data.some(trace => trace.name === 'baseline' && trace.x && trace.x.length)).length === 2"
    )
    page.get_by_text("MLP on digits").first.wait_for()


def test_each_slider_leads_to_a_measured_point(page, server):
    page.goto(f"{server[0]}/explore?model=mlp-digits")
    seen = wait_until_measured(page)
    assert "Nothing is compressed yet" in seen
    for field, key, technique in (
        ("pruning_percent", "ArrowRight", "channel_pruning"),
        ("weight_bits", "ArrowRight", "quantization"),
        ("student_percent", "ArrowLeft", "distillation"),
    ):
        press(page, field, key, times=2)
        wait_for_step(page, technique)
        seen = wait_until_measured(page, seen)
        page.locator(".st-key-sizes").get_by_text(re.compile("smaller|larger|the same")).first.wait_for()
    techniques = [step["technique"] for step in steps_in_url(page)]
    assert techniques == ["distillation", "channel_pruning", "quantization"]


MARKS_FIT = """() => {
  const markOf = (plot) => plot.querySelector(".chart-mark [data-setting]");
  const plots = [...document.querySelectorAll(".js-plotly-plot")].filter(markOf);
  return plots.length === 2 && plots.every((plot) => {
    const { xaxis, yaxis } = plot._fullLayout, point = plot.data.find((trace) => trace.meta === "mark");
    const mark = markOf(plot);
    const { e, f } = mark.transform.baseVal[0].matrix;
    const [x, y] = [xaxis._offset + xaxis.d2p(point.x[0]), yaxis._offset + yaxis.d2p(point.y[0])];
    return mark.dataset.words === "measured" && Math.hypot(e - x, f - y) < 1;
  });
}"""


def test_the_mark_of_the_setting_stands_where_its_point_is(page, server):
    """It is drawn apart from the chart, so it has to follow the axes by itself."""
    page.goto(f"{server[0]}/explore?model=mlp-digits")
    wait_until_measured(page)
    press(page, "weight_bits", "ArrowRight", times=3)
    page.wait_for_function(MARKS_FIT)
    page.get_by_text("evenly", exact=True).click()
    page.wait_for_url("**scale=even**")
    page.wait_for_function(MARKS_FIT)
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_function(MARKS_FIT)


OVERLAPS = """() => [...document.querySelectorAll(".js-plotly-plot")].flatMap((plot) => {
  const box = (element) => element.getBoundingClientRect(), { xaxis, yaxis } = plot._fullLayout, edge = box(plot);
  const [left, top] = [edge.left + xaxis._offset, edge.top + yaxis._offset];
  const inner = { left, top, right: left + xaxis._length, bottom: top + yaxis._length };
  const words = [...plot.querySelectorAll(".chart-words text")];
  const seen = (point) => getComputedStyle(point).opacity > 0 && point.getBoundingClientRect().width > 0;
  const markers = [...plot.querySelectorAll(".scatterlayer .point, .chart-mark circle")].filter(seen);
  const meet = (a, b) => a.left + 1 < b.right && b.left + 1 < a.right && a.top + 1 < b.bottom && b.top + 1 < a.bottom;
  const cut = (a) => a.left < inner.left - 1 || a.right > inner.right + 1 || a.top < inner.top - 3
    || a.bottom > inner.bottom + 3;
  return words.flatMap((text, n) => [
    ...words.slice(n + 1).filter((other) => meet(box(text), box(other))).map(() => `${text.textContent} on words`),
    ...markers.filter((marker) => meet(box(text), box(marker))).map(() => `${text.textContent} on a marker`),
    ...(cut(box(text)) ? [`${text.textContent} is cut off`] : []),
  ]);
})"""
WORDS = """() => [...document.querySelectorAll(".js-plotly-plot")].map(
  (plot) => [...plot.querySelectorAll(".chart-words text")].map((text) => text.textContent))"""


def test_no_words_on_the_charts_are_on_each_other_on_markers_or_cut_off(page, server):
    page.goto(f"{server[0]}/explore?model=mlp-digits&curves=quantization&max_drop=1")
    wait_until_measured(page)
    page.get_by_text(re.compile(r"Curves: (\d+) of \1 settings measured")).wait_for()
    press(page, "weight_bits", "ArrowRight", times=3)
    page.wait_for_function(MARKS_FIT)
    for width in (1440, 720, 390):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(1000)
        page.wait_for_function(MARKS_FIT)
        if width > 390:  # a phone's chart is small while sliders move, and may have no room for any
            words = page.evaluate(WORDS)[0]
            assert {"best", "measured"} <= set(words), words
        assert page.evaluate(OVERLAPS) == []


MARKED = """() => [...document.querySelectorAll(".chart-mark [data-setting]")].map((mark) => mark.dataset.setting)"""
MARKED_IS = f"(wanted) => JSON.stringify(({MARKED})()) === JSON.stringify(wanted)"


def recipe_id_at(**settings):
    return recipe_of(
        subject_of("mlp-digits"), replace(neutral_settings(subject_of("mlp-digits")), **settings)
    ).recipe_id


def test_the_mark_follows_a_slider_while_the_server_stands_still(page, server):
    page.goto(f"{server[0]}/explore?model=mlp-digits&curves=quantization")
    page.get_by_text(re.compile(r"Curves: (\d+) of \1 settings measured")).wait_for()
    page.locator("[data-test-script-state=notRunning]").wait_for()  # all that is known has been sent
    here, there = recipe_id_at(), recipe_id_at(pruning_percent=10)
    page.wait_for_function(MARKED_IS, arg=[here, here])
    os.kill(server[1].pid, signal.SIGSTOP)
    try:
        assert page.locator(".st-key-verdict[data-behind]").count() == 0
        press(page, "pruning_percent", "ArrowRight", times=2)
        page.wait_for_function(MARKED_IS, arg=[there, there])
        page.locator(".st-key-verdict[data-behind]").wait_for()  # what it says is of another position
        press(page, "pruning_percent", "ArrowLeft", times=2)
        page.wait_for_function(MARKED_IS, arg=[here, here])
        press(page, "pruning_percent", "ArrowRight", times=2)
        press(page, "weight_bits", "ArrowRight")  # nobody has foreseen both
        page.wait_for_function(MARKED_IS, arg=[here, here])
    finally:
        os.kill(server[1].pid, signal.SIGCONT)
    both = recipe_id_at(pruning_percent=10, weight_bits=BIT_WIDTHS[1])
    page.wait_for_function(MARKED_IS, arg=[both, both])
    page.locator(".st-key-verdict:not([data-behind])").wait_for()
    page.wait_for_function(MARKS_FIT)


HEIGHTS = """() => {
  window.heights = [];
  const look = () => {
    for (const chart of document.querySelectorAll("[class*=st-key-chart_]:not(.st-key-chart_choices)"))
      window.heights.push([chart.className.match(/st-key-(chart_\\w+)/)[1], chart.offsetHeight]);
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}"""


@pytest.mark.parametrize("path", ["", "explore?model=mlp-digits"])
def test_a_chart_has_its_height_from_the_first_frame_on(page, server, path):
    page.add_init_script(f"({HEIGHTS})()")
    page.goto(f"{server[0]}/{path}")
    page.locator(".js-plotly-plot .chart-words").first.wait_for(state="attached")
    settle(page)
    heights = {(name, height) for name, height in page.evaluate("window.heights")}
    assert len(heights) == 2, heights


def test_on_a_phone_the_verdict_and_a_small_chart_stay_in_sight_while_a_slider_moves(page, server):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{server[0]}/explore?model=mlp-digits")
    wait_until_measured(page)
    press(page, "pruning_percent", "ArrowRight")
    page.wait_for_selector("body.pinned", state="attached")
    boxes = [
        page.locator(place).bounding_box()
        for place in (".st-key-setting_pruning_percent", ".st-key-chart_left .chart-view", ".st-key-verdict")
    ]
    assert all(box["y"] >= 0 and box["y"] + box["height"] <= 845 for box in boxes), boxes
    slider, chart, verdict = boxes
    assert slider["y"] + slider["height"] <= chart["y"] and chart["y"] + chart["height"] <= verdict["y"] + 1
    wait_for_step(page, "channel_pruning")
    page.wait_for_function(MARKS_FIT)
    page.locator(".st-key-chart_right").scroll_into_view_if_needed()
    page.wait_for_selector("body:not(.pinned)", state="attached")
    assert page.locator(".st-key-chart_left .chart-view").bounding_box()["height"] > 300


def test_the_graph_is_as_wide_as_its_place_and_can_be_zoomed_moved_and_fitted(page, server):
    page.goto(f"{server[0]}/inspect?model=mlp-digits&tab=Model+graph")
    drawing = page.locator(".st-key-model_graph svg:not([data-testid])")
    drawing.locator(".node").first.wait_for()
    page.wait_for_selector(".st-key-model_graph svg[data-seen]")
    place = page.locator(".st-key-model_graph").bounding_box()
    assert drawing.bounding_box()["width"] > 0.95 * place["width"]

    def nodes():
        return [node.bounding_box() for node in drawing.locator(".node").all()]

    page.get_by_role("button", name="Fit").click()
    fitted = nodes()
    assert all(place["x"] <= box["x"] and box["x"] + box["width"] <= place["x"] + place["width"] for box in fitted)
    assert all(place["y"] <= box["y"] and box["y"] + box["height"] <= place["y"] + place["height"] for box in fitted)
    page.get_by_role("button", name="+").click()
    larger = nodes()
    assert larger[0]["width"] == pytest.approx(1.3 * fitted[0]["width"], rel=0.02)
    page.mouse.move(place["x"] + 200, place["y"] + 20)
    page.mouse.down()
    page.mouse.move(place["x"] + 140, place["y"] + 50)
    page.mouse.up()
    assert nodes()[0]["x"] == pytest.approx(larger[0]["x"] - 60, abs=2)
    assert nodes()[0]["y"] == pytest.approx(larger[0]["y"] + 30, abs=2)


def test_curves_that_were_cancelled_go_on_with_one_click(page, server):
    page.goto(f"{server[0]}/explore?model=mlp-digits&budget=thorough&curves=channel_pruning")
    curves = page.locator(".st-key-progress")
    curves.get_by_role("button", name="Cancel").last.click()
    curves.get_by_text(re.compile("stopped")).wait_for()
    wait_until_measured(page)
    settle(page)  # nothing else is to come that would draw the page anew
    curves.get_by_role("button", name="Resume").click()
    curves.get_by_text(re.compile(r"Curves: .* left|Curves: (\d+) of \1 settings measured")).wait_for()


def test_chapters_that_are_clicked_quickly_leave_a_chapter(page, server):
    page.goto(f"{server[0]}/learn")
    settle(page)
    for _ in range(2):
        for chapter in ("2 · Pruning", "3 · Quantization", "9 · Measuring", "4 · Distillation"):
            page.get_by_text(re.compile(chapter)).first.click()
            page.wait_for_timeout(200)
    settle(page)
    assert page.get_by_text("has encountered an error").count() == 0
    page.get_by_role("heading", name=re.compile("Distillation")).first.wait_for()


def test_the_slider_benchmark_sees_what_it_times(page, server):
    page.goto(f"{server[0]}/explore?model=mlp-digits")
    wait_until_measured(page)
    page.evaluate(slider.WATCH)
    stages = ("estimate", "measured", "latency")
    assert set(slider.move(page, slider.Press("pruning_percent", "ArrowRight"), stages)) == set(stages)


def go_to(page, title):
    """Click on the menu until the page comes: Streamlit may forget a click that meets a run of the page before."""
    from playwright.sync_api import TimeoutError as TookTooLong

    for patience_ms in (5_000, 10_000, PATIENCE_MS):
        page.locator(".st-key-menu").get_by_text(title, exact=True).click()
        try:
            page.wait_for_url(f"**/{title.lower()}**", timeout=patience_ms)
        except TookTooLong:
            continue
        return


def test_a_move_and_a_click_on_the_menu_at_once_leave_no_empty_page(page, server):
    """What Explore still asks for on the way to another page has no place there."""
    page.goto(f"{server[0]}/explore?model=mlp-digits")
    settle(page)
    for target in ("Inspect", "Jobs") * 3:
        page.locator(".st-key-setting_pruning_percent input[type=range]").press("ArrowRight")
        go_to(page, target)
        page.get_by_role("heading", level=1, name=target).wait_for(state="attached")
        go_to(page, "Explore")
        page.locator(".st-key-setting_pruning_percent input[type=range]:enabled").wait_for()


WATCHERS = """
window.watchers = new Set();
const { observe, disconnect } = MutationObserver.prototype;
MutationObserver.prototype.observe = function (target, what) {
  if (what.attributeFilter?.includes("aria-valuetext")) window.watchers.add(this);
  return observe.call(this, target, what);
};
MutationObserver.prototype.disconnect = function () {
  window.watchers.delete(this);
  return disconnect.call(this);
};
"""
"""Has the browser count who watches the sliders."""


def test_a_slider_has_one_watcher_however_often_it_moved(page, server):
    """Each would move the mark and place all words anew: after twenty moves a key took a second."""
    page.add_init_script(WATCHERS)
    page.goto(f"{server[0]}/explore?model=mlp-digits")
    wait_until_measured(page)
    for _ in range(5):
        press(page, "pruning_percent", "ArrowRight")
        settle(page)
    assert page.evaluate("window.watchers.size") == 1


NOTED = """
window.noted = [];
for (const name of ['pushState', 'replaceState']) {
  const step = History.prototype[name];
  History.prototype[name] = function (state, title, address) {
    window.noted.push(name + ' ' + decodeURIComponent(address));
    return step.call(this, state, title, address);
  };
}
addEventListener('popstate', () => window.noted.push('popstate ' + decodeURIComponent(location.href)));
"""
"""Has the browser note each step of its history: it cannot be asked for them later."""


def test_back_leads_out_of_the_page_and_forward_to_the_last_setting(page, server):
    """The stops of a slider on the way are no steps of the browser's history."""
    page.add_init_script(NOTED)
    page.goto(server[0])
    settle(page)
    page.locator(".st-key-menu").get_by_text("Explore", exact=True).click()
    wait_for_step(page, '"steps":[]')
    settle(page)
    field = "input => document.querySelector('.st-key-setting_weight_bits')?.innerText.includes(input)"
    for bits in ("16", "8", "7"):
        press(page, "weight_bits", "ArrowRight")
        wait_for_step(page, f'"weight_bits":{bits}')
        settle(page)
    page.go_back()
    settle(page)
    assert page.get_by_text("How small can a neural network get?").is_visible(), page.evaluate("window.noted")
    page.get_by_text("Continue where you left off").wait_for()
    page.go_forward()
    settle(page)
    page.wait_for_function(field, arg="7")
    settle(page)
    assert steps_in_url(page)[0]["weight_bits"] == 7


def test_opening_tabs_while_points_arrive_moves_no_control(page, server):
    """Runs of the page that follow each other closely once made controls start at their defaults."""
    recipe = {"steps": [{"technique": "second_order_pruning", "sparsity": 0.8}]}
    page.goto(f"{server[0]}/explore?model=mlp-digits&budget=quick&recipe={urllib.parse.quote(json.dumps(recipe))}")
    wait_for_step(page, "second_order_pruning")
    steps = steps_in_url(page)
    for tab in ("Where bytes go", "Running costs", "Zeros", "All settings"):
        page.get_by_role("tab", name=tab).click()
        page.get_by_role("tab", name=tab, selected=True).wait_for()
        page.wait_for_timeout(1500)
        assert steps_in_url(page) == steps
    wait_until_measured(page)
    page.get_by_role("tab", name="Where bytes go").click()
    page.get_by_text("From theory to a zip file").wait_for()
    assert page.locator(".st-key-chart_bytes .js-plotly-plot").count() == 1


def test_a_click_on_a_cell_of_the_picture_over_two_sliders_goes_there(page, server):
    page.goto(f"{server[0]}/explore?model=mlp-digits")
    seen = wait_until_measured(page)
    page.get_by_role("tab", name="Two sliders").click()
    find = (
        "() => { const plot = document.querySelector('.st-key-chart_surface .js-plotly-plot');"
        " if (!plot || !plot._fullLayout) return null;"
        " const axes = plot._fullLayout, box = plot.getBoundingClientRect();"
        " return [box.x + axes.xaxis._offset + axes.xaxis.d2p(6), box.y + axes.yaxis._offset + axes.yaxis.d2p(2)] }"
    )
    page.wait_for_function(find)
    page.locator(".st-key-chart_surface").scroll_into_view_if_needed()
    x, y = page.evaluate(find)
    page.mouse.move(x, y)
    page.mouse.click(x, y)
    wait_for_step(page, "quantization")
    wait_until_measured(page, seen)
    pruned, rounded = steps_in_url(page)
    assert (pruned["pruning_ratio"], rounded["weight_bits"]) == (0.3, 8)


def test_a_click_on_a_point_loads_it_and_its_address_opens_the_same_view(page, chromium, server):
    page.goto(f"{server[0]}/explore?model=mlp-digits")
    seen = wait_until_measured(page)
    find = (
        "() => { const plot = document.querySelector('.st-key-chart_left .js-plotly-plot');"
        " const trace = plot && plot.data.find(trace => trace.name === 'Quantization');"
        " if (!trace || !trace.x || trace.x.length < 3) return null;"
        " const at = trace.x.length - 1, axes = plot._fullLayout, box = plot.getBoundingClientRect();"
        " return [box.x + axes.xaxis._offset + axes.xaxis.d2p(trace.x[at]),"
        "         box.y + axes.yaxis._offset + axes.yaxis.d2p(trace.y[at])] }"
    )
    page.wait_for_function(find)
    page.get_by_text(re.compile(r"Curves: (\d+) of \1 settings")).wait_for()
    x, y = page.evaluate(find)
    page.mouse.move(x, y)
    page.mouse.click(x, y)
    wait_for_step(page, "quantization")
    words = wait_until_measured(page, seen)
    (step,) = steps_in_url(page)
    assert step["technique"] == "quantization"
    slider = page.locator(".st-key-setting_weight_bits")
    assert str(step["weight_bits"]) in slider.inner_text()

    address = page.url
    again = chromium.new_page()
    again.set_default_timeout(PATIENCE_MS)
    again.goto(address)
    assert wait_until_measured(again) == words
    assert steps_in_url(again) == [step]
    again.close()


def test_every_download_holds_something(page, server):
    page.goto(f"{server[0]}/explore?model=mlp-digits")
    wait_until_measured(page)
    buttons = page.locator(".st-key-downloads button:visible")  # a tooltip has a hidden copy
    buttons.nth(3).wait_for()
    names = []
    for index in range(4):
        with page.expect_download() as download:
            buttons.nth(index).click()
        assert Path(download.value.path()).stat().st_size > 20
        names.append(Path(download.value.suggested_filename).suffix)
    assert names == [".csv", ".json", ".cnet", ".onnx"]


def test_a_running_job_can_be_cancelled(page, server):
    recipe = json.dumps({"steps": [{"technique": "distillation", "width_mult": 0.5, "epochs": 200}]})
    page.goto(f"{server[0]}/explore?model=lenet5-mnist5k&recipe={urllib.parse.quote(recipe)}")
    button = page.locator(".st-key-progress_give_up button")
    page.get_by_text(re.compile(r"This setting: .*\d+ %")).wait_for()
    button.click()
    page.get_by_text("Not measured: it was cancelled").wait_for()


def test_a_training_can_be_ended_with_the_best_so_far(page, server):
    steps = [{"technique": "magnitude_pruning", "sparsity": 0.9}, {"technique": "fine_tuning", "epochs": 200}]
    recipe = urllib.parse.quote(json.dumps({"steps": steps}))
    page.goto(f"{server[0]}/explore?model=lenet5-mnist5k&curves=none&recipe={recipe}")
    page.get_by_role(
        "figure", name=re.compile(r"After [\d,]+ of [\d,]+ steps [\d.]+ % of the validation images")
    ).wait_for()
    page.get_by_role("button", name="Stop here and keep the best").click()
    page.get_by_text(re.compile(r"Training, ended by hand after [\d,]+ of [\d,]+ steps")).wait_for()
    assert 0 < steps_in_url(page)[1]["epochs"] < 200  # what it shows is what was trained


def test_a_bad_address_is_explained(page, server):
    page.goto(f"{server[0]}/explore?model=resnet9000")
    page.get_by_text("There is no model 'resnet9000'").wait_for()


QUANTIZED = {"model": "mlp-digits", "steps": [{"technique": "quantization", "weight_bits": 2}]}


def test_two_settings_side_by_side(page, server):
    recipes = json.dumps([{"model": "mlp-digits", "steps": []}, QUANTIZED])
    page.goto(f"{server[0]}/compare?part=Changed+images&recipes={urllib.parse.quote(recipes)}")
    page.get_by_text(re.compile(r"get another answer from B than from A")).wait_for()
    page.wait_for_function(
        "() => { const found = [...document.querySelectorAll('img[alt^=\"Test image\"]')];"
        " return found.length && found.every(image => image.src.startsWith('data:image/png') && image.naturalWidth) }"
    )
    page.get_by_role("tab", name="Classes").click()
    page.get_by_text(re.compile("Worst class")).first.wait_for()
    page.wait_for_function("() => document.querySelectorAll('.js-plotly-plot .heatmaplayer image').length >= 2")
    assert "part=Classes" in page.url


def test_a_presentation_fills_the_screen_and_is_taken_away(page, server):
    recipe = json.dumps({"steps": QUANTIZED["steps"]})
    page.goto(f"{server[0]}/present?model=mlp-digits&recipe={urllib.parse.quote(recipe)}")
    page.get_by_text(re.compile("Checked: the stored file decodes to exactly the .onnx")).wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="Everything (.zip)").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert {"report.html", "model.onnx", "check.py", "chart.png"} <= set(archive.namelist())
    page.locator(".st-key-present_enter button").click()
    page.wait_for_function("() => document.fullscreenElement && location.search.includes('full=1')")
    page.locator(".st-key-menu").wait_for(state="hidden")
    assert steps_in_url(page)[0]["weight_bits"] == 2
    page.get_by_role("button", name="Leave full screen").click()
    page.locator(".st-key-menu").wait_for(state="visible")
    assert not page.evaluate("Boolean(document.fullscreenElement)")
