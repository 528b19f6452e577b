"""What a student loses against its teacher: in its predictions, and in what happens inside."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from compression.recipe.steps import Loss

OTHER_CLASSES_WEIGHT = 1.0
"""Weight of the other classes in DKD, whose target part weighs 1 (the paper's alpha and beta).

The paper takes 2 to 8 for 100 classes and long training. In these short ones accuracy fell with it: ResNet-8 at a
quarter of its width had 94.8 % with 1 (mean of three seeds), 94.4 with 2, 93.7 with 4 and 93.3 with 8."""

_SMALLEST = torch.finfo(torch.float32).tiny


def soft_target_divergence(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """T**2 * KL(teacher || student) of the predictions softened by T, in nats, mean over the batch.

    Both logits are N x classes; returns a scalar. The factor T**2 keeps gradients comparable to those of the
    cross entropy when T changes (Hinton et al., "Distilling the knowledge in a neural network", 2015).
    """
    student = functional.log_softmax(student_logits / temperature, dim=1)
    teacher = functional.log_softmax(teacher_logits / temperature, dim=1)
    return temperature**2 * functional.kl_div(student, teacher, reduction="batchmean", log_target=True)


def decoupled_divergence(student_logits: Tensor, teacher_logits: Tensor, y: Tensor, temperature: float) -> Tensor:
    """`soft_target_divergence` taken apart (Zhao et al., "Decoupled knowledge distillation", 2022).

    One part says how sure the teacher is of the true class `y` (N), the other how it ranks the rest. In the sum
    the rest no longer counts the less the surer the teacher is. Both logits are N x classes; returns a scalar.
    """
    student, teacher = student_logits / temperature, teacher_logits / temperature
    target = _divergence(_target_or_not(student, y), _target_or_not(teacher, y))
    is_target = functional.one_hot(y, student.shape[1]).bool()
    others = _divergence(*(_log_others(logits, is_target) for logits in (student, teacher)))
    return temperature**2 * (target + OTHER_CLASSES_WEIGHT * others)


def distillation_loss(
    student_logits: Tensor, teacher_logits: Tensor, y: Tensor, *, temperature: float, alpha: float, kind: Loss = "kd"
) -> Tensor:
    """The divergence from the teacher, weighted alpha, and cross entropy with `y` (N), weighted 1 - alpha."""
    if kind == "dkd":
        soft = decoupled_divergence(student_logits, teacher_logits, y, temperature)
    else:
        soft = soft_target_divergence(student_logits, teacher_logits, temperature)
    return alpha * soft + (1 - alpha) * functional.cross_entropy(student_logits, y)


def ensemble_logits(logits: Sequence[Tensor], temperature: float) -> Tensor:
    """Logits whose predictions at this temperature are the average of those of all teachers (N x classes each)."""
    predictions = [functional.log_softmax(one / temperature, dim=1) for one in logits]
    return temperature * (torch.stack(predictions).logsumexp(0) - torch.log(torch.tensor(float(len(logits)))))


def hint_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Squared error of features of equal shape, relative to the teacher's mean square (Romero et al., "FitNets", 2015).

    Returns a scalar: 1 for a student that answers zero, whatever the size of the teacher's features.
    """
    return functional.mse_loss(student, teacher) / teacher.square().mean().clamp(min=_SMALLEST)


def attention_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Squared distance of where two networks look, mean over the batch (Zagoruyko and Komodakis, 2017).

    Both are N x C x H x W with equal H and W; a map of attention is the mean over channels of the squares, flat
    and of norm 1. Returns a scalar from 0 to 2.
    """
    return (_attention(student) - _attention(teacher)).square().sum(1).mean()


def relation_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """How differently two networks see a batch: distances and angles between images (Park et al., "RKD", 2019).

    Both are N x features, of any two widths, N at least 3. Distances count relative to their mean, and angles
    twice as much as distances, as in the paper. Returns a scalar.
    """
    distance = functional.smooth_l1_loss(_distances(student), _distances(teacher))
    angle = functional.smooth_l1_loss(_angles(student), _angles(teacher))
    return distance + 2 * angle


def _divergence(student: Tensor, teacher: Tensor) -> Tensor:
    """KL(teacher || student) of log-probabilities, mean over the batch."""
    return functional.kl_div(student, teacher, reduction="batchmean", log_target=True)


def _target_or_not(logits: Tensor, y: Tensor) -> Tensor:
    """Log-probability of the true class and of all others together, N x 2."""
    is_target = functional.one_hot(y, logits.shape[1]).bool()
    others = logits.masked_fill(is_target, -torch.inf).logsumexp(1)
    return torch.stack([logits[is_target], others], 1).log_softmax(1)


def _log_others(logits: Tensor, is_target: Tensor) -> Tensor:
    """Log-probabilities among the classes that are not the true one, N x (classes - 1)."""
    return logits[~is_target].reshape(len(logits), -1).log_softmax(1)


def _attention(features: Tensor) -> Tensor:
    return functional.normalize(features.square().mean(1).flatten(1), dim=1)


def _distances(features: Tensor) -> Tensor:
    """Euclidean distances of all pairs, relative to their mean."""
    distances = functional.pdist(features)
    return distances / distances.mean().clamp(min=_SMALLEST)


def _angles(features: Tensor) -> Tensor:
    """Cosine of the angle at the first image of every triple, N x N x N."""
    directions = functional.normalize(features[None] - features[:, None], dim=2)
    return directions @ directions.mT
