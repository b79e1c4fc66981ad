"""Tickets, and the signed tokens of links in mails. Pure: values in, values out."""

import io
import struct
import zlib
from collections.abc import Callable
from uuid import UUID

import segno
from django.conf import settings
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode

from config.api.keys import is_signature, signature

from .models import AddressConfirmation


def manage_token(registration_id: UUID, link_version: int = 0, *, key: str | None = None) -> str:
    """The token that lets a guest view, edit and cancel a registration.

    The token is a signature, so no secret is stored. It changes with the registration's
    `link_version`. Without `key` the current key signs.
    """
    version = link_version.to_bytes(4) if link_version else b""
    return signature("registrations.manage", registration_id.bytes + version, key)


def feedback_token(registration_id: UUID, user_id: int, *, key: str | None = None) -> str:
    """The token that lets the account give feedback; it is not valid for a former holder."""
    return signature("registrations.feedback", registration_id.bytes + user_id.to_bytes(8), key)


def is_manage_token(token: str, registration_id: UUID, link_version: int) -> bool:
    return is_signature(token, lambda key: manage_token(registration_id, link_version, key=key))


def is_feedback_token(token: str, registration_id: UUID, user_id: int) -> bool:
    return is_signature(token, lambda key: feedback_token(registration_id, user_id, key=key))


def confirmation_token(request_id: UUID, version: int, *, key: str | None = None) -> str:
    """The token that confirms the address of a request to register."""
    proof = signature("registrations.confirm", request_id.bytes + version.to_bytes(4), key)
    return f"{urlsafe_base64_encode(request_id.bytes)}.{proof}"


def read_confirmation_token(
    token: str, find: Callable[[UUID], AddressConfirmation | None]
) -> AddressConfirmation | None:
    """The request of a token, if the token is valid for its version. `find` gets a request."""
    encoded, _, _ = token.partition(".")
    try:
        request = find(UUID(bytes=urlsafe_base64_decode(encoded)))
    except ValueError:
        return None
    if request is None or not is_signature(
        token, lambda key: confirmation_token(request.pk, request.version, key=key)
    ):
        return None
    return request


def confirmation_link(request_id: UUID, version: int) -> str:
    """The URL of the page where a guest confirms an address."""
    token = confirmation_token(request_id, version)
    return f"{settings.PUBLIC_URL}/registrations/confirm/?token={token}"


def manage_link(registration_id: UUID, link_version: int = 0) -> str:
    """The URL of the page where the holder views, corrects and cancels a registration."""
    token = manage_token(registration_id, link_version)
    return f"{settings.PUBLIC_URL}/registrations/{registration_id}/?token={token}"


def feedback_link(registration_id: UUID, user_id: int) -> str:
    """The URL of the page where the registration's account gives feedback."""
    token = feedback_token(registration_id, user_id)
    return f"{settings.PUBLIC_URL}/registrations/{registration_id}/feedback/?token={token}"


def ticket_svg(ticket_code: str) -> bytes:
    """The code as a QR symbol (ISO/IEC 18004) with the quiet zone that scanners need."""
    out = io.BytesIO()
    _symbol(ticket_code).save(out, kind="svg", scale=8, border=_QUIET, light="#fff")
    return out.getvalue()


def ticket_png(ticket_code: str) -> bytes:
    """The same as a grey PNG (ISO/IEC 15948) with one bit for each pixel.

    A module is eight pixels wide, which is one byte of a row. The library's writer handles single
    pixels and takes ten times as long, and each mail with a ticket has such a file.
    """
    margin = b"\xff" * _QUIET
    rows = [margin + row.translate(_GREYS) + margin for row in _symbol(ticket_code).matrix]
    width = len(rows) + 2 * _QUIET
    blank = b"\xff" * width
    lines = [*[blank] * _QUIET, *rows, *[blank] * _QUIET]
    pixels = b"".join((b"\0" + line) * 8 for line in lines)
    size = struct.pack(">IIBBBBB", 8 * width, 8 * width, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", size), (b"IDAT", zlib.compress(pixels)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


_QUIET = 4  # modules
# Scanners read every mask. Comparing all eight takes four fifths of the time of a symbol, and a
# random code gains little by it: see docs/decisions/registration.md.
_MASK = 0
_GREYS = bytes([0xFF, 0x00]) + bytes(254)  # of a light and a dark module


def _symbol(ticket_code: str) -> segno.QRCode:
    return segno.make_qr(ticket_code, error="m", mask=_MASK)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
