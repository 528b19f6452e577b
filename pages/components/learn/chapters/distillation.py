"""Chapter 4: distillation."""

from __future__ import annotations

import math

import numpy as np
import streamlit as st

from compression import units
from compression.charts.figure import Figure, bars, digits
from compression.charts.palette import BLUE, NEUTRAL, PINK
from compression.explain.quiz import Question, teaching_question
from compression.inquiries.course import TEACHER_PICTURES, TEMPERATURES, Taught, TeacherInquiry
from compression.recipe.budgets import student_passes
from compression.recipe.recipe import Recipe
from compression.recipe.steps import Distillation
from compression.search.curves import control_of
from pages.components.asking import waiting
from pages.components.frame import chart_view
from pages.components.learn import course
from pages.components.learn.chapter import Chapter, Lesson
from pages.components.learn.chapters.figures import figure, here, lines
from pages.components.view import picture

_WIDTHS = (25, 50, 75)
SEEDS = (0, 1, 2)
"""One training says nothing of the next, which begins elsewhere and sees the pictures in another order."""


def _show(lesson: Lesson) -> Question | None:
    temperature = course.slider(
        "temperature",
        "Temperature",
        TEMPERATURES,
        4.0,
        words=lambda value: f"{value:g}",
        help_text="1 is the answer as it is. Higher temperatures bring the shares closer to each other.",
    )
    image = course.slider("picture", "Picture", tuple(range(1, TEACHER_PICTURES + 1)), 1)
    found = waiting.ask(TeacherInquiry(recipe=lesson.recipe()), Taught, key="teacher")
    if found is not None:
        _picture(found, temperature, image - 1)
    with course.beside_question():
        width = course.slider(
            "width",
            "Width of the student",
            _WIDTHS,
            25,
            words=lambda share: f"{share} % of the teacher",
            help_text="How many outputs each of its layers has, against the teacher's.",
        )
    return _question(lesson, temperature, width)


def _picture(found: Taught, temperature: float, image: int) -> None:
    at = TEMPERATURES.index(temperature)
    left, right = st.columns([1, 3], gap="medium")
    with left:
        pixels = found.images[image]
        source = picture.of_pixels(pixels.tobytes(), pixels.shape, found.white)
        picture.show(source, f"Validation image: {found.classes[found.labels[image]]}")
        st.caption(f"Picture {image + 1}: really “{found.classes[found.labels[image]]}”")
    with right:
        chart_view.show(_bars(found, at, image), key="chart_teacher_bars", alt="What the teacher says to the picture")
    shares = found.probabilities[at, image]
    first, second = (found.classes[place] for place in np.argsort(-shares, kind="stable")[:2])
    st.caption(
        f"At temperature {temperature:g} the teacher says {units.percent(float(shares.max()))} % “{first}” and "
        f"{units.percent(float(np.sort(shares)[-2]))} % “{second}”. Pictures 1 to {TEACHER_PICTURES // 2} are those "
        "it is least sure of."
    )
    chart_view.show(_entropy(found, at), key="chart_teacher_entropy", alt="What an answer says, by temperature")
    st.caption(
        "How evenly the answers are spread over the classes, on average over all validation pictures, in bits: "
        f"0 names one class and leaves no doubt, {math.log2(len(found.classes)):.1f} is the same share for all. On "
        f"{units.percent(found.sure, 0)} % of the pictures the teacher itself is more than 99 % sure."
    )


def _bars(found: Taught, at: int, image: int) -> Figure:
    traces = []
    for row, colour in ((at, PINK), (0, NEUTRAL))[: 1 if at == 0 else 2]:
        shares = (100 * found.probabilities[row, image].astype(np.float64)).tolist()
        trace = bars(
            f"temperature {TEMPERATURES[row]:g}",
            shares,
            found.classes,
            colour,
            f"%{{y}}: {digits('x')} %",
            orientation="h",
            text=[f"{share:.1f}" for share in shares],
            textposition="outside",
            cliponaxis=False,
            textfont={"size": 11},
            constraintext="none",
        )
        traces.append(trace)
    return figure(
        traces,
        430,
        "share, %",
        "",
        xaxis={"range": [0, 114]},
        bargap=0.2,
        barmode="group",
        yaxis={"autorange": "reversed", "type": "category", "ticksuffix": " "},
    )


def _entropy(found: Taught, at: int) -> Figure:
    curve = {"how evenly the answers are spread": (found.entropy_bits, BLUE, "circle")}
    traces = [
        *lines(TEMPERATURES, curve, f"%{{x}}: {digits('y')} bits"),
        here(TEMPERATURES[at], float(found.entropy_bits[at])),
    ]
    return figure(traces, 260, "temperature", "bits", yaxis={"rangemode": "tozero"})


def _question(lesson: Lesson, temperature: float, width: int) -> Question:
    pairs = [pair_of(lesson, temperature, width, seed) for seed in SEEDS]
    step = _step(pairs[0][0])
    epochs, share = step.epochs, units.share(step.alpha)
    shown = units.counted(epochs, "time") if epochs >= 1 else f"{units.share(epochs)} of them once"
    return teaching_question(
        f"A student with **{width} % of the width** sees the training pictures ({shown}). Once {share} of what it "
        f"learns from are the teacher's answers at **temperature {temperature:g}** and the rest the right answers, "
        f"once it has the right answers only. Each is trained {len(SEEDS)} times, from other random beginnings "
        "(**seeds**). How do those with the teacher do on test pictures?",
        pairs,
        _REASONS,
    )


def pair_of(lesson: Lesson, temperature: float, width: int, seed: int) -> tuple[Recipe, Recipe]:
    """A student with the teacher, and the same one without: as wide, trained as long, begun alike.

    All seeds together train as long as one student of the quick budget: a class waits for six networks.
    """
    passes = student_passes(lesson.subject, "quick", width_mult=width / 100)
    epochs = float(f"{passes / len(SEEDS):.2g}")
    student = lesson.recipe(
        {"technique": "distillation", "width_mult": width / 100, "epochs": epochs, "temperature": temperature},
        seed=seed,
    )
    control = control_of(student)
    assert control is not None  # with a teacher there always is the same without
    return student, control


def _step(student: Recipe) -> Distillation:
    (step,) = student.steps
    assert isinstance(step, Distillation)
    return step


_REASONS = {
    "better": "The teacher's doubts told the students something that the right answers alone do not: which classes "
    "look alike.",
    "same": "Both got about as far. A teacher can help most where there is little data or little training, and where "
    "classes look alike. A difference smaller than these pictures can show may still be there: try another width or "
    "temperature.",
    "worse": "Here the teacher got in the way: at this temperature or after so little training the right answers alone "
    "taught more. That is why the fair comparison is needed.",
}

CHAPTER = Chapter(
    name="distillation",
    title="Distillation",
    icon=":material/school:",
    paragraphs=(
        "Instead of shrinking a network one can train a smaller one, the **student**, with the large one as its "
        "**teacher**. The right answer to a picture is just “4”. The teacher says more: “surely a 4, a little like a "
        "9, not at all like a 0”. These shares sum to 100 %, and learning from them is called **distillation**.",
        "A well-trained teacher is nearly always almost 100 % sure, which hides what it knows about the other "
        "classes. The **temperature** brings that out: the network's raw scores are divided by it before they become "
        "shares. At 1 the answer is as it is, and at high temperatures all classes get about the same share. Soft "
        "shares also pull less, by 1/T² at temperature T, so the pull is multiplied by **T²** and stays as strong. "
        "**Alpha** says how much the teacher counts against the right answers: 0.9 here.",
    ),
    papers=(
        "Hinton, Vinyals, Dean (2015), [Distilling the Knowledge in a Neural Network]"
        "(https://arxiv.org/abs/1503.02531)",
    ),
    show=_show,
    uses_layer=False,
)
