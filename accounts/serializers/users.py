"""Users: representation, profile, deletion."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from rest_framework import serializers

from config.api.fields import (
    NO_NAME,
    SPACE,
    ChoiceField,
    EmailAddressField,
    LineField,
    ObjectField,
    TextField,
    TrueOrFalseField,
    ZoneField,
)
from config.api.http.strict_bodies import unknown_field
from config.api.http.timezones import InstantField
from config.api.text.instants import render_instant
from config.errors import FieldError

from ..models import User, validate_username
from ..notifications import switchable_kinds
from .examples import USER_EXAMPLE, example


@example("User", USER_EXAMPLE)
class UserOut(serializers.ModelSerializer[User]):
    email = serializers.EmailField(source="shown_email", max_length=254, read_only=True)
    date_joined = InstantField()
    must_change_email = serializers.BooleanField(
        source="needs_address",
        required=False,
        help_text="True where the address turned out to be another account's mailbox, else left "
        "out. Until another one is given, nothing but the profile can be changed.",
    )

    class Meta:
        model = User
        fields: tuple[str, ...] = (
            "id",
            "username",
            "email",
            "email_verified",
            "role",
            "timezone",
            "date_joined",
            "must_change_email",
        )

    def to_representation(self, user: User) -> dict[str, Any]:
        """With `must_change_email` only where it is true.

        Rendered without DRF's fields, as `EventOut` is: building them takes longer than the rest.
        """
        fields = {
            "id": user.pk,
            "username": user.username,
            "email": user.shown_email,
            "email_verified": user.email_verified,
            "role": user.role,
            "timezone": user.timezone,
            "date_joined": render_instant(user.date_joined),
        }
        return fields | {"must_change_email": True} if user.needs_address else fields


class UsernameField(LineField):
    @property
    def schema_extra(self) -> dict[str, Any]:
        return {
            **super().schema_extra,
            "pattern": f"^[{SPACE}]*[^{NO_NAME}]{{1,150}}[{SPACE}]*$",
            "examples": ["asha"],
        }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=150, validators=[validate_username], **kwargs)


class PreferencesField(ObjectField):
    """Kinds of notification that can be switched off, each true or false."""

    child = TrueOrFalseField()

    @property
    def schema_extra(self) -> dict[str, Any]:
        names = [kind.name for kind in switchable_kinds()]
        return {
            "properties": {name: {"type": "boolean"} for name in names},
            "additionalProperties": False,
        }

    def run_child_validation(self, data: Mapping[str, Any]) -> Any:
        names = {kind.name for kind in switchable_kinds()}
        return super().run_child_validation({name: data[name] for name in data if name in names})

    def unknown_names(self, value: Any) -> Iterator[FieldError]:
        """For `strict_bodies`."""
        names = sorted(kind.name for kind in switchable_kinds())
        for name in value if isinstance(value, Mapping) else ():
            if name not in names:
                yield unknown_field(str(name), names)


@example(
    "Asha",
    {
        "email": "asha@example.com",
        "username": "asha",
        "role": "organizer",
        "timezone": "Asia/Kolkata",
    },
)
class ProfileIn(serializers.Serializer[User]):
    schema_name = "ProfileReplace"
    explained: ClassVar[dict[str, str]] = dict.fromkeys(
        ("password", "current_password", "new_password"),
        "Change the password with POST /api/password/change/.",
    )

    email = EmailAddressField()
    username = UsernameField()
    role = ChoiceField(choices=User.Role.choices, default=User.Role.ORGANIZER)
    timezone = ZoneField(default="UTC")
    notification_preferences = PreferencesField(
        required=False, help_text="Mails by kind; a kind that is left out stays as it is."
    )


@example("Password", {"password": "correct horse battery staple"})
class AccountDeletionIn(serializers.Serializer[User]):
    password = TextField(trim_whitespace=False, max_length=256, write_only=True)


class UserDeletionIn(AccountDeletionIn):
    """Staff need no password to delete the account of another person."""

    password = TextField(trim_whitespace=False, max_length=256, write_only=True, required=False)
