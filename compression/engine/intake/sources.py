"""Networks as people name or give them: from torchvision or timm, as an ONNX file, or from their own code."""

from __future__ import annotations

import functools
import hashlib
import importlib
import io
import sys
import tempfile
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnx
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from compression import limits, units
from compression.engine.network.onnx_node import is_of_memory, shown
from compression.engine.network.onnx_reader import read_onnx
from compression.errors import CompressionError, DataUnavailable, RefusedFile, UnknownModel
from compression.guard import JSON, guarded
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
    _refuse_other_kinds(path, {**_OF_TORCH, **_OTHER_KINDS}, "no ONNX file. Export the network as ONNX and bring that.")
    tried = _in_child("try_onnx", path, watch=watch.part(0, 1, "looking into the file: "))
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != tried:
        raise RefusedFile(f"{path.name} was changed while it was looked into. Wait until it is written, and try again.")
    module, (channels, height, width) = read_onnx(onnx.load_from_string(content))
    sized = Sized(channels, height, width, None)
    return Given(module, Preprocessing(sized), f"read from {path.name}", onnx=content)


def _refuse_other_kinds(path: Path, kinds: dict[bytes, str], remedy: str) -> None:
    _size_of(path)
    with open(path, "rb") as file:
        start = file.read(8)
    for magic, what in kinds.items():
        if start.startswith(magic):
            raise RefusedFile(f"{path.name} is {what}, and {remedy}")


_OF_TORCH = {
    b"PK": "a zip file, as torch saves networks",
    b"\x80": "a pickle, which could run code when it is opened",
}
_OTHER_KINDS = {
    b"\x93NUMPY": "an array of NumPy",
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
"""What people bring by mistake, by how it begins; in place of weights, these alone."""


def try_onnx(path: str, watch: Watch = SILENT) -> str:
    """In the child process: everything that is ever done to the file, so that what can go wrong does so here.

    Returns the SHA-256 of what was tried.
    """
    from compression.engine.intake.onnx_check import check_onnx

    content = Path(path).read_bytes()
    check_onnx(content, watch)
    return hashlib.sha256(content).hexdigest()


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
    outputs = wish.outputs or _outputs(build, weights) or len(images.classes)
    with torch.device("meta"):  # where sizes that do not fit cost nothing
        _refuse_misfit(build(outputs).state_dict(), weights, path.name)
    network = build(outputs)
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
    state = network.state_dict()
    _refuse_misfit(state, weights, Path(name).name)
    state.update(weights)  # it knows which version of each layer it is of, which files do not
    network.load_state_dict(state)
    broken = [key for key, tensor in network.state_dict().items() if not tensor.isfinite().all()]
    if broken:
        raise RefusedFile(
            f"{broken[0]} has numbers that are not finite (NaN or infinity): the training went wrong. Bring the "
            "weights as they were before that."
        )


def _refuse_misfit(state: dict[str, Tensor], weights: dict[str, Tensor], name: str) -> None:
    """Raise `RefusedFile` unless the weights are of the names, sizes and kinds of those in the network's state."""
    missing = [key for key in state if key not in weights and not key.endswith("num_batches_tracked")]
    unknown = [key for key in weights if key not in state]
    both = [key for key in state if key in weights]
    other = [key for key in both if not is_lazy(state[key]) and state[key].shape != weights[key].shape]
    codes = [key for key in both if state[key].is_floating_point() and not weights[key].is_floating_point()]
    if missing or unknown:
        lacks, has = (f"{len(keys)} ({shown(keys[0])}, …)" if keys else "none" for keys in (missing, unknown))
        why = f"of the {len(state)} tensors that it has, {lacks} are missing, and {has} are there that it does not have"
    elif other:
        wanted, given = (" × ".join(map(str, found[other[0]].shape)) for found in (state, weights))
        why = f"its {other[0]} is of size {wanted}, theirs of size {given}"
    elif codes:
        why = f"{codes[0]} holds whole numbers, as quantized networks do"
    else:
        return
    raise RefusedFile(
        f"The weights in {name} do not fit the network: {why}. Name the architecture that they were trained with, and "
        "bring its float32 weights."
    )


def _weights(path: Path, watch: Watch) -> dict[str, Tensor]:
    """The tensors of a `.safetensors` file or a state dict; only a child process opens the file as it came."""
    if not _is_safetensors(path):  # which may begin with any byte
        _refuse_other_kinds(path, _OTHER_KINDS, "no weights of torch. Save `network.state_dict()` and bring that.")
    with tempfile.TemporaryDirectory(prefix="compression-weights-") as folder:
        safe = Path(folder) / "weights.safetensors"
        _in_child("convert_weights", path, out=str(safe), watch=watch)
        tensors: dict[str, Tensor] = load_file(safe)
        return tensors


def convert_weights(path: str, out: str, watch: Watch = SILENT) -> None:
    """In the child process: tensors by name, written as `.safetensors`."""
    from safetensors.torch import save_file

    name = Path(path).name
    tensors = {key: value for key, value in _tensors(Path(path)).items() if isinstance(value, Tensor)}
    if not tensors or not all(isinstance(key, str) for key in tensors):
        raise RefusedFile(f"{name} holds no tensors by name. Save `network.state_dict()`.")
    if not all(
        value.layout == torch.strided and value.dtype in _NUMBERS and not value.is_meta for value in tensors.values()
    ):
        raise RefusedFile(f"{name} holds sparse, quantized or complex numbers. Save the weights in float32.")
    if sum(value.nbytes for value in tensors.values()) > limits.MOST_NETWORK_BYTES:  # views may be larger than the file
        raise RefusedFile(f"The weights in {name} take more than {units.size(limits.MOST_NETWORK_BYTES)}. {_SMALLER}")
    for prefix in _PREFIXES:
        if all(key.startswith(prefix) for key in tensors):
            tensors = {key.removeprefix(prefix): value for key, value in tensors.items()}
    save_file({key: value.contiguous().clone() for key, value in tensors.items()}, out)


_PREFIXES = "_orig_mod.", "module."
"""What torch.compile and DataParallel put before each name."""

_NUMBERS = {
    *(torch.float32, torch.float64, torch.float16, torch.bfloat16),
    *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
}


def _is_safetensors(path: Path) -> bool:
    """By its header, which is a JSON object behind its length, whatever the file is called."""
    _size_of(path)
    with open(path, "rb") as file:
        return file.read(9)[8:] == b"{"


def _tensors(path: Path) -> dict[Any, Any]:
    if path.suffix == ".safetensors" or _is_safetensors(path):
        try:
            tensors: dict[Any, Any] = load_file(path)
            return tensors
        except Exception as error:
            raise RefusedFile(f"{path.name} is no valid safetensors file: {error}. Save it anew.") from error
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        if is_of_memory(error):
            raise MemoryError from error
        raise RefusedFile(
            f"{path.name} is no state dict that can be read without running code that comes with it. Save "
            "`network.state_dict()` with torch.save, or with safetensors."
        ) from error
    for key in ("state_dict", "model_state_dict", "model"):  # what people save beside other things
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    return found if isinstance(found, dict) else {}


# --- what they have in common ----------------------------------------------------------------------------------------


def _in_child(function: str, path: Path, watch: Watch, **arguments: JSON) -> JSON:
    """What one of these functions returns for a file that is hostile until proven otherwise."""
    size = _size_of(path)
    return guarded(
        f"compression.engine.intake.sources:{function}",
        {"path": str(path.absolute()), **arguments},
        seconds=limits.NETWORK_SECONDS,
        memory_bytes=limits.NETWORK_MEMORY_BYTES + limits.NETWORK_MEMORY_RATIO * size,
        file_bytes=limits.MOST_NETWORK_BYTES,
        watch=watch,
    )


def _size_of(path: Path) -> int:
    """In bytes; raises `RefusedFile` for what is no file, or too large."""
    try:
        if not path.is_file():
            raise RefusedFile(f"{path} is no file. Check the name.")
        size = path.stat().st_size
    except OSError as error:
        raise RefusedFile(f"Cannot read {path}: {error.strerror or error}. Check the name and your rights.") from error
    if size > limits.MOST_NETWORK_BYTES:
        raise RefusedFile(f"{path.name} is larger than {units.size(limits.MOST_NETWORK_BYTES)}. {_SMALLER}")
    return size


_SMALLER = "Bring a smaller network."


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
        with redirect_stderr(io.StringIO()):  # libraries draw bars there
            return fetch()
    except CompressionError:
        raise
    except Exception as error:  # each library has its own errors for a missing connection
        raise DataUnavailable(
            f"The published weights could not be downloaded from {place}: {error}. Connect to the internet and try "
            "again, or bring your own: --weights FILE."
        ) from error
