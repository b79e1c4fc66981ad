"""Sign-up, sign-in, tokens and sessions."""

from typing import Any, ClassVar

from django.contrib.auth import password_validation
from django.core.exceptions import ValidationError
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from config.api.fields import (
    ChoiceField,
    EmailAddressField,
    TextField,
    ZoneField,
)
from config.api.http.timezones import InstantField

from ..models import Session, User
from ..tokens import network_of, session_id_of
from .examples import TOKENS_EXAMPLE, USER_EXAMPLE, example
from .users import UsernameField, UserOut


@example(
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
        """Check what does not depend on other fields, together with the errors of other fields."""
        try:
            password_validation.validate_password(password)
        except ValidationError as error:
            raise serializers.ValidationError(error.messages, "password_too_weak") from error
        return password


@example(
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


@example("Tokens", TOKENS_EXAMPLE)
class TokensOut(serializers.Serializer[Any]):
    access = serializers.CharField(help_text="For the header Authorization: Bearer <access>.")
    refresh = serializers.CharField(help_text="Works once, at /api/token/refresh/.")


@example("Asha", {**USER_EXAMPLE, "email_verified": False, **TOKENS_EXAMPLE})
class SignedUpOut(UserOut):
    access = serializers.CharField(read_only=True)
    refresh = serializers.CharField(read_only=True)

    class Meta(UserOut.Meta):
        fields = (*UserOut.Meta.fields, "access", "refresh")


@example("Asha", {**TOKENS_EXAMPLE, "user": USER_EXAMPLE})
class SignedInOut(TokensOut):
    user = UserOut()


@example("Refresh token", {"refresh": TOKENS_EXAMPLE["refresh"]})
class RefreshIn(serializers.Serializer[Any]):
    schema_name = "TokenRefresh"

    refresh = TextField(max_length=4096)


@example(
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
