"""Decodes an uploaded image and encodes it anew, in three widths and without metadata."""

import io
import re
import warnings
from dataclasses import dataclass

from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from config.errors import FieldError, UnsupportedMediaType, ValidationFailed

from ..errors import ImageTooLarge
from .names import MAX_WIDTH, widths_of

MEDIA_TYPES = ("image/jpeg", "image/png", "image/webp")
MAX_PIXELS = 40_000_000
_FORMATS = ("JPEG", "PNG", "WEBP")
_MAX_RATIO = 20  # of the longer side to the shorter one, so that each width has a height
_QUALITY = 80
# Of a JPEG. Encoders write about ten scans; each one is decoded over all pixels, however short.
_MAX_SCANS = 50
_MAX_MARKERS = 5000
_MARKER = re.compile(rb"\xff+([^\x00\x01\xd0-\xd8\xff])")
_SCAN, _END = 0xDA, 0xD9


@dataclass(frozen=True)
class Encoded:
    """WebP files by their width. The size is that of the largest."""

    width: int
    height: int
    files: dict[int, bytes]


def encode(content: bytes) -> Encoded:
    """Raises `UnsupportedMediaType`, `ImageTooLarge`, `ValidationFailed`."""
    image = _decoded(content)
    width = min(image.width, MAX_WIDTH)
    height = max(1, round(image.height * width / image.width))
    files = {}
    for each in widths_of(width):
        size = (each, max(1, round(height * each / width)))
        out = io.BytesIO()
        resized = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
        resized.save(out, "WEBP", quality=_QUALITY, method=4)
        files[each] = out.getvalue()
    return Encoded(width, height, files)


def _decoded(content: bytes) -> Image.Image:
    """The pixels, upright and in sRGB, as RGB or RGBA."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # checked below
            image: Image.Image = Image.open(io.BytesIO(content), formats=_FORMATS)
    except UnidentifiedImageError as error:
        raise UnsupportedMediaType(
            "Send a JPEG, PNG or WebP image.", media_types=list(MEDIA_TYPES)
        ) from error
    except Image.DecompressionBombError as error:
        raise _too_large() from error
    except Exception as error:  # parsers of damaged files raise whatever they meet
        raise _damaged() from error
    if image.width * image.height > MAX_PIXELS:
        raise _too_large()
    if max(image.size) > _MAX_RATIO * min(image.size):
        detail = f"Send an image whose longer side is at most {_MAX_RATIO} times the other."
        raise ValidationFailed(FieldError("image", "invalid", detail))
    if image.format == "JPEG" and _has_many_scans(content):
        raise _damaged()
    try:
        image.draft("RGB", (MAX_WIDTH, MAX_WIDTH))  # a large JPEG is decoded at a smaller scale
        image.load()
        return _plain(ImageOps.exif_transpose(image))
    except Exception as error:
        raise _damaged() from error


def _has_many_scans(content: bytes) -> bool:
    """Whether a JPEG has more scans or segments than encoders write.

    Segments are skipped by their length, as decoders do, and what follows the end is not read.
    Phones append a film there.
    """
    scans = position = 0
    for _ in range(_MAX_MARKERS):
        marker = _MARKER.search(content, position)
        if marker is None or marker[1][0] == _END:
            return False
        scans += marker[1][0] == _SCAN
        if scans > _MAX_SCANS:
            return True
        length = int.from_bytes(content[marker.end() : marker.end() + 2], "big")
        position = marker.end() + max(2, length)
    return True


def _plain(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I"):  # 16 bits for each pixel
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    if image.mode == "CMYK" and profile is None:
        return image.convert("RGB")
    has_alpha = image.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in image.info
    if profile is not None:
        image = _in_srgb(image, profile)
    return image.convert("RGBA" if has_alpha else "RGB")


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """The colours without their profile, which is metadata. Unchanged for a damaged profile."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        mode = "RGBA" if image.mode == "RGBA" else "RGB"
        source_mode = image if image.mode in {"RGB", "RGBA", "CMYK", "L"} else image.convert(mode)
        converted = ImageCms.profileToProfile(source_mode, source, target, outputMode=mode)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image
    return image if converted is None else converted


def _too_large() -> ImageTooLarge:
    return ImageTooLarge(max_pixels=MAX_PIXELS)


def _damaged() -> ValidationFailed:
    detail = "The image is damaged or incomplete. Save it anew and send it again."
    return ValidationFailed(FieldError("image", "invalid", detail))
