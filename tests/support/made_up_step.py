"""A kind of step that no table knows: whatever speaks of steps must do with what its model says."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

from pydantic import Field

from compression.recipe.recipe import Recipe
from compression.recipe.steps import STEP_TYPES, Data, Share, Step


class Blurring(Data):
    """Blur every kernel (nobody, never)."""

    technique: Literal["blurring"] = "blurring"
    width: int = Field(ge=1, le=9, description="Side of the blur in pixels.")
    strength: Share = Field(0.5, ge=0, le=1, description="How far kernels go.")
    shape: Literal["square", "long_row"] = Field("square", description="What is blurred together.")
    bits: Literal[2, 4, 8] | None = Field(None, description="Bits of the blur, or none.")
    sharpen: bool = Field(False, description="Whether to sharpen afterwards.")
    decay: float | None = Field(None, ge=0, le=1, description="How it fades; none: not at all.")
    epochs: float = Field(0, ge=0, le=9, description="Passes over the training images.")


@contextmanager
def blurring_is_a_step() -> Iterator[type[Blurring]]:
    """Recipes may have the step as long as this lasts."""
    field = Recipe.model_fields["steps"]
    usual, field.annotation = (
        field.annotation,
        tuple[Annotated[Step | Blurring, Field(discriminator="technique")], ...],  # type: ignore[valid-type]
    )
    STEP_TYPES["blurring"] = Blurring
    Recipe.model_rebuild(force=True)
    try:
        yield Blurring
    finally:
        del STEP_TYPES["blurring"]
        field.annotation = usual
        Recipe.model_rebuild(force=True)
