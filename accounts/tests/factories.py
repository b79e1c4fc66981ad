import factory
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Permission

from accounts.models import User

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
