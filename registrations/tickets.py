"""Tickets and links that prove who holds them. Pure: values in, values out."""

import hmac
import io
from uuid import UUID

import segno
from django.conf import settings
from django.core.signing import Signer

_SIGNER = Signer(salt="registrations.manage", sep=":")


def manage_token(registration_id: UUID) -> str:
    """What lets a guest see and cancel a registration. Signed, so that nothing secret is stored."""
    return _SIGNER.signature(registration_id.hex)


def opens(token: str, registration_id: UUID) -> bool:
    expected = manage_token(registration_id)
    return hmac.compare_digest(token.encode(errors="replace"), expected.encode())


def manage_link(registration_id: UUID) -> str:
    """The page where its holder sees, corrects and cancels a registration."""
    token = manage_token(registration_id)
    return f"{settings.PUBLIC_URL}/registrations/{registration_id}/?token={token}"


def ticket_svg(ticket_code: str) -> bytes:
    """The code as a QR symbol (ISO/IEC 18004), with the quiet zone that scanners need."""
    return _drawn(ticket_code, "svg", scale=8)


def ticket_png(ticket_code: str) -> bytes:
    return _drawn(ticket_code, "png", scale=8)


def _drawn(ticket_code: str, kind: str, scale: int) -> bytes:
    out = io.BytesIO()
    segno.make_qr(ticket_code, error="m").save(out, kind=kind, scale=scale, border=4, light="#fff")
    return out.getvalue()
