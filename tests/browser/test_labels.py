"""Where the words of a chart go, in a browser but without a server: `compression/charts/labels.js` alone."""

import pytest

from compression.charts import LABELS

pytestmark = pytest.mark.browser

WIDTH, HEIGHT = 400, 300
PLACE = """([traces, first, width, height]) => {
  const axis = (length) => ({ d2p: (place) => place, _length: length, _offset: 0 });
  const axes = { xaxis: axis(width), yaxis: axis(height), hoverlabel: { bgcolor: "#fff" } };
  document.body.innerHTML = `<svg width="${width}" height="${height}" style="position: absolute; inset: 0"></svg>`;
  placeWords(document.querySelector("svg"), traces, axes, first);
  return [...document.querySelectorAll(".chart-words text")].map((text) => {
    const { left, top, right, bottom } = text.getBoundingClientRect();
    return { words: text.textContent, left, top, right, bottom };
  });
}"""


@pytest.fixture
def place(page):
    """The boxes of all words, by what they say, where a trace is the `first`, or none is."""
    page.goto("about:blank")
    page.add_script_tag(path=LABELS)

    def placed(traces, first=None):
        found = page.evaluate(PLACE, [traces, first, WIDTH, HEIGHT])
        return {box.pop("words"): box for box in found}

    return placed


def point(x, y, size, symbol="circle", **more):
    return {"x": [x], "y": [y], "mode": "markers", "marker": {"size": size, "symbol": symbol}, **more}


def worded(x, y, words, size=8, symbol="circle", **more):
    font = {"color": "#000", "size": 12}
    return point(x, y, size, symbol, **more) | {"mode": "markers+text", "text": [words], "textfont": font}


def around(x, y, reach):
    return {"left": x - reach, "top": y - reach, "right": x + reach, "bottom": y + reach}


def meet(one, other):
    """Whether they do by more than half a pixel."""
    return (
        min(one["right"], other["right"]) - max(one["left"], other["left"]) > 0.5
        and min(one["bottom"], other["bottom"]) - max(one["top"], other["top"]) > 0.5
    )


def test_words_do_not_lie_on_the_points_of_a_star(place):
    """A star reaches farther than half its size: words right of their own marker would touch its upper end."""
    found = place([point(200, 150, 14, "star"), worded(150, 134.5, "words that reach the star")])
    assert not meet(found["words that reach the star"], around(200, 150, 0.7 * 14))


def test_wherever_the_mark_is_moved_no_words_lie_on_it_on_each_other_or_are_cut_off(place):
    others = [(90, 60, "4-bit weights"), (150, 90, "prune 50 % of channels"), (230, 110, "best"), (320, 130, "student")]
    traces = [worded(*other) for other in others]
    for x in range(12, WIDTH, 25):
        for y in range(12, HEIGHT, 25):
            found = place(traces, worded(x, y, "measured", 15))
            boxes = [*found.values()]
            assert "measured" in found
            assert not [words for words, box in found.items() if meet(box, around(x, y, 7.5))]
            assert not [n for n, box in enumerate(boxes) for other in boxes[n + 1 :] if meet(box, other)]
            assert all(box["left"] >= -0.5 and box["right"] <= WIDTH + 0.5 for box in boxes)
            assert all(box["top"] >= -2 and box["bottom"] <= HEIGHT + 2 for box in boxes)
