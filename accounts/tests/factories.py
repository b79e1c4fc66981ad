from typing import Any

import factory
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Permission
from rest_framework.test import APIClient

from accounts.keys import digest_of, hint_of, new_secret
from accounts.models import ApiKey, User
from config.api.key_scopes import Scope

PASSWORD = "correct-horse-battery-9"


class UserFactory(factory.django.DjangoModelFactory):
    """An account with `PASSWORD`, at `<username>@example.com`."""

    class Meta:
        model = User

    username = factory.Sequence(lambda n: f"user{n}")
    email = factory.LazyAttribute(lambda user: f"{user.username}@example.com")
    password = factory.LazyFunction(lambda: make_password(PASSWORD))


def grant(user: User, *permissions: str) -> User:
    """Give `user` model permissions (`events.change_event`); only staff may use them."""
    for permission in permissions:
        app_label, _, codename = permission.partition(".")
        row = Permission.objects.get(content_type__app_label=app_label, codename=codename)
        user.user_permissions.add(row)
    return user


class KeyFactory(factory.django.DjangoModelFactory):
    """An API key for all events, with every scope. `secret` is its text."""

    class Meta:
        model = ApiKey
        exclude = ("secret",)

    secret = factory.LazyFunction(new_secret)
    user = factory.SubFactory(UserFactory)
    name = "Shop"
    hint = factory.LazyAttribute(lambda key: hint_of(key.secret))
    digest = factory.LazyAttribute(lambda key: digest_of(key.secret))
    scopes = factory.LazyFunction(lambda: list(Scope.values))


def key_client(user: User, *scopes: str, **fields: Any) -> APIClient:
    """A client with a new key of that user; by default with every scope."""
    secret = new_secret()
    KeyFactory(user=user, secret=secret, scopes=list(scopes or Scope.values), **fields)
    client = APIClient(raise_request_exception=False)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client
