"""Bring your own: files or a name in, a checked model out."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from compression.models.brought import noise
from compression.models.brought.own import own_data_sets, own_models, taken
from compression.work.errand import Errand
from pages.components.frame import menu
from pages.components.models import checked
from pages.components.shown import elements

POLL_S = 0.5
NEW, NO_IMAGES = "New images …", "No images"
ONNX, TORCHVISION = "ONNX file", "From torchvision"
PUBLISHED, MINE, NONE = "published", "my file", "untrained"

_ERRAND, _ADDED, _FORM = "models_errand", "models_added", "models_form"


def show() -> None:
    """The form; what is under way; what came of the last one."""
    errand: Errand | None = st.session_state.get(_ERRAND)
    st.header("Bring your own", anchor=False)
    if errand is None:
        _form()
        return
    with st.container(border=True, key="models_errand_box"):
        st.fragment(run_every=None if errand.is_done else POLL_S)(_progress)(errand)


def begin(commands: Sequence[Sequence[str]], added: str = "", scratch: Path | None = None) -> None:
    """Carry commands out and show how far they are; `added` is the model that they make or check."""
    st.session_state[_ERRAND], st.session_state[_ADDED] = Errand(commands, scratch), added


def _progress(errand: Errand) -> None:
    if not errand.is_done:
        st.progress(errand.fraction, text=errand.words)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button("Cancel", on_click=errand.cancel, key="models_cancel")
            if (added := st.session_state[_ADDED]) in own_models():  # only the table of techniques is not complete
                menu.link(menu.EXPLORE, "Open it in Explore now", {"model": added})
        return
    if not st.session_state.get("models_seen"):  # the rest of the page shows what is there now
        st.session_state["models_seen"] = True
        st.rerun()
    added = st.session_state[_ADDED]
    if errand.problem:
        st.error(errand.problem, icon=":material/block:")
    elif added in own_models():
        st.markdown(f"**{added}** is there.")
        checked.show(added, begin, "added")
        menu.link(menu.EXPLORE, "Open it in Explore", {"model": added})
    st.button("Bring something else" if not errand.problem else "Back to the form", on_click=_clear, key="models_more")


def _clear() -> None:
    for key in (_ERRAND, _ADDED, "models_seen"):
        st.session_state.pop(key, None)
    st.session_state[_FORM] = st.session_state.get(_FORM, 0) + 1


# --- the form --------------------------------------------------------------------------------------------------------


def _form() -> None:
    number = st.session_state.get(_FORM, 0)
    with st.container(border=True, key="models_form_box"):
        images_side, network_side = st.columns(2, gap="large")
        with images_side:
            images, data = _images(number)
        with network_side:
            source = elements.switch("Network", [ONNX, TORCHVISION], key=f"models_source_{number}")
            file, said = _onnx(number) if source == ONNX else _torchvision(number)
        usual = _slug(file.name if file else said.get("--torchvision", ""))
        name = st.text_input(
            "Name",
            value=_unused(usual, taken("model")) if usual else "",
            key=f"models_name_{number}_{usual}",
            help="It stands in links and recipes: small letters, digits, - and _.",
        )
        missing = _missing(images, data, file, said)
        if st.button("Add and check", type="primary", disabled=bool(missing or not name), key=f"models_add_{number}"):
            _add(name, images, data, file, said)
            st.rerun()
        if missing:
            st.caption(f"Still needed: {missing}.")


def _missing(images: Any, data: str, file: Any, said: dict[str, str]) -> str:  # noqa: ANN401  (Streamlit's files)
    wanted = {
        "images": not images and not data,
        "a network": not file and not said.get("--torchvision"),
        "the file with the weights": said.get("--weights") == MINE and not file,
    }
    return " and ".join(what for what, is_missing in wanted.items() if is_missing)


def _images(number: int) -> tuple[Any, str]:
    """What was uploaded, or the name of images that are there."""
    there = own_data_sets()
    chosen = st.selectbox("Images", [*there, NEW, NO_IMAGES], key=f"models_data_{number}")
    if chosen == NO_IMAGES:
        st.caption(noise.WARNING)
        return None, "none"
    if chosen != NEW:
        return None, str(chosen)
    uploaded = st.file_uploader(
        "A zip file with one folder of images for each class, or an .npz file",
        type=["zip", "npz"],
        key=f"models_images_{number}",
        help="JPEG, PNG, WebP or BMP; folders train, val and test are used where they exist. An .npz file holds "
        "`images` (uint8) and `labels`. Without labels, agreement with the network as it is takes accuracy's place.",
    )
    return uploaded, ""


def _onnx(number: int) -> tuple[Any, dict[str, str]]:
    file = st.file_uploader(
        "A classifier as one .onnx file",
        type=["onnx"],
        key=f"models_onnx_{number}",
        help="As PyTorch, TensorFlow or Keras export it. It is read, never executed as a program.",
    )
    return file, {}


def _torchvision(number: int) -> tuple[Any, dict[str, str]]:
    architecture = st.text_input("Architecture", placeholder="e.g. convnext_tiny", key=f"models_architecture_{number}")
    weights = elements.switch("Weights", [PUBLISHED, MINE, NONE], key=f"models_weights_{number}")
    file = None
    if weights == MINE:
        file = st.file_uploader(
            "Weights as .safetensors, or a state dict",
            type=["safetensors", "pt", "pth"],
            key=f"models_state_{number}",
            help="Of a state dict only tensors are read; a pickle with anything else in it is refused.",
        )
    words = {PUBLISHED: "default", NONE: "none", MINE: MINE}[weights]
    return file, {"--torchvision": architecture.strip(), "--weights": words}


def _add(name: str, images: Any, data: str, file: Any, said: dict[str, str]) -> None:  # noqa: ANN401
    """Files go into a folder of their own, under names of ours."""
    scratch = Path(tempfile.mkdtemp(prefix="compression-brought-"))
    commands = []
    if images:
        data = _unused(_slug(images.name) or "images", taken("data set"))
        commands.append(["add-data", data, str(_kept(images, scratch, "images"))])
    network = ["add-model", name, "--data", data]
    if said:
        weights = str(_kept(file, scratch, "weights")) if file else said["--weights"]
        network += ["--torchvision", said["--torchvision"], "--weights", weights]
    else:
        network += ["--onnx", str(_kept(file, scratch, "network"))]
    begin([*commands, network], name, scratch)


def _kept(uploaded: Any, scratch: Path, name: str) -> Path:  # noqa: ANN401
    path = scratch / f"{name}{Path(uploaded.name).suffix.lower()}"
    with open(path, "wb") as out:
        shutil.copyfileobj(uploaded, out)
    return path


def _slug(name: str) -> str:
    """A name of ours after that of a file."""
    return re.sub(r"[^a-z0-9]+", "-", Path(name).stem.lower()).strip("-")[:40]


def _unused(name: str, taken: Sequence[str]) -> str:
    numbers = (f"{name}-{number}" for number in range(2, len(taken) + 3))
    return next(one for one in (name, *numbers) if one not in taken)
