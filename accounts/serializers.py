from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from config.api.fields import SPACE, ChoiceField, EmailAddressField, LineField, TextField, ZoneField
from config.api.timezones import InstantField

from .models import User, validate_username

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
_TOKENS_EXAMPLE = {
    "access": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3In0.8m0ZqkX3",
    "refresh": "eyJhbGciOiJIUzI1NiJ9.eyJqdGkiOiI0MiJ9.p1Vt6yQd",
}


def _example(name: str, value: dict[str, Any]) -> Callable[[type[S]], type[S]]:
    return extend_schema_serializer(examples=[OpenApiExample(name, value)])


@_example("User", USER_EXAMPLE)
class UserOut(serializers.ModelSerializer[User]):
    date_joined = InstantField()

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
        )


class UsernameField(LineField):
    @property
    def schema_extra(self) -> dict[str, Any]:
        name = r"[\p{L}\p{N}_.+-]{1,150}"
        return {
            **super().schema_extra,
            "pattern": f"^[{SPACE}]*{name}[{SPACE}]*$",
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


@_example(
    "By e-mail address", {"email": "asha@example.com", "password": "correct horse battery staple"}
)
class SignInIn(serializers.Serializer[User]):
    """The password with either the e-mail address or the user name."""

    schema_extra: ClassVar[dict[str, Any]] = {
        "anyOf": [{"required": ["email"]}, {"required": ["username"]}]
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
    refresh = TextField(max_length=4096)


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
    email = EmailAddressField()
    username = UsernameField()
    role = ChoiceField(choices=User.Role.choices, default=User.Role.ORGANIZER)
    timezone = ZoneField(default="UTC")


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
