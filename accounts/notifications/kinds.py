"""What there is to tell. Each app registers its kinds; nobody else knows them by name."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ..models import Notification

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Attachment:
    """A file of a mail. With `inline` it is an image that the HTML shows as `cid:<inline>`."""

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

    `load` answers the facts of a batch by the rows' primary keys; a row that it leaves out no
    longer holds, and is dropped. `switchable`: whether people may switch its mails off; account
    security may not. `in_app`: whether the inbox shows it. `mail`: whether it is mailed.
    `cannot_wait`: whether its mails have the share of cancelled events; see `budget`.
    `sample` makes facts up, for staff who look at what a mail is like.
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
        """Somebody waits for a mail of account security, so it goes before whatever queues."""
        return not self.switchable

    @property
    def share(self) -> Share:
        if self.is_urgent:
            return Share.SECURITY
        return Share.CANCELLED_EVENT if self.cannot_wait else Share.OTHER

    @property
    def is_vital(self) -> bool:
        """Whether a mail of this kind is deferred for as long as it holds, and never given up."""
        return self.share is not Share.OTHER


_KINDS: dict[str, Kind] = {}


def register_kind(kind: Kind) -> None:
    """Make a kind known; called by `AppConfig.ready`."""
    if not re.fullmatch("[a-z0-9_]{1,40}", kind.name):
        raise ValueError(f"{kind.name!r} is no name that a link and a column can hold.")
    if _KINDS.setdefault(kind.name, kind) != kind:
        raise ValueError(f"There are two kinds of the name {kind.name!r}.")


def find_kind(name: str) -> Kind | None:
    """None for a kind that this version no longer knows."""
    return _KINDS.get(name)


def kinds() -> list[Kind]:
    return list(_KINDS.values())


def switchable_kinds() -> list[Kind]:
    return [kind for kind in kinds() if kind.switchable]


def shown_kinds() -> list[str]:
    """The names of those that the inbox shows."""
    return [kind.name for kind in kinds() if kind.in_app]
