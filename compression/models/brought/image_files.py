"""Images that people bring: taken in once, kept as they were, decoded to the size that a network takes.

`take_in` looks through a zip file, a folder or an .npz file in a child process with limits, and keeps in a new folder:

- `facts.json`: an `ImageFacts`;
- `images.bin` with `offsets.npy`: the encoded files one after another, and where each begins (int64, N + 1);
  or, from arrays, `images.npy` (uint8, N x H x W x C with C = 1 or 3);
- `labels.npy` (int64, N), if there are labels.

Images for training come first, then those for calibration, validation and test, each shuffled by one fixed seed.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from compression import atomic, units
from compression.errors import CorruptFile, RefusedFile, StorageFailed
from compression.guard import guarded
from compression.limits import MOST_IMAGE_BYTES, MOST_UNPACKED_BYTES, TAKE_IN_MEMORY_BYTES, TAKE_IN_SECONDS
from compression.models.brought.class_folders import arranged
from compression.models.brought.entry_names import Parts, shown
from compression.models.brought.file_tree import Tree, tree_of
from compression.models.brought.image_arrays import Arrays, arrays_in, forget, has_arrays
from compression.models.brought.image_facts import ImageFacts, Measurement, read_facts, write_facts
from compression.models.brought.picture import Interpolation, Sized, fitted, pixels_of, plain
from compression.models.brought.splitting import PARTS, Part, split
from compression.watch import SILENT, Watch

__all__ = ["ImageFacts", "Interpolation", "Sized", "decode_part", "read_facts", "take_in"]

_REPORT_EVERY = 20
_NAMED = 3
"""Of files that are refused: enough to see what is wrong with them."""

Content = tuple[bytes, Image.Image]
"""What is kept of an image, and its pixels."""


def take_in(source: Path, folder: Path, watch: Watch = SILENT) -> ImageFacts:
    """Check the images in `source` and keep them in the new `folder`; see the module's docstring.

    `source` is a zip file or a folder, with one folder of JPEG, PNG, WebP or BMP files for each class, or none for
    images without labels; folders above are passed over, but for those called train, validation and test; or an .npz
    file with `images`, `labels` and `classes`, or with such arrays for each part (`x_train`, `test_labels`). Raises
    `RefusedFile` for anything else, `StorageFailed` where `folder` cannot be written, and what `watch` raises; then
    there is no `folder`, and nothing half done beside it.
    """
    try:
        with atomic.replacing(folder.absolute()) as new:
            new.mkdir()
            guarded(
                "compression.models.brought.image_files:_take_in",
                {"source": str(source.absolute()), "folder": str(new)},
                seconds=TAKE_IN_SECONDS,
                memory_bytes=TAKE_IN_MEMORY_BYTES,
                file_bytes=MOST_UNPACKED_BYTES + MOST_IMAGE_BYTES,  # with headers
                watch=watch,
            )
            return read_facts(new)
    except OSError as error:
        raise StorageFailed(
            f"The images could not be kept in {folder}: {error}. Free some disk space, or remove what is there."
        ) from error


def decode_part(  # noqa: PLR0917  (where from, which, how, where to)
    folder: Path, start: int, stop: int, sized: Sized, out: NDArray[np.uint8], watch: Watch = SILENT
) -> None:
    """Fill `out`, uint8, n x C x H x W, with the images from `start` to before `stop` in the order of `folder`.

    Raises `CorruptFile` where an image cannot be read any more, and what `watch` raises.
    """
    assert out.shape == (stop - start, sized.channels, sized.height, sized.width)
    try:
        image_at = _kept(folder)
        for place in watch.each(range(start, stop)):
            out[place - start] = fitted(image_at(place), sized)
            _report(watch, place - start, stop - start, "decoding images")
    except (OSError, ValueError, IndexError) as error:
        raise CorruptFile(
            f"The images in {folder} cannot be read: {error}. Remove the folder and bring them anew."
        ) from error


def _kept(folder: Path) -> Callable[[int], Image.Image]:
    if (folder / "images.npy").exists():
        return Arrays((np.load(folder / "images.npy", mmap_mode="r"),)).image
    offsets = np.load(folder / "offsets.npy")
    content = np.memmap(folder / "images.bin", np.uint8, "r")
    return lambda place: pixels_of(content[offsets[place] : offsets[place + 1]].tobytes())


def _report(watch: Watch, done: int, count: int, words: str) -> None:
    if done % _REPORT_EVERY == 0:
        watch.report(done / count, f"{words}: {done:,} of {count:,}")


# --- in the child process ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Found:
    """What a person brought, in an order of its own.

    `get` raises ValueError, with a few words on why, for one that cannot be taken. `header` goes before all images in
    their file; None where they have no common form.
    """

    count: int
    classes: tuple[str, ...]
    labels: NDArray[np.int64] | None
    official: tuple[str, ...] | None
    name: Callable[[int], str]
    get: Callable[[int], Content]
    header: bytes | None = None


def _take_in(source: str, folder: str, watch: Watch = SILENT) -> None:
    """What `take_in` does, without limits and into a folder that is there."""
    tree, target = tree_of(Path(source)), Path(folder)
    found = _found_arrays(tree, target) if has_arrays(tree) else _found_files(tree)
    parts = split(np.zeros(found.count, np.int64) if found.labels is None else found.labels, found.official)
    order = np.concatenate([parts[part] for part in PARTS])
    measured = _keep(found, order, len(parts["train"]), target, watch)
    forget(target)
    if found.labels is not None:
        np.save(target / "labels.npy", found.labels[order])
        measured.digest.update(found.labels[order].tobytes())
    write_facts(target, _facts(found, parts, measured, Path(source).name))


def _facts(found: _Found, parts: dict[Part, NDArray[np.int64]], measured: Measurement, source: str) -> ImageFacts:
    sizes = len(parts["train"]), len(parts["calibration"]), len(parts["validation"]), len(parts["test"])
    measured.digest.update(json.dumps([found.classes, sizes]).encode())
    (height, width), (mean, std) = measured.size, measured.mean_and_std()
    return ImageFacts(
        classes=found.classes,
        has_labels=found.labels is not None,
        channels=measured.channels,
        height=height,
        width=width,
        same_size=len(measured.sizes) == 1,
        parts=sizes,
        mean=mean,
        std=std,
        sha256=measured.digest.hexdigest(),
        source=source,
        bytes=measured.n_bytes,
    )


def _found_files(tree: Tree) -> _Found:
    found = arranged(tree.paths)
    paths = found.paths
    return _Found(
        len(paths),
        found.classes,
        found.labels,
        found.official,
        lambda place: "/".join(paths[place]),
        lambda place: _checked(tree, paths[place]),
    )


def _checked(tree: Tree, path: Parts) -> Content:
    if tree.size(path) > MOST_IMAGE_BYTES:
        raise ValueError(f"larger than {units.size(MOST_IMAGE_BYTES)}")
    content = tree.read(path)
    return content, pixels_of(content)


def _found_arrays(tree: Tree, folder: Path) -> _Found:
    arrays = arrays_in(tree, folder)

    def get(place: int) -> Content:
        image = plain(arrays.image(place))
        return image.tobytes(), image

    count, height, width, channels = arrays.shape
    shape = (count, height, width, min(channels, 3))
    return _Found(count, arrays.classes, arrays.labels, arrays.official, str, get, _npy_header(shape))


def _npy_header(shape: tuple[int, ...]) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return file.getvalue()


def _keep(found: _Found, order: NDArray[np.int64], n_train: int, folder: Path, watch: Watch) -> Measurement:
    """Write all images; raises `RefusedFile` with the names of those that cannot be taken."""
    measured, offsets, refused = Measurement(), [0], []
    with open(folder / ("images.bin" if found.header is None else "images.npy"), "wb") as file:
        file.write(found.header or b"")
        for place, index in enumerate(map(int, order)):
            _report(watch, place, len(order), "checking images")
            try:
                content, image = found.get(index)
            except ValueError as reason:
                refused.append(f"{shown(found.name(index))} ({reason})")
                continue
            measured.add(content, image, of_training=place < n_train)
            offsets.append(measured.n_bytes)
            file.write(content)
    if refused:
        raise RefusedFile(_refusal(refused, len(order)))
    if found.header is None:
        np.save(folder / "offsets.npy", np.array(offsets, dtype=np.int64))
    return measured


def _refusal(refused: list[str], count: int) -> str:
    named = ", ".join(sorted(refused)[:_NAMED]) + (" and others" if len(refused) > _NAMED else "")
    return (
        f"{len(refused):,} of {units.counted(count, 'image')} cannot be read: {named}. Bring JPEG, PNG, WebP or BMP "
        f"files: convert or remove {'it' if len(refused) == 1 else 'them'} and try again."
    )
