import pytest

from compression.explain.rivals import next_point, rivals, why_this_one
from compression.results.record import Choosing
from tests.support.verdicts import result

MINE = {"size": 3000, "accuracy": 0.965, "ratio": (0.5, 0.49, 0.51)}
COSTS = {"size": 1000, "ratio": (0.4, 0.39, 0.41), "memory": 0.8}
"""Better than those of `MINE` in all."""


def bits(count, **changes):
    return result(**MINE | {"steps": ({"technique": "quantization", "weight_bits": count},)} | changes)


def titles(*others):
    return [rival.title for rival in rivals(result(**MINE), others)]


@pytest.mark.parametrize(
    ("changes", "title"),
    [
        (COSTS, "Smaller, faster, with less memory and at least as accurate: 3-bit weights"),
        ({"size": 1000}, "Smaller and at least as accurate: 3-bit weights"),
        ({"size": 1000, "ratio": (0.6, 0.59, 0.61)}, "Smaller and at least as accurate: 3-bit weights (but slower)"),
        ({"ratio": (0.3, 0.29, 0.31), "size": 4000}, "Faster and at least as accurate: 3-bit weights (but larger)"),
        ({"size": 1000, "memory": 1.1}, "Smaller and at least as accurate: 3-bit weights (but with more memory)"),
        ({"accuracy": 0.995}, "More accurate at the same cost: 3-bit weights"),
    ],
)
def test_what_speaks_against_a_setting_is_named_with_what_it_costs(changes, title):
    assert titles(bits(3, **changes)) == [title]


def test_of_what_beats_it_on_all_counts_the_smallest_is_named_alone():
    found = rivals(result(**MINE), [bits(3, size=1000), bits(2, size=900), bits(4, size=800, ratio=(0.9, 0.8, 1.0))])
    assert [rival.result.words for rival in found] == ["2-bit weights"]


def test_the_smallest_and_the_fastest_are_named_where_nothing_beats_it():
    slow, large = {"size": 900, "ratio": (0.9, 0.89, 0.91)}, {"size": 5000, "ratio": (0.3, 0.29, 0.31)}
    assert titles(bits(2, **slow), bits(8, **large)) == [
        "Smaller and at least as accurate: 2-bit weights (but slower)",
        "Faster and at least as accurate: 8-bit weights (but larger)",
    ]


def chosen_by(accuracy):
    """What validation images say."""
    return {"validation": Choosing(accuracy=accuracy, n=500, difference=0, difference_low=0, difference_high=0)}


def test_none_is_named_for_its_luck_on_the_test_images():
    mine = result(**MINE, **chosen_by(0.97))
    for accuracy, names in ((0.96, []), (0.97, ["3-bit weights"])):
        lucky = bits(3, size=1000, accuracy=0.995, **chosen_by(accuracy))
        assert [rival.result.words for rival in rivals(mine, [lucky])] == names
        larger = bits(3, size=4000, accuracy=0.995, **chosen_by(accuracy))
        assert (next_point(mine, [larger]) is not None) == bool(names)


def test_two_that_are_alike_do_not_beat_each_other():
    one, other = bits(3, size=1000), bits(4, size=950)
    assert rivals(one, [other]) == rivals(other, [one]) == ()


class TestWhyThisOne:
    def test_what_others_give_up_is_counted(self):
        slower = bits(4, size=900, ratio=(1, 0.9, 1.1))
        others = [bits(2, size=900, accuracy=0.9), bits(3, size=900, accuracy=0.8), slower]
        assert why_this_one(result(**MINE), others) == (
            "Of 3 other measured settings 3 are smaller: 2 measurably less accurate, 1 slower."
        )

    @pytest.mark.parametrize(
        ("others", "words"),
        [
            ([], "No other setting of this model is measured yet"),
            (
                [{"size": 900, "accuracy": 0.9}],
                "Of 1 other measured setting 1 is smaller, but measurably less accurate.",
            ),
            (
                [{"size": 900, "accuracy": 0.964}],
                "Of 1 other measured setting 1 is smaller, but perhaps less accurate.",
            ),
            ([{"size": 4000, "ratio": (0.3, 0.29, 0.31)}], "Of 1 other measured setting 1 is faster, but larger."),
            ([{"size": 4000}], "Of 1 other measured setting none is smaller, and none measurably faster."),
        ],
    )
    def test_in_one_sentence(self, others, words):
        assert why_this_one(result(**MINE), [bits(3, **other) for other in others]).startswith(words)


class TestTheNextPoint:
    def test_costs_what_the_cheapest_that_is_a_point_better_is_larger(self):
        numbers = {8: (9000, 0.99), 4: (5000, 0.985), 3: (4000, 0.966)}
        others = [bits(count, size=size, accuracy=accuracy) for count, (size, accuracy) in numbers.items()]
        found = next_point(result(**MINE), others)
        assert found.words == "2.0 more points of accuracy (between +0.6 and +3.5 points) cost 2.00 KB: 4-bit weights"
        assert found.result is others[1]

    def test_has_no_price_where_nothing_is_measurably_better_or_it_costs_nothing(self):
        assert next_point(result(**MINE), [bits(3, size=4000, accuracy=0.97)]) is None
        assert next_point(result(**MINE), [bits(4, size=5000, accuracy=0.99), bits(3, size=900, accuracy=0.99)]) is None
