"""Images for tests."""

import io
from typing import Any

from PIL import Image


def image_file(
    kind: str = "PNG", size: tuple[int, int] = (40, 20), color: Any = "red", **options: Any
) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, color).save(out, kind, **options)
    return out.getvalue()


PNG = image_file()
