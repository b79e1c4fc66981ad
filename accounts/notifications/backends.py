"""Django's e-mail backends for `EMAIL_URL`: a mail server, the console, or files."""

import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.backends.smtp import EmailBackend
from django.utils import timezone

from config.api.text.email_addresses import needs_smtputf8


class SmtpBackend(EmailBackend):
    """Sends the recipient's address unchanged in the envelope.

    Django's own backend encodes a local part beyond ASCII like words of a header (RFC 2047), which
    is another mailbox.
    """

    def _send(self, email_message: Any) -> bool:
        """Raises `smtplib.SMTPException`, such as `SMTPNotSupportedError` without SMTPUTF8."""
        [recipient] = email_message.recipients()
        # A mail with such an address has eight bits (RFC 6531, section 3.4).
        options = ["SMTPUTF8", "BODY=8BITMIME"] if needs_smtputf8(recipient) else []
        content = email_message.as_bytes()
        assert self.connection is not None  # noqa: S101  # `send_messages` has opened it
        self.connection.sendmail(email_message.sender, [recipient], content, options)
        return True


class ConsoleBackend(BaseEmailBackend):
    """Prints the readable text of mails, without MIME."""

    def send_messages(self, email_messages: Sequence[Any]) -> int:
        for mail in email_messages:
            body = mail.text.strip().replace("\n", "\n  | ")
            files = "".join(f"\n  | [{file.filename}]" for file in mail.attachments)
            sys.stdout.write(f"Mail to {mail.to[0]}: {mail.subject}\n  | {body}{files}\n")
            sys.stdout.flush()
        return len(email_messages)


class FileBackend(BaseEmailBackend):
    """Writes one file for each mail. A file appears once it is complete.

    Mails contain links that give access to accounts, so only the mailer's system user may read the
    files.
    """

    def send_messages(self, email_messages: Sequence[Any]) -> int:
        directory = Path(str(settings.EMAIL_FILE_PATH))
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for mail in email_messages:
            name = f"{timezone.now():%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:12]}"
            draft = directory / f".{name}"
            draft.touch(mode=0o600, exist_ok=False)
            draft.write_bytes(mail.as_bytes().replace(b"\r\n", b"\n"))
            draft.rename(directory / f"{name}.log")
        return len(email_messages)
