"""Files of images in Django's default storage: local, or an object store by setting."""

import logging
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from config.errors import TemporarilyUnavailable

from .encoding import Encoded
from .names import FOLDER, file_name, is_file_name, new_name

logger = logging.getLogger(__name__)

# An upload is stored before the event refers to it, and readers may have the page of a former one.
_MIN_AGE = timedelta(days=1)


def store(encoded: Encoded) -> str:
    """Stores the files and returns their name. Raises `TemporarilyUnavailable`."""
    name = new_name(encoded.width, encoded.height)
    try:
        for width, content in encoded.files.items():
            default_storage.save(f"{FOLDER}/{file_name(name, width)}", ContentFile(content))
    except OSError as error:  # a full disk, or a directory that may not be written
        logger.exception("an image could not be stored")
        detail = "Images cannot be stored just now. Try again after the seconds in Retry-After."
        raise TemporarilyUnavailable(detail, retry_after=60) from error
    return name


def read_file(file: str) -> bytes | None:
    """The content of a file. None if there is none, or if its name is not that of an image."""
    if not is_file_name(file):
        return None
    try:
        with default_storage.open(f"{FOLDER}/{file}") as opened:
            return bytes(opened.read())
    except FileNotFoundError:
        return None


def delete_unused(used_names: Iterable[str]) -> int:
    """Deletes the files of more than a day ago whose image no event has; returns their number."""
    used, now, deleted = set(used_names), timezone.now(), 0
    try:
        _, files = default_storage.listdir(FOLDER)
    except FileNotFoundError:  # there was no image yet
        return 0
    for file in files:
        path = f"{FOLDER}/{file}"
        if not is_file_name(file) or file.rpartition("-")[0] in used:
            continue
        with suppress(FileNotFoundError):
            if now - default_storage.get_modified_time(path) > _MIN_AGE:
                default_storage.delete(path)
                deleted += 1
    return deleted
