from collections.abc import Iterator
from pathlib import Path

import pytest

from accounts.notifications.kinds import _KINDS
from accounts.tests.kinds import ALL
from accounts.tests.mail_server import MailServer, running


@pytest.fixture
def note_kinds(settings, monkeypatch) -> None:
    """The kinds of `accounts.tests.kinds`, in addition to the real ones."""
    [engine] = settings.TEMPLATES
    directories = [*engine["DIRS"], Path(__file__).parent / "templates"]
    settings.TEMPLATES = [{**engine, "DIRS": directories}]
    for kind in ALL:
        monkeypatch.setitem(_KINDS, kind.name, kind)


@pytest.fixture
def mail_server(settings) -> Iterator[MailServer]:
    """A mail server on loopback that the settings refer to."""
    with running(MailServer()) as server:
        settings.EMAIL_BACKEND = "accounts.notifications.backends.SmtpBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        yield server
