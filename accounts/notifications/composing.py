"""Composes messages: RFC 5322, MIME, and the headers that mail clients act on."""

import hashlib
import itertools
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from email.utils import format_datetime, parseaddr
from urllib.parse import urlsplit

from django.conf import settings

from config.api.bounded_cache import bounded_cache
from config.api.text.email_addresses import (
    ascii_address,
    ascii_host,
    deliverable_address,
)

from ..models import Notification
from . import mime
from .defanging import defanged_facts, defanged_text
from .kinds import Attachment, Facts, Kind
from .rendering import render_mail, render_several
from .unsubscribing import unsubscribe_url


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
        _, address = _sender()
        return address

    def as_bytes(self) -> bytes:
        """The message. Raises `InvalidAddress`, and `ValueError` for a header with a line break."""
        [address] = self.recipients()
        head = [
            mime.field("From", mime.mailbox(*_sender())),
            mime.field("To", address),  # not ASCII with SMTPUTF8 (RFC 6532)
            mime.header("Subject", self.subject),
            mime.field("Date", format_datetime(datetime.now(UTC))),
            *itertools.starmap(mime.header, self.headers.items()),
            mime.field("MIME-Version", "1.0"),
        ]
        return b"".join([*head, self._body()])

    def message(self) -> EmailMessage:
        """The parsed message. Django's backend for tests calls it."""
        return message_from_bytes(self.as_bytes(), policy=default)

    def _body(self) -> bytes:
        html = mime.text_part(self.html, "html")
        images = [_part_of(file) for file in self.attachments if file.inline]
        if images:
            html = mime.multipart("related", [html, *images])
        body = mime.multipart("alternative", [mime.text_part(self.text, "plain"), html])
        files = [_part_of(file) for file in self.attachments if not file.inline]
        return mime.multipart("mixed", [body, *files]) if files else body


def _part_of(file: Attachment) -> bytes:
    main, _, sub = file.content_type.partition("/")
    if main == "text" and not file.inline:
        return mime.text_part(
            file.content.decode(), sub, parameters=file.parameters, filename=file.filename
        )
    return mime.file_part(file.content, file.content_type, file.filename, content_id=file.inline)


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


def _sender() -> tuple[str, str]:
    """Name and address of `DEFAULT_FROM_EMAIL`."""
    return _mailbox_in(settings.DEFAULT_FROM_EMAIL)


@bounded_cache(16)
def _mailbox_in(text: str) -> tuple[str, str]:
    name, address = parseaddr(text)
    return name, ascii_address(address)


def _domain() -> str:
    return ascii_host(urlsplit(settings.PUBLIC_URL).hostname or "localhost")
