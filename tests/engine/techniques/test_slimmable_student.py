import pytest

from compression.engine.network.form import count_costs
from compression.engine.primitives.batch_norm import fold_batch_norm
from compression.engine.techniques import apply_step
from compression.errors import NotApplicable
from compression.models.subject import subject_of
from compression.recipe.steps import ChannelPruning, Quantization, SlimmableStudent
from sample_models import slimmable
from sample_models.catalogue import MODELS, find_model
from tests.support.networks import correct

SHIPPED = ("lenet5-mnist5k", "resnet8-mnist5k")


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("width", [0.25, 0.5, 1.0])
def test_student_of_any_width_without_training(name, width, context_of):
    context = context_of(name)
    student = apply_step(context.teacher, SlimmableStudent(width_mult=width), context)
    family = find_model(name).build(width)
    assert [value.shape for value in student.parameters()] == [value.shape for value in family.parameters()]
    assert correct(student, context.dataset.validation) >= 0.96


@pytest.mark.parametrize("name", SHIPPED)
def test_accuracy_is_what_the_card_says(name, context_of):
    context = context_of(name)
    student = apply_step(context.teacher, SlimmableStudent(width_mult=0.25), context)
    assert correct(student, context.dataset.test) == pytest.approx(slimmable.card(name)["accuracy"]["0.25"], abs=0.003)
    assert count_costs(fold_batch_norm(student)).params == slimmable.card(name)["params"]["0.25"]


def test_far_better_than_cutting_the_same_channels_without_training(resnet8):
    split = resnet8.dataset.validation
    student = apply_step(resnet8.teacher, SlimmableStudent(width_mult=0.25), resnet8)
    cut = apply_step(resnet8.teacher, ChannelPruning(pruning_ratio=0.75), resnet8)
    assert count_costs(cut).params == count_costs(student).params
    assert correct(student, split) > correct(cut, split) + 0.02


def test_other_steps_follow(lenet5):
    student = apply_step(lenet5.teacher, SlimmableStudent(width_mult=0.5), lenet5)
    small = apply_step(student, Quantization(weight_bits=4), lenet5)
    assert correct(small, lenet5.dataset.validation) >= 0.95


@pytest.mark.parametrize(
    "name", sorted(name for name in set(MODELS) - set(SHIPPED) if subject_of(name).data.download_mb == 0)
)
def test_models_without_slimmable_weights_name_those_that_have_them(name, context_of):
    context = context_of(name)
    with pytest.raises(NotApplicable, match=f"for {name}.*lenet5-mnist5k"):
        apply_step(context.teacher, SlimmableStudent(width_mult=0.5), context)
