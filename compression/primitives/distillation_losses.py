"""What a student loses against its teacher."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def soft_target_divergence(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """T**2 * KL(teacher || student) of the predictions softened by T, in nats, mean over the batch.

    Both logits are N x classes; returns a scalar. The factor T**2 keeps gradients comparable to those of the
    cross entropy when T changes (Hinton et al., "Distilling the knowledge in a neural network", 2015).
    """
    student = functional.log_softmax(student_logits / temperature, dim=1)
    teacher = functional.log_softmax(teacher_logits / temperature, dim=1)
    return temperature**2 * functional.kl_div(student, teacher, reduction="batchmean", log_target=True)


def distillation_loss(
    student_logits: Tensor, teacher_logits: Tensor, y: Tensor, *, temperature: float, alpha: float
) -> Tensor:
    """The sum of `soft_target_divergence`, weighted alpha, and cross entropy with `y` (N), weighted 1 - alpha."""
    soft = soft_target_divergence(student_logits, teacher_logits, temperature)
    return alpha * soft + (1 - alpha) * functional.cross_entropy(student_logits, y)
