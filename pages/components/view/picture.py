"""Pictures in a page, with words for those who do not see them: Streamlit's own have none."""

from __future__ import annotations

import base64
import functools
import io
from html import escape
from pathlib import Path

import numpy as np
import streamlit as st
from PIL import Image


def show(source: str, alt: str) -> None:
    """As wide as its place. `source` is what `of_file` or `of_pixels` give."""
    st.html(f'<img src="{source}" alt="{escape(alt)}" style="display:block;width:100%;border-radius:4px">')


@functools.lru_cache(maxsize=64)
def of_file(path: Path) -> str:
    """A small PNG file as an address that holds it."""
    return _address(path.read_bytes())


@functools.lru_cache(maxsize=2048)
def of_pixels(pixels: bytes, shape: tuple[int, ...], white: int) -> str:
    """An image (channels x height x width, uint8, up to `white`) as an address that holds it."""
    array = np.frombuffer(pixels, dtype=np.uint8).reshape(shape)
    bright = (array.astype(np.uint16) * 255 // max(1, white)).astype(np.uint8)
    picture = Image.fromarray(bright[0] if shape[0] == 1 else np.moveaxis(bright, 0, -1))
    sink = io.BytesIO()
    picture.save(sink, "PNG")
    return _address(sink.getvalue())


def _address(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
