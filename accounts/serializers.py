from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, TypeVar

from django.contrib.auth import password_validation
from django.core.exceptions import ValidationError
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from config.api.fields import (
    NO_NAME,
    SPACE,
    ChoiceField,
    EmailAddressField,
    LineField,
    ListField,
    ObjectField,
    TextField,
    TrueOrFalseField,
    WholeNumberField,
    ZoneField,
)
from config.api.http.strict_bodies import unknown_field
from config.api.http.timezones import InstantField
from config.errors import FieldError

from .models import Notification, Session, User, validate_username
from .notifications import switchable_kinds
from .tokens import network_of, session_id_of

S = TypeVar("S", bound=serializers.Serializer[Any])

USER_EXAMPLE = {
    "id": 7,
    "username": "asha",
    "email": "asha@example.com",
    "email_verified": True,
    "role": "organizer",
    "timezone": "Asia/Kolkata",
    "date_joined": "2026-11-20T10:30:00Z",
}
_LINK_EXAMPLE = "7.1795251600.q0tHnJ0x3vVw5mC2e8Zr1bKd6sYpLfGuAiTnXoWcE9M"
_TOKENS_EXAMPLE = {
    "access": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3In0.8m0ZqkX3",
    "refresh": "eyJhbGciOiJIUzI1NiJ9.eyJqdGkiOiI0MiJ9.p1Vt6yQd",
}


def _example(name: str, value: dict[str, Any]) -> Callable[[type[S]], type[S]]:
    return extend_schema_serializer(examples=[OpenApiExample(name, value)])


@_example("User", USER_EXAMPLE)
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
        """With `must_change_email` where that is so, and nowhere else."""
        shown = super().to_representation(user)
        if not user.needs_address:
            del shown["must_change_email"]
        return shown


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


@_example(
    "Asha",
    {
        "email": "asha@example.com",
        "password": "correct horse battery staple",
        "timezone": "Asia/Kolkata",
    },
)
class SignUpIn(serializers.Serializer[User]):
    email = EmailAddressField()
    password = TextField(trim_whitespace=False, max_length=256, write_only=True)
    username = UsernameField(
        required=False, help_text="Left out: made from the address's local part."
    )
    role = ChoiceField(choices=User.Role.choices, default=User.Role.ORGANIZER)
    timezone = ZoneField(default="UTC", help_text="IANA name.")

    def validate_password(self, password: str) -> str:
        """Weakness that shows without the other fields, told together with what they have wrong."""
        try:
            password_validation.validate_password(password)
        except ValidationError as error:
            raise serializers.ValidationError(error.messages, "password_too_weak") from error
        return password


@_example(
    "By e-mail address", {"email": "asha@example.com", "password": "correct horse battery staple"}
)
class SignInIn(serializers.Serializer[User]):
    """The password with either the e-mail address or the user name."""

    schema_extra: ClassVar[dict[str, Any]] = {
        "if": {"not": {"required": ["email"]}},
        "then": {"required": ["username"]},
    }

    email = TextField(required=False, max_length=254)
    username = TextField(required=False, max_length=254)
    password = TextField(trim_whitespace=False, max_length=256, write_only=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        login = attrs.get("email") or attrs.get("username")
        if not login:
            raise serializers.ValidationError(
                {"email": serializers.ErrorDetail("Send email or username.", "required")}
            )
        return {"login": login, "password": attrs["password"]}


@_example("Tokens", _TOKENS_EXAMPLE)
class TokensOut(serializers.Serializer[Any]):
    access = serializers.CharField(help_text="For the header Authorization: Bearer <access>.")
    refresh = serializers.CharField(help_text="Works once, at /api/token/refresh/.")


@_example("Asha", {**USER_EXAMPLE, "email_verified": False, **_TOKENS_EXAMPLE})
class SignedUpOut(UserOut):
    access = serializers.CharField(read_only=True)
    refresh = serializers.CharField(read_only=True)

    class Meta(UserOut.Meta):
        fields = (*UserOut.Meta.fields, "access", "refresh")


@_example("Asha", {**_TOKENS_EXAMPLE, "user": USER_EXAMPLE})
class SignedInOut(TokensOut):
    user = UserOut()


@_example("Refresh token", {"refresh": _TOKENS_EXAMPLE["refresh"]})
class RefreshIn(serializers.Serializer[Any]):
    schema_name = "TokenRefresh"

    refresh = TextField(max_length=4096)


class PreferencesField(ObjectField):
    """Kinds of notification that may be switched off, each true or false."""

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


@_example(
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


@_example(
    "New password",
    {"current_password": "correct horse battery staple", "password": "eleven quiet green rivers"},
)
class PasswordChangeIn(serializers.Serializer[User]):
    current_password = TextField(trim_whitespace=False, max_length=256, write_only=True)
    password = TextField(trim_whitespace=False, max_length=256, write_only=True)


@_example("Password", {"password": "correct horse battery staple"})
class AccountDeletionIn(serializers.Serializer[User]):
    password = TextField(trim_whitespace=False, max_length=256, write_only=True)


class UserDeletionIn(AccountDeletionIn):
    """The password is wanted of who deletes their own account."""

    password = TextField(trim_whitespace=False, max_length=256, write_only=True, required=False)


@_example(
    "Registration confirmed",
    {
        "id": 101,
        "kind": "registration_confirmed",
        "subject": "You have a seat at Global AI Summit",
        "body": "15 March 2032, 14:30 IST, Bengaluru International Exhibition Centre",
        "event": 1,
        "created_at": "2026-11-21T08:00:00Z",
        "read_at": None,
    },
)
class NotificationOut(serializers.ModelSerializer[Notification]):
    event = serializers.IntegerField(source="event_id", allow_null=True, help_text="Its id.")
    created_at = InstantField(source="due_at", help_text="Since when it is in the inbox.")
    read_at = InstantField(allow_null=True)

    class Meta:
        model = Notification
        fields = ("id", "kind", "subject", "body", "event", "created_at", "read_at")


class TrueField(TrueOrFalseField):
    schema_extra: ClassVar[dict[str, Any]] = {"const": True}
    default_error_messages = {"invalid_choice": "Send true, or leave it out."}

    def to_internal_value(self, data: Any) -> Any:
        if super().to_internal_value(data) is not True:
            self.fail("invalid_choice")
        return True


@extend_schema_serializer(
    examples=[
        OpenApiExample("Some", {"ids": [101, 102]}),
        OpenApiExample("All", {"all": True}),
    ]
)
class ReadIn(serializers.Serializer[Any]):
    """Either `ids` or `all`."""

    schema_name = "NotificationsRead"
    schema_extra: ClassVar[dict[str, Any]] = {
        "if": {"required": ["ids"]},
        "then": {"not": {"required": ["all"]}},
        "else": {"required": ["all"]},
    }

    ids = ListField(
        child=WholeNumberField(min_value=1, max_value=10**18 - 1), max_length=1000, required=False
    )
    all = TrueField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs) == 2:
            raise serializers.ValidationError(
                {"all": serializers.ErrorDetail("Send ids or all.", "conflicting_fields")}
            )
        if not attrs:
            raise serializers.ValidationError(
                {"ids": serializers.ErrorDetail("Send ids or all.", "required")}
            )
        return {"ids": attrs.get("ids")}


@_example("None left", {"unread_count": 0})
class UnreadOut(serializers.Serializer[Any]):
    schema_name = "UnreadCount"

    unread_count = serializers.IntegerField(min_value=0)


class LinkIn(serializers.Serializer[User]):
    token = TextField(max_length=256, help_text="Of the link in the e-mail.")


@extend_schema_serializer(
    examples=[
        OpenApiExample("Link", {"token": _LINK_EXAMPLE}),
        OpenApiExample(
            "Link and password",
            {"token": _LINK_EXAMPLE, "password": "correct horse battery staple"},
        ),
    ]
)
class EmailConfirmIn(LinkIn):
    schema_name = "EmailConfirmation"

    password = TextField(
        trim_whitespace=False,
        max_length=256,
        write_only=True,
        required=False,
        help_text="The account's. Keeps its sessions, as being signed in does; confirms a change.",
    )


@_example("Address", {"email": "asha@example.com"})
class PasswordResetIn(serializers.Serializer[User]):
    email = EmailAddressField()


@_example(
    "New password",
    {
        "token": _LINK_EXAMPLE,
        "password": "eleven quiet green rivers",
    },
)
class PasswordResetConfirmIn(LinkIn):
    password = TextField(trim_whitespace=False, max_length=256, write_only=True)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "On its way",
            {"detail": "If an account has this address, an e-mail is on its way."},
            status_codes=["202"],
        )
    ]
)
class MailedOut(serializers.Serializer[Any]):
    schema_name = "EmailQueued"

    detail = serializers.CharField()


@_example(
    "Session",
    {
        "id": "0f8fad5b-d9cb-469f-a165-70867728950e",
        "created_at": "2026-11-20T10:30:00Z",
        "last_used_at": "2026-11-21T08:00:00Z",
        "expires_at": "2026-12-21T08:00:00Z",
        "current": True,
        "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "network": "203.0.113.0/24",
    },
)
class SessionOut(serializers.ModelSerializer[Session]):
    """A sign-in that still works."""

    created_at = InstantField()
    last_used_at = InstantField(help_text="When its tokens were last refreshed.")
    expires_at = InstantField(help_text="Unless it is used before.")
    current = serializers.SerializerMethodField(help_text="The one that this request came with.")
    network = serializers.SerializerMethodField(
        help_text="Where it began: the address, cut to its network."
    )

    class Meta:
        model = Session
        fields = (
            "id",
            "created_at",
            "last_used_at",
            "expires_at",
            "current",
            "user_agent",
            "network",
        )

    def get_current(self, session: Session) -> bool:
        return session.pk == session_id_of(self.context["request"].auth)

    @extend_schema_field({"type": ["string", "null"]})
    def get_network(self, session: Session) -> str | None:
        return network_of(session.address) if session.address else None
