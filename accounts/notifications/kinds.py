"""Kinds of notifications. Each app registers its own."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ..models import Notification

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Attachment:
    """A file of a mail. With `inline` it is an image that the HTML refers to as `cid:<inline>`."""

    content: bytes
    content_type: str
    filename: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    inline: str = ""


class Share(StrEnum):
    """The part of a mailbox's budget that a mail is taken from; see `budget`."""

    SECURITY = "security"
    CANCELLED_EVENT = "cancelled_event"
    OTHER = "other"


def _no_attachments(row: Notification, facts: Facts) -> Iterable[Attachment]:
    return ()


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of notification.

    `load` returns the facts of a batch by the rows' primary keys. A row that it omits no longer
    applies, and is dropped. `switchable`: whether recipients may switch its mails off; they may not
    for account security. `in_app`: whether the inbox shows it. `mail`: whether it is mailed.
    `cannot_wait`: whether its mails have the share of cancelled events; see `budget`.
    `sample` returns invented facts, for the preview in the admin.
    """

    name: str
    title: str
    template: str
    load: Callable[[Sequence[Notification]], Mapping[int, Facts]]
    attach: Callable[[Notification, Facts], Iterable[Attachment]] = _no_attachments
    switchable: bool = True
    in_app: bool = True
    mail: bool = True
    cannot_wait: bool = False
    sample: Callable[[], Facts] | None = None

    @property
    def is_urgent(self) -> bool:
        """Whether it is delivered before others, as account security is."""
        return not self.switchable

    @property
    def share(self) -> Share:
        if self.is_urgent:
            return Share.SECURITY
        return Share.CANCELLED_EVENT if self.cannot_wait else Share.OTHER

    @property
    def is_vital(self) -> bool:
        """Whether a mail is deferred for as long as it applies, and never given up."""
        return self.share is not Share.OTHER


_KINDS: dict[str, Kind] = {}


def register_kind(kind: Kind) -> None:
    """Register a kind. `AppConfig.ready` calls this."""
    if not re.fullmatch("[a-z0-9_]{1,40}", kind.name):
        raise ValueError(f"A kind has at most 40 lower-case letters, digits and _: {kind.name!r}.")
    if _KINDS.setdefault(kind.name, kind) != kind:
        raise ValueError(f"There are two kinds of the name {kind.name!r}.")


def find_kind(name: str) -> Kind | None:
    """None for a kind of another version."""
    return _KINDS.get(name)


def kinds() -> list[Kind]:
    return list(_KINDS.values())


def switchable_kinds() -> list[Kind]:
    return [kind for kind in kinds() if kind.switchable]


def shown_kinds() -> list[str]:
    """The names of the kinds that the inbox shows."""
    return [kind.name for kind in kinds() if kind.in_app]
