"""Bring your own: files or a name in, a checked model out."""

from __future__ import annotations

import importlib.util
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
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
NEW, PUBLIC, NO_IMAGES = "New images …", "A public data set …", "No images"
ONNX, TORCHVISION, TIMM = "ONNX file", "From torchvision", "From timm"
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


@dataclass(frozen=True)
class _Images:
    """What was uploaded, the name of a public data set, or of images that are there; one of them, or none yet."""

    uploaded: Any = None
    public: str = ""
    known: str = ""


@dataclass(frozen=True)
class _Network:
    """The option of `add-model` that says where it comes from, and what goes with it; '' is not said yet."""

    option: str
    file: Any = None
    architecture: str = ""
    weights: str = ""


def _form() -> None:
    number = st.session_state.get(_FORM, 0)
    with st.container(border=True, key="models_form_box"):
        images_side, network_side = st.columns(2, gap="large")
        with images_side:
            images = _images(number)
        with network_side:
            libraries = [TORCHVISION, *([TIMM] if importlib.util.find_spec("timm") else [])]
            source = elements.switch("Network", [ONNX, *libraries], key=f"models_source_{number}")
            network = _onnx(number) if source == ONNX else _by_name(source, number)
            takes = _takes(number)
        usual = _slug(network.architecture or (network.file.name if network.file else ""))
        name = st.text_input(
            "Name",
            value=_unused(usual, taken("model")) if usual else "",
            key=f"models_name_{number}_{usual}",
            help="It stands in links and recipes: small letters, digits, - and _.",
        )
        missing = _missing(images, network)
        is_ready = name and not missing and takes is not None
        if st.button("Add and check", type="primary", disabled=not is_ready, key=f"models_add_{number}"):
            _add(name, images, network, takes or [])
            st.rerun()
        if missing:
            st.caption(f"Still needed: {missing}.")


def _missing(images: _Images, network: _Network) -> str:
    wanted = {
        "images": images == _Images(),
        "a network": not network.file and not network.architecture,
        "the file with the weights": network.weights == MINE and not network.file,
    }
    return " and ".join(what for what, is_missing in wanted.items() if is_missing)


def _images(number: int) -> _Images:
    chosen = st.selectbox("Images", [*own_data_sets(), NEW, PUBLIC, NO_IMAGES], key=f"models_data_{number}")
    if chosen == NO_IMAGES:
        st.caption(noise.WARNING)
        return _Images(known="none")
    if chosen == PUBLIC:
        said = st.text_input(
            "Its name in torchvision",
            placeholder="e.g. SVHN",
            key=f"models_public_{number}",
            help="One of torchvision.datasets with a single class for each image, written as there; downloaded once.",
        ).strip()
        if said and not re.fullmatch("[A-Z][A-Za-z0-9]*", said):  # nothing that could be a path
            st.error("Names of torchvision's data sets have only letters and digits, such as SVHN.")
            said = ""
        return _Images(public=said)
    if chosen != NEW:
        return _Images(known=str(chosen))
    uploaded = st.file_uploader(
        "A zip file with one folder of images for each class, or an .npz file",
        type=["zip", "npz"],
        key=f"models_images_{number}",
        help="JPEG, PNG, WebP or BMP; folders train, val and test are used where they exist. An .npz file holds "
        "`images` (uint8) and `labels`, or `x_train`, `y_train`, `x_test` and the like. Without labels, agreement with "
        "the network as it is takes accuracy's place.",
    )
    return _Images(uploaded=uploaded)


def _onnx(number: int) -> _Network:
    file = st.file_uploader(
        "A classifier as one .onnx file",
        type=["onnx"],
        key=f"models_onnx_{number}",
        help="As PyTorch, TensorFlow or Keras export it. It is read, never executed as a program.",
    )
    return _Network("--onnx", file)


def _by_name(source: str, number: int) -> _Network:
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
    return _Network({TORCHVISION: "--torchvision", TIMM: "--timm"}[source], file, architecture.strip(), words)


def _takes(number: int) -> list[str] | None:
    """What the person says of the images that the network takes, as options; None where that is no number."""
    options: list[str] = []
    with st.expander("What images it takes"):
        st.caption("What stays empty is taken from the network or its publisher, or found out by trying.")
        size = st.number_input("Height and width, pixels", 1, None, None, 1, key=f"models_size_{number}")
        levels = {
            option: st.text_input(words, placeholder=like, key=f"models_{option}_{number}", help=_LEVELS)
            for option, words, like in (
                ("mean", "Mean taken off", "0.485, 0.456, 0.406"),
                ("std", "Standard deviation it is divided by", "0.229, 0.224, 0.225"),
            )
        }
        is_wide = st.toggle("Values from 0 to 255, not from 0 to 1", key=f"models_white_{number}")
        is_turned = st.toggle("Colours in the order blue, green, red", key=f"models_bgr_{number}")
        for option, text in levels.items():
            numbers = re.split(r"[,;\s]+", text.strip()) if text.strip() else []
            if not all(re.fullmatch(r"-?\d*\.?\d+", one) for one in numbers):
                st.error(f"{text!r}: give numbers such as 0.5 or 0.485, 0.456, 0.406.")
                return None
            options += [f"--{option}", *numbers] if numbers else []
    options += ["--size", str(size)] if size else []
    return [*options, *(["--white", "1"] if is_wide else []), *(["--bgr"] if is_turned else [])]


_LEVELS = "One number for all colours, or one for each, of values from 0 to 1 (or to 255 if that is switched on)."


def _add(name: str, images: _Images, network: _Network, takes: Sequence[str]) -> None:
    """Files go into a folder of their own, under names of ours."""
    scratch = Path(tempfile.mkdtemp(prefix="compression-brought-"))
    commands, data = [], images.known
    if not data:
        data = _unused(_slug(images.public or images.uploaded.name) or "images", taken("data set"))
        commands.append(["add-data", data, images.public or str(_kept(images.uploaded, scratch, "images"))])
    kept = str(_kept(network.file, scratch, "network")) if network.file else ""
    source = [f"{network.option}={network.architecture or kept}"]
    weights = [f"--weights={kept or network.weights}"] if network.architecture else []
    begin([*commands, ["add-model", name, f"--data={data}", *source, *weights, *takes]], name, scratch)


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
