"""The rendered mails of a mailbox."""

import re
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from accounts.models import Notification
from accounts.notifications import find_kind
from accounts.notifications.rendering import load_facts, render_mail, render_notice


class Mail(NamedTuple):
    subject: str
    text: str
    html: str

    @property
    def links(self) -> list[str]:
        return re.findall(r"^https?://\S+/\S+$", self.text, re.MULTILINE)

    @property
    def token(self) -> str:
        [link] = [link for link in self.links if "token=" in link]
        return parse_qs(urlsplit(link).query)["token"][0]


def mails_to(address: str) -> list[Mail]:
    """The pending mails to an address, rendered now, the oldest first."""
    rows = list(Notification.objects.filter(email=address, state="pending").order_by("id"))
    facts = load_facts(rows)
    return [_read(row, facts[row.pk]) for row in rows if row.pk in facts]


def _read(row: Notification, facts) -> Mail:
    kind = find_kind(row.kind)
    row.subject, row.body = render_notice(kind, row, facts)
    return Mail(row.subject, *render_mail(kind, row, facts))
