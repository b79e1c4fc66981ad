"""The mails that are due, rendered as the mailer renders them: see `due_mails`."""

from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from django.utils import timezone

from accounts.models import Notification
from accounts.notifications import Attachment, find_kind
from accounts.notifications.rendering import load_facts, render_mail, render_notice


@dataclass(frozen=True)
class Mail:
    kind: str
    to: str
    subject: str
    notice: str
    text: str
    html: str
    attachments: list[Attachment]

    @property
    def calendar(self) -> str:
        """The lines of the calendar file, unfolded."""
        (file,) = (file for file in self.attachments if file.content_type == "text/calendar")
        return file.content.decode().replace("\r\n ", "")

    @property
    def method(self) -> str:
        (file,) = (file for file in self.attachments if file.content_type == "text/calendar")
        assert f"METHOD:{file.parameters['method']}\r\n" in self.calendar
        return file.parameters["method"]

    @property
    def has_ticket(self) -> bool:
        return [file.inline for file in self.attachments if file.inline] == ["ticket"]


def due_mails() -> list[Mail]:
    """The due mails that are not outdated, oldest first. Marks all as sent or dropped.

    Mails of one statement, whose order PostgreSQL chooses, are in the order of their addresses.
    """
    State = Notification.State
    due = Notification.objects.filter(state=State.PENDING, due_at__lte=timezone.now())
    rows = [
        row
        for _, same in groupby(
            due.select_related("user").order_by("id"), key=attrgetter("created_at", "kind")
        )
        for row in sorted(same, key=attrgetter("email"))
    ]
    facts = load_facts(rows)
    mails = []
    for row in rows:
        row.state = State.SENT if row.pk in facts else State.DROPPED
        if row.pk in facts:
            kind = find_kind(row.kind)
            row.subject, row.body = render_notice(kind, row, facts[row.pk])
            text, html = render_mail(kind, row, facts[row.pk])
            attachments = list(kind.attach(row, facts[row.pk]))
            mails.append(Mail(row.kind, row.email, row.subject, row.body, text, html, attachments))
        row.save()
    return mails


def outline() -> list[tuple[str, str]]:
    """The kind and the local part of the address of each of `due_mails`."""
    return [(mail.kind, mail.to.partition("@")[0]) for mail in due_mails()]
