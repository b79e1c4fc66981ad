"""Images of events: encoding, the names of their files, and storing them."""

from .encoding import Encoded, encode
from .names import EventImage, image_of, is_file_name
from .storing import delete_unused, read_file, store

__all__ = [
    "Encoded",
    "EventImage",
    "delete_unused",
    "encode",
    "image_of",
    "is_file_name",
    "read_file",
    "store",
]
