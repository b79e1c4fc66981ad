"""The connection to the mail server, and whose fault it is when something goes wrong on it."""

import logging
import smtplib
import time
from typing import Any

from django.conf import settings
from django.core.mail import get_connection
from django.core.mail.backends.smtp import EmailBackend as SmtpBackend

from config.api.text.email_addresses import InvalidAddress

from .composing import Mail

logger = logging.getLogger(__name__)

_KEEP_SECONDS = 10.0
_TRUST_SECONDS = 2.0
_MAILS_PER_CONNECTION = 100  # servers hang up after about as many


class ServerAway(Exception):
    """The mail server cannot be reached, or takes nothing from anybody."""


class Refused(Exception):
    """The server will never take this mail for this address."""


class Post:
    """One connection to the mail server, kept while there is something to send."""

    def __init__(self) -> None:
        self._backend: Any = None
        self._sent = 0
        self._used_at = 0.0

    def send(self, mail: Mail) -> None:
        """Raises `ServerAway`, `Refused`, or whatever else went wrong with this one mail."""
        try:
            self._open()
        except (OSError, smtplib.SMTPException) as error:
            self.close()
            raise ServerAway(words_of(error)) from error
        try:
            self._backend.send_messages([mail])
        except InvalidAddress as error:
            raise Refused(words_of(error)) from error
        except (OSError, smtplib.SMTPException) as error:
            verdict = _judged(error)
            if not isinstance(verdict, Refused):
                self.close()  # in whatever state it is
            raise verdict from error
        self._sent += 1
        self._used_at = time.monotonic()

    def rest(self) -> None:
        """Nothing to send just now: hang up before the server does."""
        if self._backend and time.monotonic() - self._used_at > _KEEP_SECONDS:
            self.close()

    def close(self) -> None:
        backend, self._backend, self._sent = self._backend, None, 0
        if backend is not None:
            try:
                backend.close()
            except (OSError, smtplib.SMTPException):
                logger.debug("the mail server had hung up", exc_info=True)

    def _open(self) -> None:
        if self._sent >= _MAILS_PER_CONNECTION or not self._still_answers():
            self.close()
        if self._backend is None:
            self._backend = get_connection()
            if isinstance(self._backend, SmtpBackend):
                self._backend.open()
                self._used_at = time.monotonic()
                _check_smtputf8(self._backend.connection)

    def _still_answers(self) -> bool:
        """Asked before a mail is begun: a connection that breaks later leaves its fate open."""
        if not isinstance(self._backend, SmtpBackend) or self._backend.connection is None:
            return True
        if time.monotonic() - self._used_at < _TRUST_SECONDS:
            return True
        try:
            return bool(self._backend.connection.noop()[0] == 250)
        except (OSError, smtplib.SMTPException):
            return False


def _check_smtputf8(connection: smtplib.SMTP | None) -> None:
    """Raises `SMTPException` where the configuration promises what the server does not do.

    Addresses are accepted by `SMTPUTF8=on`, so that no mail goes out is what makes it noticed.
    """
    if connection is None or not settings.SMTPUTF8:
        return
    connection.ehlo_or_helo_if_needed()
    if not connection.has_extn("smtputf8"):
        raise smtplib.SMTPException(
            "SMTPUTF8 is on, and the mail server does not offer SMTPUTF8. Set SMTPUTF8=off, or "
            "use another mail server."
        )


def _judged(error: Exception) -> Exception:
    """`ServerAway`, `Refused`, or an error of this one mail that may pass."""
    code: int
    answer: bytes | str
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, answer = next(iter(error.recipients.values()))
    elif isinstance(error, smtplib.SMTPResponseException):
        code, answer = error.smtp_code, error.smtp_error
    else:
        return error
    text = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
    words = f"{code} {text}"
    if code == 421:  # RFC 5321, section 3.8: the server is closing down
        return ServerAway(words)
    # A refused sender is not the recipient's fault, and a setting may mend it: never for good.
    is_for_good = 500 <= code < 600 and not isinstance(error, smtplib.SMTPSenderRefused)
    return Refused(words) if is_for_good else smtplib.SMTPException(words)


def was_rejected(error: Exception) -> bool:
    """Whether an error of `Post.send` is the server's word that it did not take the mail for now.

    Otherwise the fate of the mail is open: the connection broke before the server answered.
    """
    return type(error) is smtplib.SMTPException


def words_of(error: Exception) -> str:
    """For the row's `error` and for logs: one line without what PostgreSQL cannot hold."""
    text = " ".join(str(error).replace("\x00", "").split())
    return f"{type(error).__name__}: {text}"[:500] if text else type(error).__name__
