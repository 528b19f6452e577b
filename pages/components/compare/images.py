"""Images that two results call differently, with the probabilities of both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape

import streamlit as st

from compression import units
from compression.explain.comparison import Contender
from compression.inquiries.outcomes import MAX_PICTURES, PictureInquiry, Pictures
from compression.results import predictions
from compression.results.predictions import KINDS, ORDERS, Change
from pages.components.asking import waiting
from pages.components.compare.contest import Contest, badge, class_names
from pages.components.shown import elements
from pages.components.view import picture

PER_PAGE = 24
_WINDOW = MAX_PICTURES // PER_PAGE
"""Pages whose pictures are fetched at once, so that turning a page shows them at once."""
_ANY = -1
_OTHER, _PAGE, _CHOICE = "compare_other", "compare_page", "compare_page_of"
BLANK = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="
"""One pixel, until the picture is there."""
_SIGNS = {"broken": ("✗", "var(--bad)"), "fixed": ("✓", "var(--good)"), "other": ("≠", "var(--other)")}


def show(contest: Contest) -> None:
    """Controls, how many there are, and a page of pictures."""
    if contest.answers is None:
        st.caption("Which images changed shows as soon as every network's answers are known: see above.")
        return
    names = class_names(contest.reference.result.model, contest.answers["A"].n_classes)
    first, second, third, fourth = st.columns(4, vertical_alignment="bottom")
    with first:
        other = _choose_other(contest)
    found = predictions.changes(contest.answers[other.letter], contest.answers["A"])
    counts = Counter(change.kind for change in found)
    of_class = Counter(change.label for change in found)
    kinds = second.multiselect(
        "Kind of change",
        list(KINDS),
        format_func=lambda kind: f"{_SIGNS[kind][0]} {KINDS[kind]} ({counts[kind]:,})",
        key="compare_kinds",
        placeholder="All changes",
    )
    label = third.selectbox(
        "True class",
        (_ANY, *range(len(names))),
        format_func=lambda index: "Any" if index == _ANY else f"{names[index]} ({of_class[index]:,})",
        key="compare_class",
    )
    order = fourth.selectbox(
        "Order",
        list(ORDERS),
        format_func=ORDERS.__getitem__,
        key="compare_order",
        help="A change of mind is large when A was sure of its answer and the other gives it little probability.",
    )
    kept = predictions.chosen(found, kinds, None if label == _ANY else label, order)
    st.markdown(
        f"Of {contest.reference.result.n_test:,} test images **{len(found):,}** get another answer from {other.letter} "
        f"than from A: **{counts['broken']:,}** right answers became wrong, **{counts['fixed']:,}** wrong ones became "
        "right."
    )
    if not kept:
        st.info("No image is like that." if found else "Both answer every test image alike.", icon=":material/check:")
        return
    _show_page(contest, other, kept, names, choice=(*kinds, label, order))


def _choose_other(contest: Contest) -> Contender:
    by_letter = {contender.letter: contender for contender in contest.others}
    if st.session_state.get(_OTHER) not in by_letter:
        st.session_state[_OTHER] = max(by_letter, key=lambda letter: _differing(contest, letter))
    usual, is_alone = st.session_state[_OTHER], len(by_letter) == 1
    letter = elements.switch("A against", by_letter.keys(), usual=usual, key=_OTHER, disabled=is_alone)
    return by_letter.get(letter, contest.others[-1])


def _differing(contest: Contest, letter: str) -> int:
    answers = contest.answers or {}
    return int((answers[letter].predictions != answers["A"].predictions).sum())


def _show_page(
    contest: Contest, other: Contender, kept: Sequence[Change], names: Sequence[str], choice: object
) -> None:
    """Another `choice` of images begins with its first page."""
    pages, choice = -(-len(kept) // PER_PAGE), (other.letter, choice)
    page = min(st.session_state.get(_PAGE, 1), pages) if st.session_state.get(_CHOICE) == choice else 1
    st.session_state[_PAGE], st.session_state[_CHOICE] = page, choice
    start = (page - 1) // _WINDOW * _WINDOW * PER_PAGE
    window = kept[start : start + _WINDOW * PER_PAGE]
    baseline = contest.reference.result.parsed_recipe.baseline()
    inquiry = PictureInquiry(recipe=baseline, indices=tuple(sorted(change.index for change in window)))
    pictures = waiting.ask(inquiry, Pictures, key="pictures")
    place = {index: at for at, index in enumerate(inquiry.indices)}
    cards = []
    for change in kept[(page - 1) * PER_PAGE : page * PER_PAGE]:
        source = ""
        if pictures is not None:
            image = pictures.images[place[change.index]]
            source = picture.of_pixels(image.tobytes(), image.shape, pictures.white)
        cards.append(_card(change, source, names, (contest.reference, other)))
    grid = "display:grid;grid-template-columns:repeat(auto-fill,minmax(10.5rem,1fr));gap:.8rem"
    st.html(f'<div style="{grid}">{"".join(cards)}</div>')
    st.caption("Percentages: how sure each network is of its answer.")
    if pages > 1:
        shown = f"{(page - 1) * PER_PAGE + 1:,} to {min(page * PER_PAGE, len(kept)):,} of {len(kept):,}"
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="center", gap="small"):
            st.pagination(pages, key=_PAGE)
            st.markdown(shown, width="content")


def _card(change: Change, source: str, names: Sequence[str], pair: tuple[Contender, Contender]) -> str:
    """A picture with its true class and what both say; further probabilities on hovering."""
    reference, other = pair
    sign, colour = _SIGNS[change.kind]
    image = (
        f'<img src="{source or BLANK}" alt="Test image {change.index}: {escape(names[change.label])}" '
        'style="width:100%;aspect-ratio:1;image-rendering:pixelated;border-radius:4px;background:#0002">'
    )
    more = (
        f"Test image {change.index}. A gives {names[change.after]} {_percent(change.before_new)}, "
        f"{other.letter} gives {names[change.before]} {_percent(change.after_old)}."
    )
    return (
        f'<div title="{escape(more)}" style="border:1px solid #8884;border-radius:8px;padding:.6rem;font-size:.85rem">'
        f'{image}<div style="display:flex;justify-content:space-between;gap:.4rem;margin:.35rem 0 .2rem">'
        f"<span>truth: <b>{escape(names[change.label])}</b></span>"
        f'<span style="color:{colour};font-weight:700" title="{KINDS[change.kind]}">{sign}</span></div>'
        f"{_line(reference, names[change.before], change.p_before)}{_line(other, names[change.after], change.p_after)}"
        "</div>"
    )


def _line(contender: Contender, name: str, probability: float) -> str:
    return (
        f'<div style="display:flex;gap:.4rem;align-items:center;padding:.1rem 0">{badge(contender, 1.1)}'
        f'<span style="flex:1">{escape(name)}</span><span>{_percent(probability)}</span></div>'
    )


def _percent(probability: float) -> str:
    """Half precision knows no more than three digits, and 100 % is never quite true."""
    if probability > 0.9995:
        return "> 99.9 %"
    return f"{units.percent(probability, 1)} %"
