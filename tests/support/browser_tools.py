"""What tests in a browser share."""

import json
import urllib.parse

PATIENCE_MS = 240_000
"""For a measured point on a busy machine with two slow cores; an idle one needs seconds."""


def verdict(page):
    return page.locator(".st-key-verdict").inner_text()


def wait_until_measured(page, before=""):
    """Wait for a verdict on a measurement, another one than `before`; returns it."""
    page.wait_for_function(
        "before => { const box = document.querySelector('.st-key-verdict');"
        " return box && box.innerText !== before"
        " && /accuracy/i.test(box.innerText) && !/Estimated/.test(box.innerText) }",
        arg=before,
    )
    return verdict(page)


def steps_in_url(page):
    query = urllib.parse.parse_qs(urllib.parse.urlparse(page.url).query)
    return json.loads(query["recipe"][0])["steps"]


def settle(page):
    """Wait until the page is drawn, and has the answers that it waits for."""
    page.wait_for_selector("[data-testid='stMainBlockContainer'] .st-key-menu")
    page.wait_for_timeout(1500)
    page.wait_for_function(
        "() => !document.querySelector('[class*=st-key-waiting], [data-testid=stSkeleton]')"
        " && document.querySelector('[data-test-script-state=notRunning]')"
    )
    page.wait_for_timeout(1000)


def press(page, field, key, times=1):
    """Move a slider with the keyboard."""
    slider = page.locator(f".st-key-setting_{field} input[type=range]")
    slider.focus()
    for _ in range(times):
        slider.press(key)
