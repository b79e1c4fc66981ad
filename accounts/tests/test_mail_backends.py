"""The backends of EMAIL_URL that need no mail server."""

import os
from email import message_from_bytes, policy

import pytest

from accounts.notifications import notify
from accounts.tests.test_mailer import deliver
from config import env

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("note_kinds")]


@pytest.fixture
def use(settings, monkeypatch):
    def set_email_url(url: str) -> None:
        monkeypatch.setenv("EMAIL_URL", url)
        chosen = env.email("EMAIL_URL", "")
        settings.EMAIL_BACKEND = chosen["EMAIL_BACKEND"]
        settings.EMAIL_FILE_PATH = chosen["EMAIL_FILE_PATH"]

    return set_email_url


def test_console_prints_readable_text(use, capsys):
    use("consolemail://")
    notify("ticket", key="1", email="bob@example.com", facts={"title": "Grüße"})

    deliver()

    output = capsys.readouterr().out
    assert output.startswith(
        "Mail to bob@example.com: Note: Grüße\n  | Hello bob@example.com,\n  | Grüße begins"
    )
    assert output.endswith("  | [event.ics]\n  | [ticket.gif]\n")
    assert "<html" not in output


def test_each_mail_is_one_file(use, tmp_path):
    directory = tmp_path / "mails"
    use(f"filemail://{directory}")
    for number in range(3):
        notify("ticket", key=str(number), email=f"{number}@example.com")

    deliver()

    files = list(directory.iterdir())
    mails = [message_from_bytes(file.read_bytes(), policy=policy.default) for file in files]
    assert sorted(mail["To"] for mail in mails) == [f"{number}@example.com" for number in range(3)]
    assert all(mail.get_body(("html",)) and list(mail.iter_attachments()) for mail in mails)


def test_mail_files_are_readable_by_their_owner_only(use, tmp_path):
    directory = tmp_path / "mails"
    use(f"filemail://{directory}")
    notify("ticket", key="1", email="bob@example.com")
    before = os.umask(0)

    try:
        deliver()
    finally:
        os.umask(before)

    [file] = directory.iterdir()
    assert [oct(path.stat().st_mode & 0o777) for path in (directory, file)] == ["0o700", "0o600"]
