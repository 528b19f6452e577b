"""Train a smaller student on the predictions of one or several teachers, and on what happens inside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, fx, nn

from compression.engine.network.form import clone
from compression.engine.primitives.channel_labels import OUT, Unit
from compression.engine.primitives.channels import channel_groups, remove_units
from compression.engine.primitives.distillation_losses import (
    attention_loss,
    distillation_loss,
    ensemble_logits,
    hint_loss,
    relation_loss,
)
from compression.engine.primitives.features import feature_positions, matched_maps, same_size, with_features
from compression.engine.primitives.importance import least_of, unit_importance
from compression.engine.primitives.reconstruction import reconstruct
from compression.engine.techniques.context import Context, fitting_images
from compression.engine.training.device import following
from compression.engine.training.loop import train
from compression.errors import NotApplicable
from compression.recipe.steps import Distillation
from compression.watch import Watch

LEARNING_RATE = 0.03
UNTRAINED_LEARNING_RATE = 0.05
"""For students that start from nothing: three epochs on MNIST-5k gave 93 to 98 %, 0.01 gave 65 to 92 % and 0.2
93 to 94 % (three families, quarter width)."""

REGRESSION_ROWS = 8192
"""Places in the images that a regressor is first fitted on: far more than the channels of any layer here."""

RIDGE = 1e-2
"""Of that fit, relative to the features' variance: an embedding has about as many numbers as there are images."""


def distillation(model: fx.GraphModule, step: Distillation, context: Context) -> fx.GraphModule:
    """Train a student of `step.width_mult` times the channels on its teachers (Hinton et al., 2015).

    A student of the same family starts as the most important channels of `model`, fitted without training,
    at full width as a copy of it, so that zero epochs change nothing; a student of another family starts
    untrained. Then it is trained for `step.epochs` passes on the softened predictions of the teacher, or the average
    over `step.teachers`, weighted by `alpha` against the labels: all at once, or the true class and the others
    apart (`loss="dkd"`, Zhao et al., 2022).

    With `match` it also learns what happens inside the first teacher, weighted by `match_weight`: its features through
    regressors that are trained along and thrown away ("hint", Romero et al., 2015), where they are strong ("attention",
    Zagoruyko and Komodakis, 2017), or how images relate ("relation", Park et al., 2019). `alpha=0` without a match is
    plain training with the same start and budget: the control that shows what the teachers brought. What the training
    ends with is chosen: see `train`. Raises `NotApplicable` for teachers on other data, and for attention without maps.
    """
    teachers = [context.load_teacher(name) for name in step.teachers] or [context.teacher]
    student = _start(model, step, context)
    lesson = _Lesson(student, teachers, step)
    if step.match == "hint" and step.epochs > 0:
        lesson.fit_regressors(fitting_images(context.dataset, context.dataset.at_once))
    training = train(
        lesson,
        context.dataset,
        epochs=step.epochs,
        learning_rate=_learning_rate(step),
        seed=context.seed,
        loss=lesson.loss,
        from_scratch=step.student != "same",
        watch=context.watch,
    )
    if training is not None:
        context.trained(training)
    context.watch.report(1, "trained the student")
    return student


def _learning_rate(step: Distillation) -> float:
    if step.learning_rate is not None:
        return step.learning_rate
    return LEARNING_RATE if step.student == "same" else UNTRAINED_LEARNING_RATE


def _start(model: fx.GraphModule, step: Distillation, context: Context) -> fx.GraphModule:
    """The student before training."""
    if step.student == "same" and step.width_mult == 1:
        return clone(model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(context.seed)
        student = context.build_student(step)
    return _narrow(model, student, context) if step.student == "same" else student


def _narrow(model: fx.GraphModule, student: fx.GraphModule, context: Context) -> fx.GraphModule:
    """The model's most important channels, as many as an untrained student has."""
    doomed = [unit for group in channel_groups(model) for unit in _surplus(model, group, student, context.seed)]
    narrow, kept = remove_units(model, doomed)
    if _shapes(narrow) != _shapes(student):  # this family does not only change in width
        return student
    reconstruct(model, narrow, kept, fitting_images(context.dataset), watch=Watch(check=context.watch.check))
    return narrow


def _surplus(model: fx.GraphModule, group: list[Unit], student: fx.GraphModule, seed: int) -> list[Unit]:
    """The units of a group that the student has no room for."""
    name, per_unit = next((p.layer, sum(q[:2] == p[:2] for q in group[0])) for p in group[0] if p.dim == OUT)
    count = student.get_parameter(f"{name}.weight").shape[0] // per_unit
    return least_of(group, unit_importance(model, group, "l2", seed), count)


def _shapes(model: fx.GraphModule) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in model.state_dict().items()}


class _Lesson(nn.Module):
    """The student, what is trained along with it, and its loss against the teachers.

    Teachers are not among its modules: they neither train nor change.
    """

    def __init__(self, student: fx.GraphModule, teachers: Sequence[fx.GraphModule], step: Distillation) -> None:
        super().__init__()
        self.student, self.step = student, step
        own, others = _matched(student, teachers[0], step)
        self.watched = with_features(student, own)
        self.regressors = nn.ModuleList()
        if step.match == "hint":
            widths = [(a.meta["shape"][1], b.meta["shape"][1]) for a, b in zip(own, others, strict=True)]
            skip_init: Callable[..., nn.Module] = nn.utils.skip_init  # `fit_regressors` sets them
            self.regressors.extend(skip_init(nn.Conv2d, *width, 1) for width in widths)
        first, *rest = teachers
        watched = (with_features(first, others), *(with_features(teacher, []) for teacher in rest))
        self._teachers = tuple(map(following, watched))
        self._features: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        """Images to the student's logits; its features are kept for the loss."""
        logits: Tensor
        logits, features = self.watched(x)
        self._features = _exact(features)
        return logits

    def fit_regressors(self, x: Tensor) -> None:
        """Start where least squares on images `x` puts them: random ones would first spoil what the student knows."""
        with torch.no_grad():
            self(x)
            wanted = self._teachers[0](x)[1]
            for regressor, own, other in zip(self.regressors, self._features, wanted, strict=True):
                assert isinstance(regressor, nn.Conv2d)
                _fit_regressor(regressor, *same_size(_as_map(own), _as_map(other)))

    def loss(self, logits: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """Against the predictions of all teachers and the features of the first; a scalar."""
        step = self.step
        with torch.no_grad():
            answers = [teacher(x) for teacher in self._teachers]
        taught = ensemble_logits(_exact([answer for answer, _ in answers]), step.temperature)
        total = distillation_loss(logits, taught, y, temperature=step.temperature, alpha=step.alpha, kind=step.loss)
        if step.match == "none" or step.match_weight == 0:
            return total
        return total + step.match_weight * self._mismatch(_exact(answers[0][1]))

    def _mismatch(self, wanted: list[Tensor]) -> Tensor:
        """The mean over all positions."""
        pairs = zip(self._features, wanted, strict=True)
        if self.step.match == "relation":
            losses = [relation_loss(_flat(own), _flat(other)) for own, other in pairs]
        elif self.step.match == "attention":
            losses = [attention_loss(*same_size(own, other)) for own, other in pairs]
        else:
            losses = [
                hint_loss(*same_size(regressor(_as_map(own)), _as_map(other)))
                for regressor, (own, other) in zip(self.regressors, pairs, strict=True)
            ]
        return torch.stack(losses).mean()


def _exact(values: Sequence[Tensor]) -> list[Tensor]:
    """In float32, whatever the layers computed in: losses take small differences."""
    return [value.float() for value in values]


Nodes = list[fx.Node]


def _matched(student: fx.GraphModule, teacher: fx.GraphModule, step: Distillation) -> tuple[Nodes, Nodes]:
    """The nodes to compare, in the student and in the teacher."""
    maps = [] if step.match in ("none", "relation") else matched_maps(student, teacher)
    if step.match == "attention" and not maps:
        raise NotApplicable(
            "Attention compares where in the image two networks look, and a network without convolutions does not "
            'look anywhere. Choose match="hint" or match="relation".'
        )
    embeddings = [(feature_positions(student).embedding, feature_positions(teacher).embedding)]
    pairs = {"none": [], "relation": embeddings, "attention": maps, "hint": [*maps, *embeddings]}[step.match]
    return [own for own, _ in pairs], [other for _, other in pairs]


def _fit_regressor(regressor: nn.Conv2d, own: Tensor, wanted: Tensor) -> None:
    """Ridge regression from one map to the other of equal size, in place."""
    x, y = (_places(features) for features in (own, wanted))
    mean_x, mean_y = x.mean(0), y.mean(0)
    gram = (x - mean_x).T @ (x - mean_x) / len(x)
    gram += (
        RIDGE * gram.diagonal().mean().clamp(min=torch.finfo(torch.float32).tiny) * torch.eye(len(gram), dtype=x.dtype)
    )
    weight = torch.linalg.solve(gram, (x - mean_x).T @ (y - mean_y) / len(x)).T
    assert regressor.bias is not None
    regressor.weight.copy_(weight[:, :, None, None])
    regressor.bias.copy_(mean_y - weight @ mean_x)


def _places(features: Tensor) -> Tensor:
    """Evenly drawn places of a map (N x C x H x W): at most `REGRESSION_ROWS` x C."""
    rows = features.movedim(1, -1).flatten(0, -2)
    return rows[:: -(-len(rows) // REGRESSION_ROWS)].double()


def _as_map(features: Tensor) -> Tensor:
    return features if features.dim() == 4 else features[:, :, None, None]


def _flat(features: Tensor) -> Tensor:
    """N x features; of a map the mean over all places."""
    return features.flatten(2).mean(2) if features.dim() == 4 else features
