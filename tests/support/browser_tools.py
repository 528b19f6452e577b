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


QUIET_MS = 1500
"""What was done to a page has reached the server by then, or what arrived is drawn."""
QUIET = """(enough) => {
  const busy = document.querySelector('[class*=st-key-waiting], [data-testid=stSkeleton]')
    || !document.querySelector('[data-test-script-state=notRunning]')
    || !document.querySelector("[data-testid='stMainBlockContainer'] .st-key-menu");
  window.quietSince = busy ? undefined : window.quietSince ?? performance.now();
  return !busy && performance.now() - window.quietSince >= enough;
}"""


def settle(page):
    """Wait until the page is drawn, has the answers that it waits for, and nothing has moved for a while."""
    page.evaluate("delete window.quietSince")
    page.wait_for_function(QUIET, arg=QUIET_MS)
