import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, recall_score

from compression.results import predictions
from compression.results.predictions import answers
from compression.results.significance import wilson_interval

rng = np.random.default_rng(0)
LABELS = rng.integers(0, 4, 200).astype(np.uint8)


def made(predictions, confidence=0.7):
    probabilities = np.full((len(predictions), 4), (1 - confidence) / 3)
    probabilities[np.arange(len(predictions)), predictions] = confidence
    return answers(probabilities, LABELS[: len(predictions)])


def wrong_on(indices):
    predictions = LABELS.copy()
    predictions[indices] = (predictions[indices] + 1) % 4
    return made(predictions)


def test_measured_predictions_count_and_else_the_most_probable_class():
    probabilities, labels = np.array([[0.5, 0.5], [0.2, 0.8]]), np.array([1, 1], np.uint8)
    assert predictions.answers(probabilities, labels, bytes([1, 1])).predictions.tolist() == [1, 1]
    for lost in (None, b"another length"):
        assert predictions.answers(probabilities, labels, lost).predictions.tolist() == [0, 1]


def test_confusion_and_recall_are_those_of_scikit_learn():
    found = made(rng.integers(0, 4, 200).astype(np.uint8))
    np.testing.assert_array_equal(predictions.confusion(found), confusion_matrix(LABELS, found.predictions))
    shares = [recall.share for recall in predictions.recalls(found)]
    np.testing.assert_allclose(shares, recall_score(LABELS, found.predictions, average=None))


def test_recalls_have_wilson_intervals_and_absent_classes_none():
    found = predictions.answers(np.eye(3)[[0, 0, 1]], np.array([0, 0, 0], np.uint8))
    (only,) = predictions.recalls(found)
    assert (only.right, only.total, (only.low, only.high)) == (2, 3, wilson_interval(2, 3))


def test_the_worst_class():
    bad = np.flatnonzero(LABELS == 2)[:5]
    assert predictions.worst(predictions.recalls(wrong_on(bad))).index == 2


def test_losses_of_classes_allow_for_many_looks():
    few, many = np.flatnonzero(LABELS == 1)[:6], np.flatnonzero(LABELS == 3)[:20]
    perfect = wrong_on([])
    first, second, *rest = predictions.class_changes(wrong_on(np.concatenate([few, many])), perfect)
    assert (first.index, second.index) == (3, 1)
    assert first.difference.difference == -20 / (LABELS == 3).sum()
    assert second.difference.p_value == pytest.approx(2 * 0.5**6)
    assert second.p_value == pytest.approx(4 * 2 * 0.5**6)
    assert second.difference.p_value < 0.05 < second.p_value
    assert all(change.p_value == 1 for change in rest)


class TestChanges:
    reference = predictions.answers(
        np.array([[0.9, 0.1, 0], [0.6, 0.4, 0], [0.2, 0.7, 0.1], [0.1, 0.2, 0.7]]), np.array([0, 1, 2, 2], np.uint8)
    )
    other = predictions.answers(
        np.array([[0.2, 0.8, 0], [0.1, 0.9, 0], [0.5, 0.4, 0.1], [0.1, 0.1, 0.8]]), np.array([0, 1, 2, 2], np.uint8)
    )

    def test_are_images_with_another_answer(self):
        found = predictions.changes(self.other, self.reference)
        assert [change.index for change in found] == [0, 1, 2]
        assert [change.kind for change in found] == ["broken", "fixed", "other"]
        assert found[0] == predictions.Change(0, 0, 0, 1, 0.9, 0.8, 0.1, 0.2)
        assert [round(change.shift, 9) for change in found] == [0.7, 0.5, 0.3]

    def test_there_are_none_between_equals(self):
        assert predictions.changes(self.reference, self.reference) == ()

    @pytest.mark.parametrize(
        ("kinds", "label", "order", "indices"),
        [
            ((), None, "shift", [0, 1, 2]),
            ((), None, "sure", [1, 0, 2]),
            ((), None, "data", [0, 1, 2]),
            (("broken", "other"), None, "data", [0, 2]),
            ((), 2, "data", [2]),
            (("fixed",), 0, "data", []),
        ],
    )
    def test_can_be_chosen_and_ordered(self, kinds, label, order, indices):
        found = predictions.changes(self.other, self.reference)
        assert [change.index for change in predictions.chosen(found, kinds, label, order)] == indices


@pytest.mark.parametrize(("n_classes", "width"), [(2, 1), (10, 1), (256, 1), (257, 2), (1000, 2), (70_000, 4)])
def test_classes_take_the_fewest_bytes_and_are_read_again(n_classes, width):
    numbers = np.array([0, 1, n_classes - 1])
    written = predictions.as_classes(numbers, n_classes).tobytes()
    assert len(written) == 3 * width
    np.testing.assert_array_equal(predictions.classes_from(written, 3), numbers)


def test_more_classes_than_a_byte_holds():
    labels = predictions.as_classes(np.array([299, 0, 256]), 300)
    probabilities = np.eye(300)[[299, 256, 256]]
    measured = predictions.as_classes(np.array([299, 0, 255]), 300).tobytes()
    assert list(answers(probabilities, labels).predictions) == [299, 256, 256]
    assert list(answers(probabilities, labels, measured).predictions) == [299, 0, 255]
    assert predictions.confusion(answers(probabilities, labels))[0, 256] == 1
