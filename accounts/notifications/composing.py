"""Composes messages: RFC 5322, MIME, and the headers that mail clients act on."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import parseaddr
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from config.api.text.email_addresses import (
    ascii_address,
    ascii_host,
    deliverable_address,
    needs_smtputf8,
)

from ..models import Notification
from .defanging import defanged_facts, defanged_text
from .kinds import Attachment, Facts, Kind
from .rendering import render_mail, render_several
from .unsubscribing import unsubscribe_url

_LONGEST_LINE = 900  # RFC 5322, section 2.1.1 allows 998


class _Policy(EmailPolicy):
    """Writes ASCII headers unfolded.

    The standard library writes a URL that is longer than a line, such as that of List-Unsubscribe,
    as encoded words (RFC 2047), which are invalid there.
    """

    def fold(self, name: str, value: Any) -> str:
        line = f"{name}: {value}"
        if line.isascii() and len(line) < _LONGEST_LINE:
            return f"{line}{self.linesep}"
        return str(super().fold(name, value))

    def fold_binary(self, name: str, value: Any) -> bytes:
        charset = "utf-8" if self.utf8 else "ascii"
        return self.fold(name, value).encode(charset, "surrogateescape")


# Line ends inside base64 are not converted on the way, so they are CRLF already.
_POLICY = _Policy(cte_type="7bit", linesep="\r\n")
_UTF8_POLICY = _POLICY.clone(utf8=True)  # RFC 6532


class _Message(EmailMessage):
    """A message with the parameter `linesep` of Django's SMTP backend."""

    def as_bytes(self, unixfrom: bool = False, policy: Any = None, linesep: str = "\n") -> bytes:
        return super().as_bytes(unixfrom, policy or self.policy.clone(linesep=linesep))


class Mail:
    """One message to one recipient, for Django's e-mail backends.

    `to` is the address as people write it. `recipients` and the header have it with A-labels, which
    nothing converts. Django would convert other forms by IDNA 2003, which sends mail for
    faß.example to fass.example.
    """

    encoding = "utf-8"

    def __init__(self, *, to: str, subject: str, text: str, html: str) -> None:
        self.from_email = settings.DEFAULT_FROM_EMAIL
        self.to = [to]
        self.subject = subject
        self.text = text
        self.html = html
        self.headers: dict[str, str] = {}
        self.attachments: list[Attachment] = []

    def recipients(self) -> list[str]:
        """Raises `InvalidAddress`."""
        return [deliverable_address(address) for address in self.to]

    @property
    def sender(self) -> str:
        """The address of the envelope, without a name."""
        return _sender().addr_spec

    def message(self) -> _Message:
        """Raises `InvalidAddress`, and `ValueError` where a header has a line break."""
        [address] = self.recipients()
        made = _Message(_UTF8_POLICY if needs_smtputf8(address) else _POLICY)
        made["From"] = _sender()
        made["To"] = address
        made["Subject"] = self.subject
        made["Date"] = datetime.now(UTC)
        for name, value in self.headers.items():
            made[name] = value
        made.set_content(self.text)
        made.add_alternative(self.html, subtype="html")
        *_, html = made.iter_parts()
        for attached in self.attachments:
            main, _, sub = attached.content_type.partition("/")
            if attached.inline:
                html.add_related(
                    attached.content, main, sub, cid=f"<{attached.inline}>",
                    disposition="inline", filename=attached.filename,
                )  # fmt: skip
            elif main == "text":
                made.add_attachment(
                    attached.content.decode(), subtype=sub, filename=attached.filename,
                    params=dict(attached.parameters),
                )  # fmt: skip
            else:
                made.add_attachment(
                    attached.content, main, sub, filename=attached.filename,
                    params=dict(attached.parameters),
                )  # fmt: skip
        return made


def compose(kind: Kind, row: Notification, facts: Facts, *, is_guarded: bool = False) -> Mail:
    """The mail of a row that has its subject, its short text and its `message_id`.

    A guarded mail has defanged text. The row has the original text, for the inbox.
    """
    subject = row.subject
    if is_guarded:
        subject, preview = defanged_text(row.subject), defanged_text(row.body)
        guarded = defanged_facts(facts, recipient=row.email)
        facts = {**guarded, "subject": subject, "preview": preview}
    text, html = render_mail(kind, row, facts)
    mail = Mail(to=row.email, subject=subject, text=text, html=html)
    mail.attachments = list(kind.attach(row, facts))
    mail.headers = dict(_headers(kind, row))
    return mail


def compose_several(kind: Kind, rows: Sequence[Notification], facts: Sequence[Facts]) -> Mail:
    """One guarded mail for several rows of a kind to one mailbox.

    It has the `message_id` of the first row, and no files. Of each row it has the subject, the fact
    `in_full` or else the short text, and the fact `manage_url` or else `confirm_url`, which are the
    service's own links.
    """
    first = rows[0]
    items = [
        {
            "subject": defanged_text(row.subject),
            "notice": defanged_text(each.get("in_full") or row.body),
            "url": each.get("manage_url") or each.get("confirm_url", ""),
        }
        for row, each in zip(rows, facts, strict=True)
    ]
    subject, text, html = render_several(kind, first, items)
    mail = Mail(to=first.email, subject=subject, text=text, html=html)
    mail.headers = dict(_headers(kind, first))
    for name in ("In-Reply-To", "References"):  # it is about several events
        mail.headers.pop(name, None)
    return mail


def message_id(row: Notification) -> str:
    """The Message-ID, which is the same for every attempt, so that clients merge duplicates."""
    digest = hashlib.sha256(row.key.encode()).hexdigest()[:32]
    return f"<{digest}@{_domain()}>"


def _headers(kind: Kind, row: Notification) -> Iterable[tuple[str, str]]:
    yield "Message-ID", row.message_id
    if row.event_id is not None:
        # All mails of an event refer to a mail that does not exist, so clients show one thread.
        thread = f"<event-{row.event_id}@{_domain()}>"
        yield "In-Reply-To", thread
        yield "References", thread
    yield "Auto-Submitted", "auto-generated"  # RFC 3834: no automatic replies
    yield "X-Auto-Response-Suppress", "All"  # the same for Exchange
    if kind.switchable:
        yield "List-Unsubscribe", f"<{unsubscribe_url(row)}>"
        yield "List-Unsubscribe-Post", "List-Unsubscribe=One-Click"  # RFC 8058


def _sender() -> Address:
    name, address = parseaddr(settings.DEFAULT_FROM_EMAIL)
    return Address(display_name=name, addr_spec=ascii_address(address))


def _domain() -> str:
    return ascii_host(urlsplit(settings.PUBLIC_URL).hostname or "localhost")
