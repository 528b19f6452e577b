import numpy as np
import pytest
import torch

from compression.primitives.distillation_losses import distillation_loss, soft_target_divergence

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
