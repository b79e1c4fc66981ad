"""Passwords, and the tokens of links in e-mails."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from config.api.fields import (
    EmailAddressField,
    TextField,
    TrueOrFalseField,
)

from ..models import User
from .examples import LINK_EXAMPLE, example


@example(
    "New password",
    {"current_password": "correct horse battery staple", "password": "eleven quiet green rivers"},
)
class PasswordChangeIn(serializers.Serializer[User]):
    current_password = TextField(trim_whitespace=False, max_length=256, write_only=True)
    password = TextField(trim_whitespace=False, max_length=256, write_only=True)
    revoke_keys = TrueOrFalseField(
        default=False, write_only=True, help_text="End the API keys of the account as well."
    )


class LinkIn(serializers.Serializer[User]):
    token = TextField(max_length=256, help_text="Of the link in the e-mail.")


@extend_schema_serializer(
    examples=[
        OpenApiExample("Link", {"token": LINK_EXAMPLE}),
        OpenApiExample(
            "Link and password",
            {"token": LINK_EXAMPLE, "password": "correct horse battery staple"},
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


class NewPasswordIn(serializers.Serializer[User]):
    password = TextField(trim_whitespace=False, max_length=256, write_only=True)


@example("Address", {"email": "asha@example.com"})
class PasswordResetIn(serializers.Serializer[User]):
    email = EmailAddressField()


@example(
    "New password",
    {
        "token": LINK_EXAMPLE,
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
