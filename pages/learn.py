"""Learn: a course of short chapters; each lets a student predict, and then measures."""

from __future__ import annotations

import streamlit as st

from pages.components.frame import classroom, menu

menu.frame("Learn", reads_link=True, has_title=True)

from compression.errors import CompressionError
from pages.components.asking import notices
from pages.components.learn import class_panel, course, outline, predict
from pages.components.learn.chapters import CHAPTERS

chapter = course.arrive(CHAPTERS)
panel = outline.show(CHAPTERS, chapter)
problems = st.container()
is_on_screen = classroom.here().view == "screen"
with st.container(key="screen" if is_on_screen else "lesson"):
    text, picture, prediction = st.container(), st.container(), st.container()
course.current().question_place = prediction.container()
with text:
    outline.text(chapter, is_folded=is_on_screen)
question = None
with picture:
    try:
        question = chapter.show(course.choose_lesson(chapter))
    except CompressionError as error:
        notices.show_error(error)
with prediction:
    if question is not None:
        predict.show(chapter.name, question)
        outline.explore_link(question.recipe)
outline.turn_pages(CHAPTERS, chapter)
with panel:
    class_panel.show()
with problems:
    course.show_problems()
course.write_link()
