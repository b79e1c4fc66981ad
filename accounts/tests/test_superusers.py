"""The command `createsuperuser`."""

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from accounts.tests.factories import PASSWORD

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _password(monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)


def create(*arguments: str) -> None:
    call_command("createsuperuser", "--noinput", "--verbosity=0", *arguments)


@pytest.mark.parametrize(
    ("arguments", "username"),
    [
        (["--email=Root@Example.com", "--username=boss"], "boss"),
        (["--email=Root@Example.com"], "root"),
    ],
)
def test_createsuperuser_makes_a_missing_user_name(anyone, arguments, username):
    create(*arguments)

    body = {"username": username, "password": PASSWORD}
    user = User.objects.get()
    assert (user.email, user.username) == ("root@example.com", username)
    assert user.is_staff
    assert user.is_superuser
    assert anyone.post("/api/login/", body).status_code == 200


def test_createsuperuser_reads_the_environment(monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_EMAIL", "root@example.com")
    monkeypatch.setenv("DJANGO_SUPERUSER_USERNAME", "boss")

    create()

    assert User.objects.get().username == "boss"


@pytest.mark.parametrize("taken", ["--username=Ana", "--email=ANA@example.com"])
def test_createsuperuser_refuses_taken_names(ana, taken):
    other = "--email=root@example.com" if taken.startswith("--username") else "--username=root"

    with pytest.raises(CommandError, match="already"):
        create(taken, other)

    assert User.objects.get() == ana
