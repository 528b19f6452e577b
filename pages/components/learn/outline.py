"""The frame of a chapter: where one is in the course, the text with its papers, and the ways on."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from compression.recipe.recipe import Recipe
from pages.components.frame import menu
from pages.components.learn import course
from pages.components.learn.chapter import Chapter
from pages.components.view.link import parameters_of, view_of


def show(chapters: Mapping[str, Chapter], now: Chapter) -> DeltaGenerator:
    """All chapters as buttons, those with an answered question ticked, and the title of this one.

    Returns the place for what is known last: the address of all that is drawn.
    """
    done = course.current().finished
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
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", key="standing"):
        st.caption(
            f"**{len(done)} of {len(chapters)}** chapters done. A chapter is done when you have predicted something "
            "and seen it measured. This browser remembers it."
        )
        place = st.container(width="content")
    st.title(f"{now.icon} {list(chapters).index(now.name) + 1} · {now.title}", anchor=False)
    return place


def text(chapter: Chapter, *, is_folded: bool) -> None:
    """The two paragraphs and where to read on; folded, only where somebody opens them."""
    with st.expander("The text", key="lesson_fold") if is_folded else st.container():
        with st.container(key="lesson_text"):
            for paragraph in chapter.paragraphs:
                st.markdown(paragraph)
        for paper in chapter.papers:
            st.caption(f":material/article: {paper}")


def explore_link(recipe: Recipe) -> None:
    """The chapter's setting on the Explore page."""
    menu.link(menu.EXPLORE, "Open this setting in Explore", parameters_of(view_of(recipe)))


def turn_pages(chapters: Mapping[str, Chapter], now: Chapter) -> None:
    """To the chapter before and the one after."""
    every = list(chapters.values())
    at = every.index(now)
    with st.container(horizontal=True, horizontal_alignment="distribute", key="turn_pages"):
        for to in (at - 1, at + 1):
            if not 0 <= to < len(every):
                continue
            is_back = to < at
            st.button(
                every[to].title,
                key="turn_before" if is_back else "turn_after",
                icon=":material/arrow_back:" if is_back else ":material/arrow_forward:",
                icon_position="left" if is_back else "right",
                on_click=course.go,
                args=(every[to].name,),
            )
