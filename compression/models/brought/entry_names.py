"""Names of files and folders in what people bring: which are dangerous, passed over, images, or no class's name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePosixPath

from compression.errors import RefusedFile
from compression.limits import DEEPEST_FOLDER, LONGEST_CLASS_NAME, LONGEST_NAME_BYTES

Parts = tuple[str, ...]
"""The folders above a file, then its name."""

IMAGES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff"),
        *(".heic", ".heif", ".avif", ".jp2", ".jxl", ".ico", ".psd", ".svg", ".tga", ".pgm", ".ppm", ".pbm", ".pnm"),
        *(".dcm", ".eps", ".raw", ".cr2", ".cr3", ".nef", ".arw", ".dng", ".exr", ".hdr"),
    )
)
"""Names that promise an image; those of other formats too, since passing them over would quietly lose images."""

ARCHIVES = frozenset(
    (".zip", ".tar", ".gz", ".tgz", ".bz2", ".tbz2", ".xz", ".txz", ".7z", ".rar", ".zst", ".npz", ".jar", ".iso")
)
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])( *\..*)?", re.IGNORECASE)
_DRIVE = re.compile(r"[A-Za-z]:")
_DIRECTIONS = frozenset(("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"))
_FORMULA = re.compile(r"[=@]|[+-](?![0-9.]+$)")
_MESSY = frozenset(("__macosx", "thumbs.db", "desktop.ini", "@eadir", "$recycle.bin"))


def shown(name: str) -> str:
    """A name as it may stand in a sentence: short, and without characters that change how the rest is shown."""
    clean = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name)
    return clean if len(clean) <= 80 else f"{clean[:50]}…{clean[-28:]}"


def parts_of(name: str) -> Parts:
    """The parts of a path with slashes; raises `RefusedFile` where it could lead anywhere but into its own folder."""
    parts = tuple(part for part in name.removesuffix("/").split("/") if part != ".")
    reason = next(filter(None, map(_danger, parts)), None)
    if len(parts) > DEEPEST_FOLDER + 1:
        reason = f"has more than {DEEPEST_FOLDER} folders above it"
    if reason:
        raise RefusedFile(f"The name {shown(name)!r} {reason}. Give it another name and pack the files anew.")
    return parts


def _danger(part: str) -> str | None:
    if part == "":
        return "begins with a slash or has an empty part"
    if part == "..":
        return "leads out of its folder"
    if "\\" in part or "\0" in part or _DRIVE.match(part):
        return "has a backslash, a null character or a drive letter in it"
    if len(part.encode(errors="surrogateescape")) > LONGEST_NAME_BYTES:
        return f"has a part of more than {LONGEST_NAME_BYTES} bytes"
    return "is reserved on Windows" if _RESERVED.fullmatch(part) else None


def is_passed_over(part: str) -> bool:
    """Whether a folder or file is only what systems leave behind; hidden ones are."""
    return part.startswith(".") or part.lower() in _MESSY


def is_image(parts: Parts) -> bool:
    """Whether a file's name promises an image; raises `RefusedFile` for an archive within."""
    suffix = PurePosixPath(parts[-1]).suffix.lower()
    if suffix in ARCHIVES:
        raise RefusedFile(
            f"{shown('/'.join(parts))} is a packed file inside. Unpack it, or remove it, and bring the rest."
        )
    return suffix in IMAGES


def class_name(name: str) -> str:
    """A class's name in its composed form (NFC); raises `RefusedFile` where a table could not show it safely."""
    composed = unicodedata.normalize("NFC", name)
    reason = _unfit(composed)
    if reason:
        raise RefusedFile(f"The class name {shown(name)!r} {reason}. Give the class another name.")
    return composed


def _unfit(name: str) -> str | None:
    if not name.strip():
        return "is empty"
    if len(name) > LONGEST_CLASS_NAME:
        return f"is longer than {LONGEST_CLASS_NAME} characters"
    if any(map(_is_control, name)):
        return "has characters that cannot be seen"
    return "is a formula to spreadsheet programs" if _FORMULA.match(name) else None


def _is_control(letter: str) -> bool:
    """Joiners are allowed: emoji and Persian are written with them."""
    return (
        unicodedata.category(letter) in ("Cc", "Cs", "Co", "Cn", "Zl", "Zp")
        or unicodedata.bidirectional(letter) in _DIRECTIONS
    )


def refuse_twins(names: Iterable[str]) -> None:
    """Raise `RefusedFile` where two names of classes look the same: merging them would be a guess."""
    seen: dict[str, str] = {}
    for name in sorted(names):
        key = unicodedata.normalize("NFC", name).strip().casefold()
        if key in seen:
            raise RefusedFile(
                f"Two classes are called {shown(seen[key])!r} and {shown(name)!r}, which many systems take for the "
                "same. Put their images into one folder, or rename one of them."
            )
        seen[key] = name
