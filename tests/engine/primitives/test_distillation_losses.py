import math

import numpy as np
import pytest
import torch

from compression.engine.primitives import distillation_losses as losses
from compression.engine.primitives.distillation_losses import distillation_loss, soft_target_divergence

STUDENT = torch.tensor([[1.0, 2.0, -1.0], [0.0, 0.5, 3.0]])
TEACHER = torch.tensor([[2.0, 1.0, 0.0], [-1.0, 0.0, 4.0]])
Y = torch.tensor([0, 2])


def softmax(logits):
    values = np.exp(logits - logits.max(1, keepdims=True))
    return values / values.sum(1, keepdims=True)


def reference(temperature):
    p, q = softmax(TEACHER.double().numpy() / temperature), softmax(STUDENT.double().numpy() / temperature)
    return temperature**2 * np.mean(np.sum(p * np.log(p / q), axis=1))


@pytest.mark.parametrize("temperature", [1, 4, 20])
def test_divergence_by_its_formula(temperature):
    found = soft_target_divergence(STUDENT, TEACHER, temperature).item()
    assert found == pytest.approx(reference(temperature), rel=1e-3)


def test_no_divergence_from_oneself():
    assert soft_target_divergence(STUDENT, STUDENT, 4).item() == pytest.approx(0, abs=1e-6)


def test_alpha_mixes_teacher_and_labels():
    plain = -np.log(softmax(STUDENT.double().numpy())[[0, 1], [0, 2]]).mean()
    for alpha in (0, 0.3, 1):
        found = distillation_loss(STUDENT, TEACHER, Y, temperature=4, alpha=alpha).item()
        assert found == pytest.approx(alpha * reference(4) + (1 - alpha) * plain, rel=1e-4)


def test_gradient_of_soft_targets_hardly_depends_on_temperature():
    """T**2 makes up for the 1/T**2 of the gradient (Hinton et al., section 2.1)."""
    sizes = []
    for temperature in (10.0, 20.0):
        logits = STUDENT.clone().requires_grad_()
        soft_target_divergence(logits, TEACHER, temperature).backward()
        sizes.append(logits.grad.norm().item())
    assert sizes[0] == pytest.approx(sizes[1], rel=0.2)


def test_dkd_is_kd_when_its_other_part_is_weighted_as_there(monkeypatch):
    """KD = target part + (1 - probability of the target) x other part, for each image (Zhao et al., 2022, eq. 7)."""
    student, teacher = torch.randn(2, 1, 10, generator=torch.Generator().manual_seed(0))
    y = torch.tensor([3])
    for temperature in (1.0, 4.0):
        rest = 1 - (teacher / temperature).softmax(1)[0, 3].item()
        monkeypatch.setattr(losses, "OTHER_CLASSES_WEIGHT", rest)
        found = losses.decoupled_divergence(student, teacher, y, temperature)
        torch.testing.assert_close(found, losses.soft_target_divergence(student, teacher, temperature))


def test_dkd_is_zero_for_equal_predictions_only():
    logits, y = torch.randn(8, 10), torch.arange(8)
    assert losses.decoupled_divergence(logits, logits + 3, y, 4).abs() < 1e-5
    assert losses.decoupled_divergence(logits, 2 * logits, y, 4) > 0.01
    assert torch.isfinite(losses.decoupled_divergence(100 * logits, -100 * logits, y, 1))


def test_an_ensemble_predicts_the_average():
    one, two = torch.randn(5, 10), 3 * torch.randn(5, 10)
    for temperature in (1.0, 4.0):
        found = (losses.ensemble_logits([one, two], temperature) / temperature).softmax(1)
        expected = ((one / temperature).softmax(1) + (two / temperature).softmax(1)) / 2
        torch.testing.assert_close(found, expected)
    alone = losses.ensemble_logits([one], 4)
    torch.testing.assert_close(alone.softmax(1), one.softmax(1))


def test_hints_are_relative_to_the_teacher():
    teacher = 7 * torch.randn(4, 3, 2, 2)
    assert losses.hint_loss(teacher, teacher) == 0
    torch.testing.assert_close(losses.hint_loss(torch.zeros_like(teacher), teacher), torch.tensor(1.0))


def test_attention_looks_at_places_and_not_at_size_or_channels():
    teacher = torch.randn(4, 6, 5, 5)
    shuffled = 3 * teacher[:, torch.randperm(6)]
    assert losses.attention_loss(shuffled, teacher) < 1e-6
    assert losses.attention_loss(teacher.repeat(1, 2, 1, 1), teacher) < 1e-6
    left, right = torch.zeros(1, 1, 1, 2), torch.zeros(1, 1, 1, 2)
    left[..., 0], right[..., 1] = 5, 2
    torch.testing.assert_close(losses.attention_loss(left, right), torch.tensor(2.0))


def test_relations_do_not_change_with_rotation_and_scale():
    teacher = torch.randn(6, 4)
    rotation = torch.linalg.qr(torch.randn(4, 4))[0]
    assert losses.relation_loss(2.5 * teacher @ rotation + 1, teacher) < 1e-6
    assert losses.relation_loss(torch.randn(6, 9), teacher) > 1e-3


def test_distances_and_angles_by_hand():
    """A right triangle with sides 3, 4 and 5 against one with equal sides."""
    teacher = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    student = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.5, math.sqrt(0.75)]])
    distance = sum((side / 4 - 1) ** 2 / 2 for side in (3, 4, 5)) / 3
    cosines = (0, 3 / 5, 4 / 5)  # at each corner; each stands twice among the 27 triples
    angle = sum(2 * (cosine - 0.5) ** 2 / 2 for cosine in cosines) / 27
    expected = torch.tensor(distance + 2 * angle)
    torch.testing.assert_close(losses.relation_loss(student, teacher), expected)


@pytest.mark.parametrize("loss", [losses.hint_loss, losses.attention_loss])
def test_gradients_are_finite_where_nothing_answers(loss):
    student = torch.zeros(2, 3, 2, 2, requires_grad=True)
    loss(student, torch.zeros(2, 3, 2, 2)).backward()
    assert torch.isfinite(student.grad).all()


def test_relations_of_equal_images_are_finite():
    student = torch.ones(5, 3, requires_grad=True)
    losses.relation_loss(student, torch.randn(5, 4)).backward()
    assert torch.isfinite(student.grad).all()
