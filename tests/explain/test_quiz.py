import numpy as np
import pytest

from compression.explain import quiz
from compression.explain.quiz import judge
from compression.recipe.recipe import make_recipe
from compression.results.predictions import Answers
from tests.support.made_up_results import ACCURACY, BYTES, fabricate

RECIPE = make_recipe("lenet5-mnist5k", [{"technique": "quantization", "weight_bits": 3}])
REASONS = {name: f"because {name}" for name in (*quiz.ACCURACY, *quiz.TEACHING)}


def result(accuracy=ACCURACY, *, different=True, **changes):
    difference = accuracy - ACCURACY
    p_value = 0.001 if different else 0.6
    interval = {"accuracy_low": accuracy - 0.012, "accuracy_high": accuracy + 0.008}
    return fabricate(
        RECIPE, accuracy=accuracy, accuracy_difference=difference, p_value=p_value, **{**interval, **changes}
    )


class TestAccuracy:
    QUESTION = quiz.accuracy_question("What happens?", RECIPE, REASONS)

    @pytest.mark.parametrize(
        ("accuracy", "different", "name"),
        [
            (0.995, True, "better"),
            (0.995, False, "same"),
            (0.985, False, "same"),
            (0.94, True, "little"),
            (0.939, True, "much"),
            (0.69, True, "much"),
            (0.357, True, "collapse"),
        ],
    )
    def test_what_came_true_follows_from_the_measurement(self, accuracy, different, name):
        found = self.QUESTION.judge(result(accuracy, different=different))
        assert found.choice == name
        assert found.explanation.startswith(f"because {name}")

    def test_other_settings_are_told_beside_it(self):
        question = quiz.accuracy_question("What happens?", RECIPE, REASONS, ("Refitted", RECIPE.baseline()))
        assert len(question.recipes) == 2
        found = question.judge(result(0.357), result(0.98))
        assert found.choice == "collapse"
        assert found.explanation.startswith("because collapse Refitted: **98.0 %")

    def test_a_right_guess(self):
        judged = judge(self.QUESTION, "It loses more than 30 points", [result(0.357)])
        assert judged.is_right
        assert judged.said == (
            "You said: “It loses more than 30 points”. Measured: 35.7 % (34.5–36.5) of 1,000 test images are "
            "right, against 99.0 % (97.8–99.8) before."
        )

    def test_a_wrong_guess_is_told_what_is(self):
        judged = judge(self.QUESTION, "No measurable difference", [result(0.357)])
        assert not judged.is_right
        assert judged.said.endswith("So it is: “It loses more than 30 points”.")


class TestSize:
    QUESTION = quiz.size_question("How small?", RECIPE, lambda result: f"{result.stored_bytes} bytes")

    @pytest.mark.parametrize(("times", "choice"), [(1, 0), (1.49, 0), (1.51, 1), (3.9, 1), (4.1, 2), (24, 3), (60, 4)])
    def test_the_factor_decides(self, times, choice):
        found = self.QUESTION.judge(result(stored_bytes=round(BYTES / times)))
        assert list(quiz.SIZES).index(found.choice) == choice

    def test_a_larger_file_is_called_so(self):
        found = self.QUESTION.judge(result(stored_bytes=2 * BYTES))
        assert found.choice == "none"
        assert "2.0× larger" in found.measured


class TestSpeed:
    NAMES = ("slower", "same", "less", "alike", "more")
    QUESTION = quiz.speed_question("How fast?", RECIPE, "{} left", dict(zip(NAMES, NAMES, strict=True)))

    @pytest.mark.parametrize(
        ("ratio", "name", "reason"),
        [
            (1.2, "slower", "slower"),
            (1.02, "same", "same"),
            (0.98, "same", "same"),
            (0.8, "faster", "less"),
            (0.6, "half", "less"),
            (0.5, "half", "alike"),
            (0.4, "half", "more"),
            (0.3, "more", "more"),
        ],
    )
    def test_the_ratio_and_its_interval_decide(self, ratio, name, reason):
        one = result(
            macs=2_293_000 // 2, latency_ratio=ratio, latency_ratio_low=ratio - 0.05, latency_ratio_high=ratio + 0.05
        )
        found = self.QUESTION.judge(one)
        assert found.choice == name
        assert found.explanation.startswith(f"50 % left, {reason}")
        assert f"{100 * ratio:.0f} % of the time" in found.measured


class TestTeaching:
    QUESTION = quiz.teaching_question("Who wins?", [(RECIPE, RECIPE.baseline())] * 3, REASONS)

    @staticmethod
    def answers(wrong):
        """A network that gets the first so many of 1,000 images wrong."""
        labels = np.zeros(1000, np.uint8)
        return Answers((np.arange(1000) < wrong).astype(np.uint8), np.zeros((1000, 2)), labels)

    def judged(self, taught, plain):
        """With as many images wrong with each of three seeds; those that both get wrong are the same ones."""
        wrong = [number for pair in zip(taught, plain, strict=True) for number in pair]
        return self.QUESTION.judge(*(result(1 - number / 1000) for number in wrong), *map(self.answers, wrong))

    @pytest.mark.parametrize(
        ("taught", "plain", "name"),
        [
            # 99.0 against 98.2 % is a difference on the same images, though 95 % intervals overlap
            ((10, 11, 10), (18, 17, 18), "better"),
            ((18, 17, 18), (10, 11, 10), "worse"),
            # one image each time is chance, and so is what is better twice and worse once
            ((10, 10, 10), (11, 11, 11), "same"),
            ((10, 10, 18), (30, 30, 10), "same"),
        ],
    )
    def test_the_same_images_and_every_seed_decide(self, taught, plain, name):
        assert self.judged(taught, plain).choice == name

    def test_it_says_all_seeds_the_difference_and_its_interval(self):
        found = self.judged((10, 11, 10), (18, 17, 18))
        assert (
            "with the teacher 99.0 % (97.8–99.8), 98.9 % (97.7–99.7) and 99.0 % (97.8–99.8) of 1,000" in found.measured
        )
        assert "without 98.2 % (97.0–99.0), 98.3 % (97.1–99.1) and 98.2 % (97.0–99.0). On" in found.measured
        assert "On these 3 seeds that is +0.7 points on average, 95 % interval +0.2 to +1.2" in found.measured
        assert found.explanation.startswith("because better")
        assert "on these seeds" in found.explanation


class TestCoding:
    QUESTION = quiz.coding_question("How much?", RECIPE, RECIPE.baseline())

    @pytest.mark.parametrize(("share", "choice"), [(1.1, 0), (0.96, 0), (0.94, 1), (0.8, 2), (0.5, 3), (0.3, 4)])
    def test_what_is_saved_decides(self, share, choice):
        plain = result(stored_bytes=100_000)
        found = self.QUESTION.judge(result(stored_bytes=round(share * 100_000)), plain)
        assert list(quiz.CODINGS).index(found.choice) == choice
        assert ("frequent ones get fewer bits" in found.explanation) == (share < 1)

    def test_a_difference_in_accuracy_would_be_said(self):
        found = self.QUESTION.judge(result(0.9, stored_bytes=50), result(0.99, stored_bytes=100))
        assert "should never" in found.explanation
