"""One image: what its bytes are, its pixels the right way up on white, and brought to a network's size."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from compression.errors import InvalidRecipe
from compression.limits import MOST_PIXELS

Interpolation = Literal["bilinear", "bicubic", "nearest"]
_RESAMPLING = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "nearest": Image.Resampling.NEAREST,
}
_OTHERS = {
    b"GIF8": "a GIF image",
    b"II*\0": "a TIFF image",
    b"MM\0*": "a TIFF image",
    b"8BPS": "a Photoshop file",
    b"\0\0\1\0": "an icon",
    b"PK\3\4": "a zip file",
    b"%PDF": "a PDF file",
    b"<": "text (SVG or a page of the web)",
}
_GREY = frozenset(("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N"))


@dataclass(frozen=True)
class Sized:
    """What a network takes: `channels` (1 or 3), `height` and `width` in pixels.

    `resize` pixels is what an image's shorter side is brought to before the middle is cropped; None brings each image
    straight to height x width, whatever its proportions. Raises `InvalidRecipe` where `resize` leaves too little.
    """

    channels: int
    height: int
    width: int
    resize: int | None = None
    interpolation: Interpolation = "bilinear"

    def __post_init__(self) -> None:
        if self.channels not in (1, 3) or min(self.height, self.width) < 1 or self.interpolation not in _RESAMPLING:
            raise InvalidRecipe(f"Images have 1 or 3 channels and at least one pixel, but got {self}.")
        if self.resize is not None and self.resize < max(self.height, self.width):
            raise InvalidRecipe(
                f"An image brought to {self.resize} pixels is too small to crop {self.height} x {self.width} from. "
                "Choose a size at least as large as the crop."
            )


def format_of(content: bytes) -> str:
    """JPEG, PNG, WEBP or BMP, by the first bytes; raises ValueError with a few words on what it is instead."""
    if content.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if content.startswith(b"BM"):
        return "BMP"
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return "WEBP"
    if content[4:8] == b"ftyp":
        raise ValueError("a HEIC or AVIF image, or a film")
    raise ValueError(next((kind for magic, kind in _OTHERS.items() if content.startswith(magic)), "no image"))


def pixels_of(content: bytes) -> Image.Image:
    """An encoded image in mode L if it is stored in grey, else RGB: the right way up, transparent parts on white.

    Of an animation, the first picture. Raises ValueError, whose text says why in a few words, for what is no image
    of `format_of`, is damaged, cut off or larger than `MOST_PIXELS`.
    """
    kind = format_of(content)
    try:
        with Image.open(io.BytesIO(content), formats=(kind,)) as image:
            _check_size(image)
            return plain(ImageOps.exif_transpose(image))
    except (MemoryError, _TooLarge):
        raise
    except Image.DecompressionBombError:
        raise _TooLarge(_too_large()) from None
    except Exception as error:  # decoders raise whatever they stumble over
        raise ValueError("damaged or cut off") from error


class _TooLarge(ValueError):
    pass


def _too_large() -> str:
    return f"more than {MOST_PIXELS // 1_000_000} million pixels"


def _check_size(image: Image.Image) -> None:
    if image.width * image.height > MOST_PIXELS:
        raise _TooLarge(_too_large())


def plain(image: Image.Image) -> Image.Image:
    """An image of any mode in mode L if its mode is grey, else RGB; transparent parts on white, 16 bits cut to 8."""
    grey = image.mode in _GREY
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image).clip(0, 0xFFFF) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        clear = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), clear)
    return image.convert("L" if grey else "RGB")


def fitted(image: Image.Image, sized: Sized) -> NDArray[np.uint8]:
    """An image of mode L or RGB as a network takes it, C x H x W; as torchvision's Resize and CenterCrop do it."""
    image = image.convert("L" if sized.channels == 1 else "RGB")
    height, width = sized.height, sized.width
    if sized.resize is None:
        image = _resized(image, width, height, sized)
    else:
        image = _resized(image, *_by_shorter_side(*image.size, sized.resize), sized)
        left, top = round((image.width - width) / 2), round((image.height - height) / 2)
        image = image.crop((left, top, left + width, top + height))
    return np.asarray(image).reshape(height, width, sized.channels).transpose(2, 0, 1)


def _resized(image: Image.Image, width: int, height: int, sized: Sized) -> Image.Image:
    if image.size == (width, height):
        return image
    return image.resize((width, height), _RESAMPLING[sized.interpolation])


def _by_shorter_side(width: int, height: int, shorter: int) -> tuple[int, int]:
    longer = int(shorter * max(width, height) / min(width, height))
    return (shorter, longer) if width <= height else (longer, shorter)
