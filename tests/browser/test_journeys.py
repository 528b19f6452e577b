"""From a question to what people take away: to tune, to teach, to convince."""

import json
import os
import re
import subprocess
import sys
import urllib.parse
from pathlib import Path

import pandas as pd
import pytest

from tests.support.brought import digits_zip, sample_onnx
from tests.support.browser_tools import PATIENCE_MS, press, settle, steps_in_url, verdict, wait_until_measured

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]


def go(page, name):
    """By the menu, as people do."""
    page.locator(".st-key-menu").get_by_role("link", name=name).click()
    page.wait_for_url(re.compile(f"/{name.lower()}"))


def recipe_in_url(page):
    query = urllib.parse.parse_qs(urllib.parse.urlparse(page.url).query)
    return {"model": query["model"][0], **json.loads(query["recipe"][0])}


def measured_anew(recipe, folder):
    """The same recipe by command line, in a home of its own."""
    path = folder / "recipe.json"
    path.write_text(json.dumps(recipe))
    command = [sys.executable, "-m", "compression", "run", str(path), "--json", "--out", str(folder / "out")]
    home = {**os.environ, "COMPRESSION_HOME": str(folder / "home")}
    done = subprocess.run(command, cwd=ROOT, env=home, capture_output=True, text=True, timeout=300, check=True)
    return json.loads(done.stdout)


def test_tune(page, server, tmp_path):
    """Explore, limits, the best within them, why it is not better, and the exported recipe gives the same row."""
    page.goto(f"{server[0]}/explore?model=mlp-digits&curves=quantization")
    page.get_by_text(re.compile(r"Curves: (\d+) of \1 settings measured")).wait_for()
    before = wait_until_measured(page)
    page.get_by_role("button", name="What is the best for me?").click()
    limit = page.get_by_role("spinbutton", name="Accuracy lost, at most (percentage points)")
    limit.fill("1")
    limit.press("Enter")
    page.get_by_text("Measured already").wait_for()
    page.get_by_role("button", name="Show it").click()
    said = wait_until_measured(page, before)
    settle(page)  # what can be taken away is drawn after the verdict
    assert "smaller" in said
    with page.expect_download() as download:
        page.get_by_role("button", name="This recipe (.json)").click()
    recipe = json.loads(Path(download.value.path()).read_text())
    assert recipe["steps"]

    go(page, "Inspect")
    page.get_by_text(re.compile(r"Stored file, to the byte")).wait_for()
    assert recipe_in_url(page) == recipe
    stored = page.get_by_text(re.compile(r"Stored file, to the byte")).inner_text()
    page.get_by_role("tab", name="Why not better?").click()
    page.get_by_text("Checked, not the cause").first.wait_for()

    row = measured_anew(recipe, tmp_path)
    assert f"= {row['stored_bytes']:,} bytes" in stored
    assert f"{100 * row['accuracy']:.1f} %" in said


def test_wish(page, server):
    """A limit, at once what can be expected, a search, its answer, and the setting that it found."""
    page.goto(f"{server[0]}/explore?model=mlp-digits&curves=quantization")
    page.get_by_text(re.compile(r"Curves: (\d+) of \1 settings measured")).wait_for()  # so that a slow search has some
    wait_until_measured(page)
    page.get_by_role("button", name="What is the best for me?").click()
    limit = page.get_by_role("spinbutton", name="Stored file, at most (KB)")
    limit.fill("12")
    limit.press("Enter")
    outlook = page.locator(".st-key-wish_outlook")
    outlook.get_by_text("Measured already").wait_for(timeout=10_000)
    minutes = page.get_by_role("spinbutton", name="Minutes to spend")
    minutes.fill("0.2")
    minutes.press("Enter")
    page.get_by_role("button", name="Find it").click()
    page.locator(".st-key-search").get_by_text("Looking for the most accurate (12.0 KB)").wait_for()
    answer = page.locator(".st-key-search_answer")
    answer.get_by_text(re.compile("Met: the most accurate of")).wait_for()
    before = verdict(page)
    answer.get_by_role("button", name="Show it").first.click()
    assert "smaller" in wait_until_measured(page, before)
    settle(page)  # the address follows
    assert steps_in_url(page)
    page.reload()
    answer.get_by_text(re.compile("Met: the most accurate of")).wait_for()
    answer.get_by_role("link", name="Present").click()
    page.get_by_text(re.compile("Checked: the stored file decodes")).wait_for()


def test_teach(page, server):
    """Three chapters: a guess, a measurement, and an answer that speaks of both."""
    page.goto(f"{server[0]}/learn?chapter=quantization&model=mlp-digits")
    for done, chapter in enumerate(("Quantization", "Pruning", "Weight sharing"), 1):
        page.get_by_text(re.compile(rf"^\d · {chapter}$")).click()
        page.get_by_role("heading", name=chapter).wait_for()
        page.locator(".js-plotly-plot").first.wait_for()
        box = page.locator(".st-key-predict")
        reveal = box.get_by_role("button", name=re.compile("Reveal"))
        assert reveal.is_disabled()
        box.get_by_role("radio").first.locator("xpath=ancestor::label").click()
        reveal.click()
        box.get_by_text(re.compile("Well predicted|A surprise")).wait_for()
        assert re.search(r"measured.* \d[\d.]* %", box.inner_text(), re.DOTALL | re.IGNORECASE)
        page.get_by_text(f"{done} of 9").wait_for()


def test_demo(page, server, chromium, tmp_path):
    """Two results side by side, one presented, and its report opens without any server: charts work."""
    quantized = {"model": "mlp-digits", "steps": [{"technique": "quantization", "weight_bits": 4}]}
    recipes = json.dumps([{"model": "mlp-digits", "steps": []}, quantized])
    page.goto(f"{server[0]}/compare?recipes={urllib.parse.quote(recipes)}")
    page.get_by_text(re.compile("B instead of A")).wait_for()
    page.goto(f"{server[0]}/present?model=mlp-digits&recipe={urllib.parse.quote(json.dumps(quantized))}")
    page.get_by_text(re.compile("Checked: the stored file decodes")).wait_for()
    report = tmp_path / "report.html"
    with page.expect_download() as download:
        page.get_by_role("button", name="Report (.html)").click()
    download.value.save_as(report)

    offline = chromium.new_context(offline=True)
    alone = offline.new_page()
    alone.set_default_timeout(PATIENCE_MS)
    asked, troubles = [], []
    alone.on("request", lambda request: asked.append(request.url))
    alone.on("pageerror", lambda error: troubles.append(str(error)))
    alone.goto(report.as_uri())
    alone.wait_for_function("() => document.querySelectorAll('.js-plotly-plot .point').length > 2")
    alone.locator(".js-plotly-plot .point").last.hover(force=True)
    offline.close()
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert troubles == []


def test_bring_your_own(page, server, tmp_path):
    """A zip of pictures and an ONNX file that nobody has told how to see them: found, mended, swept, reproduced."""
    page.goto(f"{server[0]}/models")
    files = page.locator("input[type=file]")
    files.nth(0).set_input_files(digits_zip(tmp_path))
    page.get_by_text("Still needed: a network.").wait_for()
    files.nth(1).set_input_files(sample_onnx(tmp_path))
    page.get_by_role("button", name="Add and check").click()
    page.get_by_role("alert").get_by_text("with the images' own mean and standard deviation").wait_for()
    page.get_by_role("button", name="Use that").first.click()
    page.get_by_text(re.compile(r"As given, 9[5-9]")).first.wait_for()
    page.locator(".st-key-models_errand_box").get_by_role("link", name="Open it in Explore", exact=True).click()
    page.get_by_text(re.compile(r"Curves: ([5-9]|\d\d) of \d+ settings")).wait_for()  # the sweep goes on
    before = wait_until_measured(page)
    for _ in range(2):
        press(page, "weight_bits", "ArrowRight")
        before = wait_until_measured(page, before)
    settle(page)  # as above
    recipe = recipe_in_url(page)
    assert recipe["model"] == "network" and recipe["steps"]
    with page.expect_download() as download:
        page.get_by_role("button", name="All settings (.csv)").click()
    rows = pd.read_csv(download.value.path())

    path = tmp_path / "recipe.json"
    path.write_text(json.dumps(recipe))
    command = [sys.executable, "-m", "compression", "run", str(path), "--fresh", "--json"]
    home = os.environ | {"COMPRESSION_HOME": str(server[2])}
    done = subprocess.run(command, cwd=ROOT, env=home, capture_output=True, text=True, timeout=300, check=True)
    row = json.loads(done.stdout)
    (seen,) = rows[rows.recipe_id == row["recipe_id"]].to_dict("records")
    assert (seen["stored_bytes"], seen["accuracy"]) == (row["stored_bytes"], row["accuracy"])

    go(page, "Models")
    for name, what in (("network", "The network"), ("digits-2", "The images")):
        page.locator(f"[class*=st-key-models_][class*=_{name}]").get_by_role("button", name="Delete").first.click()
        page.get_by_role("dialog").get_by_text(what).wait_for()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        page.get_by_role("dialog").wait_for(state="detached")
    page.get_by_text("Your networks").wait_for(state="detached")
