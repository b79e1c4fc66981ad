from typing import Any

from rest_framework import serializers

from config.api.fields import ChoiceField, EmailAddressField, LineField, TextField, ZoneField
from config.api.timezones import InstantField

from .models import User, validate_username


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
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=150, validators=[validate_username], **kwargs)


class SignUpIn(serializers.Serializer[User]):
    email = EmailAddressField()
    password = TextField(trim_whitespace=False, max_length=256, write_only=True)
    username = UsernameField(
        required=False, help_text="Left out: made from the address's local part."
    )
    role = ChoiceField(choices=User.Role.choices, default=User.Role.ORGANIZER)
    timezone = ZoneField(default="UTC", help_text="IANA name.")


class SignInIn(serializers.Serializer[User]):
    """The password with either the e-mail address or the user name."""

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


class TokensOut(serializers.Serializer[Any]):
    access = serializers.CharField(help_text="For the header Authorization: Bearer <access>.")
    refresh = serializers.CharField(help_text="Works once, at /api/token/refresh/.")


class SignedUpOut(UserOut):
    access = serializers.CharField(read_only=True)
    refresh = serializers.CharField(read_only=True)

    class Meta(UserOut.Meta):
        fields = (*UserOut.Meta.fields, "access", "refresh")


class SignedInOut(TokensOut):
    user = UserOut()


class RefreshIn(serializers.Serializer[Any]):
    refresh = TextField(max_length=4096)


class ProfileIn(serializers.Serializer[User]):
    email = EmailAddressField()
    username = UsernameField()
    role = ChoiceField(choices=User.Role.choices, default=User.Role.ORGANIZER)
    timezone = ZoneField(default="UTC")


class PasswordChangeIn(serializers.Serializer[User]):
    current_password = TextField(trim_whitespace=False, max_length=256, write_only=True)
    password = TextField(trim_whitespace=False, max_length=256, write_only=True)


class AccountDeletionIn(serializers.Serializer[User]):
    password = TextField(trim_whitespace=False, max_length=256, write_only=True)
