"""The names and addresses of the files of an image."""

import re
import secrets
from dataclasses import dataclass
from typing import Any

from django.conf import settings

FOLDER = "events"
MAX_WIDTH = 1600
_PARTS = (0.3, 0.6, 1)  # of the largest width: 480, 960 and 1,600 pixels
_NAME = re.compile(r"[0-9a-f]{32}-([1-9][0-9]{0,3})x([1-9][0-9]{0,4})")
_FILE = re.compile(rf"{_NAME.pattern}-[1-9][0-9]{{0,3}}\.webp")


@dataclass(frozen=True)
class EventImage:
    """An image that is stored. `srcset` is that of HTML, from the smallest width."""

    url: str
    srcset: str
    alt: str
    smallest_url: str
    width: int
    height: int


def new_name(width: int, height: int) -> str:
    """A name that no file has yet, so that an address always shows the same image."""
    return f"{secrets.token_hex(16)}-{width}x{height}"


def widths_of(width: int) -> list[int]:
    """Three widths, of which the largest is the image's own."""
    return sorted({max(1, round(width * part)) for part in _PARTS})


def file_name(name: str, width: int) -> str:
    return f"{name}-{width}.webp"


def is_file_name(text: str) -> bool:
    return _FILE.fullmatch(text) is not None


def image_of(event: Any) -> EventImage | None:
    """The image of an event; None if it has none."""
    name: str = event.image_name
    size = _NAME.fullmatch(name) if name else None
    if size is None:
        return None
    width, height = int(size[1]), int(size[2])
    base = f"{settings.MEDIA_URL}{FOLDER}/{name}"
    urls = [(f"{base}-{each}.webp", each) for each in widths_of(width)]
    return EventImage(
        url=urls[-1][0],
        srcset=", ".join(f"{url} {each}w" for url, each in urls),
        alt=event.image_alt,
        smallest_url=urls[0][0],
        width=width,
        height=height,
    )
