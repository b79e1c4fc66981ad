"""Renders a notification from its row and its facts."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django.conf import settings
from django.template.loader import get_template
from django.utils import timezone

from config.api.site import site_name

from ..models import Notification, User
from .kinds import Facts, Kind, find_kind
from .unsubscribing import unsubscribe_url

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_SUBJECT_LENGTH = 255
_SEVERAL = "accounts/mail/several.html"


@dataclass(frozen=True)
class Recipient:
    email: str
    user: User | None
    timezone: str


def load_facts(rows: Iterable[Notification]) -> dict[int, Facts]:
    """The facts of rows by primary key. A row that no longer applies has no entry."""
    by_kind: dict[str, list[Notification]] = {}
    for row in rows:
        by_kind.setdefault(row.kind, []).append(row)
    facts: dict[int, Facts] = {}
    for name, of_kind in by_kind.items():
        kind = find_kind(name)
        if kind is not None:
            facts.update(kind.load(of_kind))
    return facts


def render_notice(kind: Kind, row: Notification, facts: Facts) -> tuple[str, str]:
    """Subject and short text, each one line."""
    return _one_line(_render("subject", kind, row, facts))[:_SUBJECT_LENGTH], _one_line(
        _render("notice", kind, row, facts)
    )


def render_mail(kind: Kind, row: Notification, facts: Facts) -> tuple[str, str]:
    """The mail as text and as HTML. The row has its subject and short text already.

    Facts named `subject` and `preview` replace those two.
    """
    context = {"subject": row.subject, "preview": row.body, **facts}
    return _render("text", kind, row, context).strip() + "\n", _render("html", kind, row, context)


def render_several(
    kind: Kind, first: Notification, items: Sequence[Mapping[str, str]]
) -> tuple[str, str, str]:
    """Subject, text and HTML of one mail for several rows of a kind.

    Each item has a `subject`, a `notice` and a `url`, which may be empty. `first` is the first row.
    """
    more = f" (and {len(items) - 1} more)"
    subject = items[0]["subject"][: _SUBJECT_LENGTH - len(more)] + more
    context = {"items": items, "subject": subject, "preview": items[0]["notice"]}
    text = _render("text", kind, first, context, template=_SEVERAL).strip() + "\n"
    return subject, text, _render("html", kind, first, context, template=_SEVERAL)


def _render(part: str, kind: Kind, row: Notification, facts: Facts, *, template: str = "") -> str:
    recipient = _recipient(row, facts)
    context = {
        **facts,
        "part": part,
        "kind": kind,
        "recipient": recipient,
        "site_name": site_name(),
        "site_url": settings.PUBLIC_URL,
        "unsubscribe_url": unsubscribe_url(row) if kind.switchable else "",
    }
    with timezone.override(ZoneInfo(recipient.timezone)):
        return get_template(template or kind.template).render(context)


def _recipient(row: Notification, facts: Mapping[str, object]) -> Recipient:
    zone = row.user.timezone if row.user else str(facts.get("timezone") or "UTC")
    return Recipient(row.email, row.user, zone)


def _one_line(text: str) -> str:
    """The text without line breaks, which would begin another header of the mail."""
    return " ".join(_CONTROL.sub(" ", text).split())
