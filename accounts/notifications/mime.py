"""Writes headers (RFC 5322, RFC 2047) and bodies (RFC 2045, RFC 2046) of messages as bytes.

The standard library's `EmailMessage` parses each header that is set. A mail with a ticket has 38 of
them, and writing it took half of the mailer's processor time. Tests parse every mail with that
library.
"""

import secrets
from base64 import encodebytes
from binascii import b2a_qp
from collections.abc import Mapping, Sequence
from email.header import Header
from email.headerregistry import Address

_LONGEST_HEADER = 900  # RFC 5322, section 2.1.1 allows 998
_LONGEST_LINE = 78


def header(name: str, value: str) -> bytes:
    """A header with any text. ASCII stays unfolded, as a long URL cannot be folded.

    Raises `ValueError` for a text with a line break.
    """
    # A text that looks like an encoded word would be decoded.
    if value.isascii() and "=?" not in value and len(value) <= _LONGEST_HEADER:
        return field(name, value)
    _require_one_line(name, value)
    folded = Header(value, "utf-8", header_name=name).encode(linesep="\r\n")
    return f"{name}: {folded}\r\n".encode()


def field(name: str, value: str) -> bytes:
    """A header whose value is encoded already. Raises `ValueError` for one with a line break."""
    _require_one_line(name, value)
    return f"{name}: {value}\r\n".encode()


def _require_one_line(name: str, value: str) -> None:
    if "\r" in value or "\n" in value:
        raise ValueError(f"A line break in {name}.")


def mailbox(name: str, address: str) -> str:
    """An address with a name, for `field`."""
    if name.isascii() and "=?" not in name and len(name) <= _LONGEST_HEADER:
        return str(Address(name, addr_spec=address))
    return f"{Header(name, 'utf-8').encode(linesep='')} <{address}>"


def text_part(
    text: str,
    subtype: str,
    *,
    parameters: Mapping[str, str] | None = None,
    filename: str = "",
) -> bytes:
    """A text with CRLF line ends, which the way to the recipient does not change.

    With a `filename` it is an attachment. Names and parameters are ASCII.
    """
    body, encoding = _encoded(b"\r\n".join([*text.encode().splitlines(), b""]))
    fields = {"charset": "utf-8", **(parameters or {})}
    head = field("Content-Type", "; ".join([f"text/{subtype}", *_quoted(fields)]))
    if filename:
        head += _disposition("attachment", filename)
    return head + field("Content-Transfer-Encoding", encoding) + b"\r\n" + body


def file_part(content: bytes, content_type: str, filename: str, *, content_id: str = "") -> bytes:
    """A file: an attachment, or with a `content_id` a part that the HTML refers to."""
    head = field("Content-Type", content_type)
    head += field("Content-Transfer-Encoding", "base64")
    head += _disposition("inline" if content_id else "attachment", filename)
    if content_id:
        head += field("Content-ID", f"<{content_id}>")
    return head + b"\r\n" + _base64(content)


def multipart(subtype: str, parts: Sequence[bytes]) -> bytes:
    """One part of several."""
    boundary = f"=_{secrets.token_hex(16)}"
    delimiter = f"\r\n--{boundary}\r\n".encode()
    head = field("Content-Type", f'multipart/{subtype}; boundary="{boundary}"')
    return b"%b%b%b\r\n--%b--\r\n" % (head, delimiter, delimiter.join(parts), boundary.encode())


def _quoted(fields: Mapping[str, str]) -> list[str]:
    return [f'{name}="{value}"' for name, value in fields.items()]


def _disposition(kind: str, filename: str) -> bytes:
    return field("Content-Disposition", f'{kind}; filename="{filename}"')


def _encoded(content: bytes) -> tuple[bytes, str]:
    """The content in ASCII with short lines, and the name of its encoding."""
    if content.isascii() and max(map(len, content.split(b"\r\n"))) <= _LONGEST_LINE:
        return content, "7bit"
    quoted = b2a_qp(content)
    if len(quoted) <= len(content) * 4 // 3:
        return quoted, "quoted-printable"
    return _base64(content), "base64"


def _base64(content: bytes) -> bytes:
    return encodebytes(content).replace(b"\n", b"\r\n")
