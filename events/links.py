"""The link in the e-mail of an invitation."""

from django.conf import settings
from django.core import signing

_SIGNER = signing.Signer(salt="invitation")


def invitation_link(member_id: int) -> str:
    """The URL of the page where an invitation is answered."""
    return f"{settings.PUBLIC_URL}/invitation/?token={_SIGNER.sign(str(member_id))}"


def member_id_of(token: str) -> int | None:
    """None for a token that is not of such a link."""
    try:
        return int(_SIGNER.unsign(token))
    except (signing.BadSignature, ValueError):
        return None
