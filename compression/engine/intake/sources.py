"""Networks as people name or give them: from torchvision or timm, as an ONNX file, or from their own code."""

from __future__ import annotations

import functools
import importlib
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnx
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from compression import limits
from compression.engine.network.onnx_reader import read_onnx
from compression.errors import CompressionError, DataUnavailable, RefusedFile, UnknownModel
from compression.guard import guarded
from compression.models.brought.image_files import ImageFacts, Sized
from compression.models.brought.own import Preprocessing
from compression.watch import SILENT, Watch

PUBLISHED, UNTRAINED = "default", "none"
"""Weights that are no file."""


@dataclass(frozen=True)
class Given:
    """A network as it came: what computes it, how it wants its images, what its outputs are called if that is known.

    `onnx` is the file where it came as one. `is_told`: whether its publisher says how images are standardized.
    """

    module: nn.Module
    preprocessing: Preprocessing
    about: str
    categories: tuple[str, ...] = ()
    onnx: bytes | None = None
    is_told: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of its images: C x H x W."""
        sized = self.preprocessing.sized
        return sized.channels, sized.height, sized.width


@dataclass(frozen=True)
class Wish:
    """What a person says of a network besides its name: the weights, and whatever is not taken from them.

    `side` is the height and width of its images, `outputs` how many classes it tells apart.
    """

    weights: str = PUBLISHED
    side: int | None = None
    outputs: int | None = None


def from_torchvision(architecture: str, wish: Wish, images: ImageFacts, watch: Watch = SILENT) -> Given:
    """A classifier of torchvision; raises `UnknownModel` with similar names."""
    from sample_models.vision import torchvision

    models = torchvision.models
    _known(architecture, models.list_models(module=models), "torchvision")
    published = models.get_model_weights(architecture).DEFAULT
    recipe = published.transforms()

    def build(outputs: int) -> nn.Module:
        with warnings.catch_warnings(action="ignore"):  # of a start that will change in later versions
            network: nn.Module = models.get_model(architecture, weights=None, num_classes=outputs)
        return network

    side = recipe.crop_size[0]
    sized = _size(wish, images, Sized(3, side, side, recipe.resize_size[0], recipe.interpolation.value))
    preprocessing = Preprocessing(sized, mean=tuple(recipe.mean), std=tuple(recipe.std))
    title = f"{architecture} of torchvision {torchvision.__version__}"
    if wish.weights != PUBLISHED:
        return _filled(build, title, wish, images=images, preprocessing=preprocessing, watch=watch)
    make = functools.partial(models.get_model, architecture, weights=published, progress=False)
    network = _fetched(make, published.url, watch)
    about = f"{title}, weights {published}"
    return Given(network.eval(), preprocessing, about, tuple(published.meta["categories"]), is_told=True)


def from_timm(architecture: str, wish: Wish, images: ImageFacts, watch: Watch = SILENT) -> Given:
    """A classifier of timm, where that is installed; raises `UnknownModel` with similar names."""
    import sample_models.vision  # noqa: F401  (timm imports torchvision, whose door that is)

    try:
        timm: Any = importlib.import_module("timm")
    except ImportError as error:
        raise UnknownModel(
            f"timm is not installed ({error}). Install it: pip install 'compression-dashboard[timm]'"
        ) from None
    if not timm.is_model(architecture.partition(".")[0]):
        _known(architecture, timm.list_models(), "timm")
    config = timm.models.get_pretrained_cfg(architecture)
    channels, side = (config.input_size[0], config.input_size[-1]) if config else (3, 224)

    def build(outputs: int) -> nn.Module:
        network: nn.Module = timm.create_model(architecture, pretrained=False, num_classes=outputs)
        return network

    resize = round(side / config.crop_pct) if config and config.crop_pct else side
    interpolation: Any = config.interpolation if config else "bilinear"
    sized = _size(wish, images, Sized(channels, side, side, resize, interpolation))
    mean, std = (config.mean, config.std) if config else (0.0, 1.0)
    preprocessing = Preprocessing(sized, mean=mean, std=std)
    title = f"{architecture} of timm {timm.__version__}"
    if wish.weights != PUBLISHED:
        return _filled(build, title, wish, images=images, preprocessing=preprocessing, watch=watch)
    make = functools.partial(timm.create_model, architecture, pretrained=True)
    network = _fetched(make, "huggingface.co", watch)
    return Given(network.eval(), preprocessing, f"{title}, published weights", is_told=True)


def from_code(place: str, wish: Wish, images: ImageFacts, watch: Watch = SILENT) -> Given:
    """What `MODULE:FUNCTION` returns, for people who trust that file: it is imported from the working folder."""
    module, _, function = place.partition(":")
    try:
        sys.path.insert(0, str(Path.cwd()))
        network = getattr(importlib.import_module(module), function)()
    except Exception as error:  # whatever other people's code raises
        raise RefusedFile(
            f"{place} cannot be carried out: {type(error).__name__}: {error}. It must be MODULE:FUNCTION, a function "
            "that returns an nn.Module when called without arguments, in a file in this folder or one on PYTHONPATH."
        ) from error
    finally:
        sys.path.remove(str(Path.cwd()))
    if not isinstance(network, nn.Module):
        raise RefusedFile(f"{place} returns a {type(network).__name__}; it must return an nn.Module.")
    if wish.weights not in (PUBLISHED, UNTRAINED):
        _load(network, _weights(Path(wish.weights), watch), wish.weights)
    side = wish.side or (images.height if images.same_size else 224)
    sized = Sized(images.channels, side, side if wish.side else images.width if images.same_size else side, None)
    return Given(network.eval(), Preprocessing(sized), f"built by {place}")


def from_onnx(path: Path, wish: Wish, images: ImageFacts, watch: Watch = SILENT) -> Given:
    """An ONNX file, first read in a child process with limits; raises `UnsupportedModel` or `RefusedFile`."""
    _check_onnx_size(path)
    guarded(
        "compression.engine.intake.sources:try_onnx",
        {"path": str(path.absolute())},
        seconds=limits.NETWORK_SECONDS,
        memory_bytes=limits.NETWORK_MEMORY_BYTES,
        file_bytes=limits.MOST_NETWORK_BYTES,
        watch=watch.part(0, 1, "looking into the file: "),
    )
    content = path.read_bytes()
    module, (channels, height, width) = read_onnx(onnx.load_from_string(content))
    sized = Sized(channels, height, width, None)
    return Given(module, Preprocessing(sized), f"read from {path.name}", onnx=content)


def _check_onnx_size(path: Path) -> None:
    size = _size_of(path)
    if size > limits.MOST_NETWORK_BYTES:
        raise RefusedFile(f"{path.name} is larger than the {limits.MOST_NETWORK_BYTES / 1e9:.0f} GB that are taken.")
    with open(path, "rb") as file:
        start = file.read(8)
    for magic, what in _OTHER_KINDS.items():
        if start.startswith(magic):
            raise RefusedFile(f"{path.name} is {what}, and no ONNX file. Export the network as ONNX and bring that.")


_OTHER_KINDS = {
    b"PK": "a zip file, as torch saves networks",
    b"\x80": "a pickle, which could run code when it is opened",
    b"\x89HDF": "an HDF5 file, as Keras saves networks",
    b"GIF8": "a picture",
    b"\x89PNG": "a picture",
    b"\xff\xd8": "a picture",
    b"%PDF": "a document",
    b"\x7fELF": "a program",
    b"MZ": "a program",
    b"#!": "a program",
    b"\x1f\x8b": "a gzip file",
    b"<": "a web page; the download may have failed",
    b"version ": "a Git LFS pointer and not the file itself",
}
"""What people bring by mistake, by how it begins."""


def try_onnx(path: str, watch: Watch = SILENT) -> None:
    """In the child process: everything that is ever done to the file, so that what can go wrong does so here."""
    from compression.engine.intake.onnx_check import check_onnx

    check_onnx(Path(path).read_bytes(), watch)


# --- weights ---------------------------------------------------------------------------------------------------------


def _filled(
    build: Callable[[int], nn.Module],
    title: str,
    wish: Wish,
    *,
    images: ImageFacts,
    preprocessing: Preprocessing,
    watch: Watch,
) -> Given:
    """A network with a person's own weights, or with none."""
    if wish.weights == UNTRAINED:
        network = build(wish.outputs or max(len(images.classes), 2))
        return Given(network.eval(), preprocessing, f"{title}, untrained: its answers are chance", is_told=True)
    path = Path(wish.weights)
    weights = _weights(path, watch)
    network = build(wish.outputs or _outputs(build, weights) or len(images.classes))
    _load(network, weights, path.name)
    return Given(network.eval(), preprocessing, f"{title}, weights from {path.name}")


def _outputs(build: Callable[[int], nn.Module], weights: dict[str, Tensor]) -> int | None:
    """How many classes the weights tell apart: the size of what differs between networks for 7 and for 11 classes."""
    with torch.device("meta"):
        seven, eleven = (build(count).state_dict() for count in (7, 11))
    for name, tensor in seven.items():
        sizes = zip(tensor.shape, eleven[name].shape, weights.get(name, tensor).shape, strict=False)
        for size in (mine for one, other, mine in sizes if (one, other) == (7, 11)):
            return int(size) if name in weights else None
    return None


def _load(network: nn.Module, weights: dict[str, Tensor], name: str) -> None:
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        words = " ".join(str(error).split())
        raise RefusedFile(
            f"The weights in {Path(name).name} do not fit the network: {words[:400]}. Name the architecture that they "
            "were trained with."
        ) from error
    broken = [name for name, tensor in network.state_dict().items() if not tensor.isfinite().all()]
    if broken:
        raise RefusedFile(f"{broken[0]} has numbers that are not finite (NaN or infinity). The training went wrong.")


def _weights(path: Path, watch: Watch) -> dict[str, Tensor]:
    """The tensors of a `.safetensors` file or a state dict; only a child process opens the file as it came."""
    if _size_of(path) > limits.MOST_NETWORK_BYTES:
        raise RefusedFile(f"{path.name} is larger than the {limits.MOST_NETWORK_BYTES / 1e9:.0f} GB that are taken.")
    with tempfile.TemporaryDirectory(prefix="compression-weights-") as folder:
        safe = Path(folder) / "weights.safetensors"
        guarded(
            "compression.engine.intake.sources:convert_weights",
            {"path": str(path.absolute()), "out": str(safe)},
            seconds=limits.NETWORK_SECONDS,
            memory_bytes=limits.NETWORK_MEMORY_BYTES,
            file_bytes=limits.MOST_NETWORK_BYTES,
            watch=watch,
        )
        tensors: dict[str, Tensor] = load_file(safe)
        return tensors


def convert_weights(path: str, out: str, watch: Watch = SILENT) -> None:
    """In the child process: tensors by name, written as `.safetensors`."""
    from safetensors.torch import save_file

    found = _tensors(Path(path))
    tensors = {name: tensor for name, tensor in found.items() if isinstance(tensor, Tensor)}
    if not tensors:
        raise RefusedFile(f"{Path(path).name} holds no tensors by name. Save `network.state_dict()`.")
    prefix = "module." if all(name.startswith("module.") for name in tensors) else ""  # of DataParallel
    save_file({name.removeprefix(prefix): tensor.contiguous().clone() for name, tensor in tensors.items()}, out)


def _tensors(path: Path) -> dict[str, Any]:
    if path.suffix == ".safetensors":
        try:
            tensors: dict[str, Any] = load_file(path)
            return tensors
        except Exception as error:
            raise RefusedFile(f"{path.name} is no valid safetensors file: {error}. Save it anew.") from error
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise RefusedFile(
            f"{path.name} is no state dict that can be read without running code that comes with it. Save "
            "`network.state_dict()` with torch.save, or with safetensors."
        ) from error
    for key in ("state_dict", "model_state_dict", "model"):  # what people save beside other things
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    return found if isinstance(found, dict) else {}


# --- what they have in common ----------------------------------------------------------------------------------------


def _size_of(path: Path) -> int:
    try:
        if not path.is_file():
            raise RefusedFile(f"{path} is no file. Check the name.")
        return path.stat().st_size
    except OSError as error:
        raise RefusedFile(f"Cannot read {path}: {error.strerror or error}. Check the name and your rights.") from error


def _known(name: str, names: list[str], library: str) -> None:
    import difflib

    if name not in names:
        near = difflib.get_close_matches(name, names, 3) or names[:3]
        raise UnknownModel(f"{library} has no classifier {name[:60]!r}. Similar names: {', '.join(near)}.")


def _size(wish: Wish, images: ImageFacts, published: Sized) -> Sized:
    """As published for published weights; for a person's own the size of the images, where they have one."""
    side, resize = published.height, published.resize
    if wish.side:
        return replace(published, height=wish.side, width=wish.side, resize=resize and round(wish.side * resize / side))
    if wish.weights != PUBLISHED and images.same_size:
        return replace(published, height=images.height, width=images.width, resize=None)
    return published


def _fetched(fetch: Callable[[], Any], place: str, watch: Watch) -> Any:  # noqa: ANN401  (a network, or its weights)
    watch.report(0, f"downloading weights from {place.split('/')[2] if '//' in place else place}")
    try:
        with _silent():
            return fetch()
    except CompressionError:
        raise
    except Exception as error:  # each library has its own errors for a missing connection
        raise DataUnavailable(
            f"The published weights could not be downloaded from {place}: {error}. Connect to the internet and try "
            "again, or bring your own: --weights FILE."
        ) from error


@contextmanager
def _silent() -> Iterator[None]:
    """Libraries print bars while they download."""
    before = os.environ.get("HF_HUB_DISABLE_PROGRESS_BARS")
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["HF_HUB_DISABLE_PROGRESS_BARS"]
