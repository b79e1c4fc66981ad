"""Where mails go while there is no mail server: `EMAIL_URL` says `consolemail:` or `filemail:`."""

import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.mail.backends.base import BaseEmailBackend
from django.utils import timezone


class ConsoleBackend(BaseEmailBackend):
    """Prints what a person would read, instead of MIME."""

    def send_messages(self, email_messages: Sequence[Any]) -> int:
        for mail in email_messages:
            body = mail.text.strip().replace("\n", "\n  | ")
            files = "".join(f"\n  | [{file.filename}]" for file in mail.attachments)
            sys.stdout.write(f"Mail to {mail.to[0]}: {mail.subject}\n  | {body}{files}\n")
            sys.stdout.flush()
        return len(email_messages)


class FileBackend(BaseEmailBackend):
    """One file for each mail, which is there once it is complete."""

    def send_messages(self, email_messages: Sequence[Any]) -> int:
        directory = Path(str(settings.EMAIL_FILE_PATH))
        directory.mkdir(parents=True, exist_ok=True)
        for mail in email_messages:
            name = f"{timezone.now():%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:12]}"
            draft = directory / f".{name}"
            draft.write_bytes(mail.message().as_bytes())
            draft.rename(directory / f"{name}.log")
        return len(email_messages)
