"""The frame of a chapter: where one is in the course, the text with its papers, and the ways on."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from compression.recipe.recipe import Recipe
from pages.components.learn import course
from pages.components.learn.chapter import Chapter
from pages.components.view.link import parameters_of, view_of

_STYLE = """
<style>
/* Text and question beside the picture; where there is no room, in the order text, picture, question. */
@media (min-width: 1000px) {
  .st-key-lesson { display: grid; grid-template: auto 1fr / minmax(0, 2fr) minmax(0, 3fr); gap: 1rem 2.5rem; }
  .st-key-lesson > :nth-child(2) { grid-area: 1 / 2 / span 2; }
  .st-key-lesson > :nth-child(3) { grid-area: 2 / 1; }
}
.st-key-lesson_text p { font-size: 1.12rem; line-height: 1.55; }
.st-key-predict p, .st-key-predict label p { font-size: 1.05rem; }
.st-key-lesson [data-testid="stWidgetLabel"] p { font-size: 1rem; }
/* A guess stays readable when it can no longer be changed. */
.st-key-predict [data-testid="stRadioGroup"] > div, .st-key-predict [data-testid="stRadioOption"] { color: inherit; }
/* Captions explain the pictures: as large and dark as can be beside the text. */
.st-key-lesson [data-testid="stCaptionContainer"], .st-key-lesson [data-testid="stCaptionContainer"] p {
  font-size: 1rem; color: inherit; opacity: .92;
}
.st-key-outline button { padding: .25rem .6rem; min-height: 2.2rem; }
</style>
"""


def show(chapters: Mapping[str, Chapter], now: Chapter) -> None:
    """All chapters as buttons, those with an answered question ticked, and the title of this one."""
    st.html(_STYLE)
    done = course.current().done
    with st.container(horizontal=True, gap="xsmall", key="outline"):
        for number, chapter in enumerate(chapters.values(), 1):
            st.button(
                f"{number} · {chapter.title}",
                key=f"chapter_{chapter.name}",
                icon=":material/check_circle:" if chapter.name in done else None,
                type="primary" if chapter is now else "tertiary",
                on_click=course.go,
                args=(chapter.name,),
            )
    st.caption(
        f"**{len(done)} of {len(chapters)}** chapters done in this visit. A chapter is done when you have predicted "
        "something and seen it measured."
    )
    st.title(f"{now.icon} {list(chapters).index(now.name) + 1} · {now.title}", anchor=False)


def text(chapter: Chapter) -> None:
    """The two paragraphs and where to read on."""
    with st.container(key="lesson_text"):
        for paragraph in chapter.paragraphs:
            st.markdown(paragraph)
    for paper in chapter.papers:
        st.caption(f":material/article: {paper.authors} ({paper.year}), [{paper.title}]({paper.link})")


def explore_link(recipe: Recipe) -> None:
    """The chapter's setting on the Explore page."""
    st.page_link(
        "pages/explore.py",
        label="Open this setting in Explore",
        icon=":material/tune:",
        query_params=parameters_of(view_of(recipe)),
    )


def turn_pages(chapters: Mapping[str, Chapter], now: Chapter) -> None:
    """To the chapter before and the one after."""
    every = list(chapters.values())
    at = every.index(now)
    with st.container(horizontal=True, horizontal_alignment="distribute", key="turn_pages"):
        if at > 0:
            _turn("before", every[at - 1], ":material/arrow_back:")
        if at < len(every) - 1:
            _turn("after", every[at + 1], ":material/arrow_forward:")


def _turn(key: str, chapter: Chapter, icon: str) -> None:
    st.button(
        chapter.title,
        key=f"turn_{key}",
        icon=icon,
        icon_position="left" if key == "before" else "right",
        on_click=course.go,
        args=(chapter.name,),
    )
