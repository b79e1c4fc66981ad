"""What a person sends to register."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import AnonymousUser

from accounts.models import User

from ..forms.answers import Strictness

Guest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class RegistrationRequest:
    """A person and their party, for an event.

    `email` is canonical, as `config.api.text.email_addresses` and every form and field return it.
    `user` is the account that the registration belongs to; None for a guest. `registered_by` is
    the account that makes the registration.

    `party_size` includes the registrant; `guests` are those who are named. `answers` and those of
    the guests are for the questions of the event. `form_version` is the version of the questions
    that the caller has read; None is the current one. `strictness` says what is checked of them.

    With `is_opened` an unlisted event is visible: the caller has its key, or it was checked before.
    Without it `registered_by` has to see the event. With `skips_mode` the registration mode of the
    event does not matter. Without `notify` there is no notification.
    """

    event_id: int
    name: str
    email: str
    user: User | None = None
    registered_by: User | None = None
    source: str = ""
    show_name: bool = False
    party_size: int = 1
    guests: Sequence[Guest] = ()
    answers: Mapping[str, Any] = field(default_factory=dict)
    form_version: int | None = None
    strictness: Strictness = Strictness.COMPLETE
    is_opened: bool = False
    skips_mode: bool = False
    notify: bool = True

    @property
    def viewer(self) -> User | AnonymousUser:
        """Whose view of the event counts."""
        return self.registered_by or AnonymousUser()

    @property
    def concerns_form(self) -> bool:
        """Whether anything in it is for the questions of the event."""
        has_answers = self.answers or any("answers" in guest for guest in self.guests)
        return bool(has_answers) or self.form_version is not None

    @property
    def was_accepted(self) -> bool:
        """Whether it was accepted before, and waited for the confirmation of its address."""
        return self.strictness == Strictness.ACCEPTED
