"""Elements that several pages show alike: choices of a few things, tabs, numbers, and files to take away."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeVar

import streamlit as st

from compression.errors import CompressionError
from compression.results.record import STORED_SUFFIX, Result
from compression.work import dispatcher
from pages.components.asking import notices, waiting
from pages.components.frame import menu
from pages.components.view import state

T = TypeVar("T")


def switch(
    label: str,
    words: Mapping[T, str] | Iterable[T],
    *,
    key: str,
    usual: T | None = None,
    is_labelled: bool = True,
    **others: Any,  # noqa: ANN401  (of Streamlit's control)
) -> T:
    """One of a few things side by side, called by its `words` where it has any; the `usual` or else the first."""
    titles = dict(words) if isinstance(words, Mapping) else {option: str(option) for option in words}
    chosen: T = st.segmented_control(
        label,
        list(titles),
        format_func=lambda option: titles.get(option, str(option)),
        default=next(iter(titles)) if usual is None else usual,
        required=True,
        key=key,
        label_visibility="visible" if is_labelled else "collapsed",
        **others,
    )
    return chosen


def tabs(parts: Mapping[str, Callable[[T], None]], seen: T, *, key: str, **others: Any) -> None:  # noqa: ANN401
    """A tab for each part by its title; only the open one is drawn."""
    for tab, part in zip(st.tabs(list(parts), key=key, **{"on_change": "rerun"} | others), parts.values(), strict=True):
        with tab:
            if tab.open:
                part(seen)


def tab_in_link(parts: Collection[str], parameter: str, *, key: str) -> dict[str, str]:
    """What the address says of the open tab: nothing of the first one. Read from it on arrival at the page."""
    usual = next(iter(parts))
    wanted = st.query_params.get(parameter, usual if menu.goes_back() else "")
    if wanted in parts and not menu.has_arrived():
        st.session_state[key] = wanted
    state.keep(key, usual)
    return {} if st.session_state[key] == usual else {parameter: st.session_state[key]}


def grid(items: Sequence[T], per_row: int, gap: Literal["small", "medium", "large"] = "small") -> Iterator[T]:
    """Each item in a place of its own, `per_row` side by side; what the loop draws for it comes there."""
    for start in range(0, len(items), per_row):
        for column, item in zip(st.columns(per_row, gap=gap), items[start : start + per_row], strict=False):
            with column:
                yield item


ROW_PX, HEAD_PX = 35, 38
"""A table's rows and its head, with the frame."""


def table(
    rows: Sequence[dict[str, object]], columns: dict[str, Any], *, key: str, most_px: int, on_row: Callable[[int], None]
) -> None:
    """A table that scrolls where it is higher than `most_px`; a click on a row calls `on_row` with its number."""

    def chosen() -> None:
        picked = st.session_state[key]["selection"]["rows"]
        if picked and picked[0] < len(rows):
            on_row(picked[0])

    st.dataframe(
        rows,
        column_config=columns,
        hide_index=True,
        height=min(most_px, HEAD_PX + ROW_PX * len(rows)),
        placeholder="–",
        key=key,
        on_select=chosen,
        selection_mode="single-row",
    )


def number(label: str, value: str, change: str | None = None) -> None:
    """A large number, and below it in grey what it is compared with."""
    st.metric(label, value, change, delta_color="off", delta_arrow="off")


def download(
    label: str,
    content: Callable[[], str | bytes],
    file_name: str,
    *,
    key: str = "",
    **others: Any,  # noqa: ANN401  (of Streamlit's button)
) -> None:
    """Made when it is clicked: a page that is drawn often would leave the browser with addresses of old files.

    `key` tells buttons with the same label on one page apart.
    """
    mime, _ = mimetypes.guess_type(file_name)
    st.download_button(
        label,
        content,
        file_name,
        mime or "application/octet-stream",
        on_click="ignore",
        icon=":material/download:",
        key=f"download_{key}{label}",
        **others,
    )


def download_files(result: Result, *, key: str) -> None:
    """Its stored file and its runtime file; where one is lost or damaged, that is said, and they can be made again."""
    files = (("Stored file", "stored", STORED_SUFFIX), ("Runtime file (.onnx)", "onnx", ".onnx"))
    there = [_download_artifact(result, *file, key) for file in files]
    if not all(there):
        waiting.offer_files(result, key=key)


def _download_artifact(result: Result, label: str, role: str, suffix: str, key: str) -> bool:
    """Whether it is there."""
    try:
        content = artifact(result.artifacts[role])
    except CompressionError as error:
        st.caption(f":material/error: {notices.plain(str(error))}")
        return False
    if content is None:
        st.caption(f":material/error: {label}: no longer on this machine.")
        return False
    download(label, lambda: content, f"{result.model}-{result.recipe_id}{suffix}", key=key, help=_FILES[role])
    return True


_FILES: Mapping[str, str] = {
    "stored": "What you would ship or flash: the very bytes that were measured.",
    "onnx": "The same network, decoded, for ONNX Runtime.",
}


def artifact(sha256: str) -> bytes | None:
    """A stored file's content; it is named after that, so it is read once, however often pages draw."""
    content = _artifact(sha256)
    if content is None:
        _artifact.clear(sha256)  # measured again, it is there
    return content


@st.cache_data(max_entries=16, show_spinner=False)
def _artifact(sha256: str) -> bytes | None:
    return dispatcher.get_dispatcher().store.artifact(sha256)
