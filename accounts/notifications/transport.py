"""The connection to the mail server, and the meaning of its errors."""

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

_IDLE_SECONDS = 10.0
_UNCHECKED_SECONDS = 2.0
_MAILS_PER_CONNECTION = 100  # many servers close a connection after about as many


class ServerUnavailable(Exception):
    """The mail server cannot be reached, or accepts no mail at all."""


class Refused(Exception):
    """The mail server permanently rejects this mail."""


class MailTransport:
    """One connection to the mail server, which stays open while there are mails to send."""

    def __init__(self) -> None:
        self._backend: Any = None
        self._sent = 0
        self._used_at = 0.0

    def send(self, mail: Mail) -> None:
        """Raises `ServerUnavailable`, `Refused`, or a temporary error of this one mail."""
        try:
            self._open()
        except (OSError, smtplib.SMTPException) as error:
            self.close()
            raise ServerUnavailable(error_text(error)) from error
        try:
            self._backend.send_messages([mail])
        except InvalidAddress as error:
            raise Refused(error_text(error)) from error
        except (OSError, smtplib.SMTPException) as error:
            classified = _classified(error)
            if not isinstance(classified, Refused):
                self.close()  # its state is unknown
            raise classified from error
        self._sent += 1
        self._used_at = time.monotonic()

    def close_if_idle(self) -> None:
        """Close an unused connection before the server does."""
        if self._backend and time.monotonic() - self._used_at > _IDLE_SECONDS:
            self.close()

    def close(self) -> None:
        backend, self._backend, self._sent = self._backend, None, 0
        if backend is not None:
            try:
                backend.close()
            except (OSError, smtplib.SMTPException):
                logger.debug("the mail server had closed the connection", exc_info=True)

    def _open(self) -> None:
        if self._sent >= _MAILS_PER_CONNECTION or not self._is_alive():
            self.close()
        if self._backend is None:
            self._backend = get_connection()
            if isinstance(self._backend, SmtpBackend):
                self._backend.open()
                self._used_at = time.monotonic()
                _check_smtputf8(self._backend.connection)

    def _is_alive(self) -> bool:
        """Checked before each mail: if the connection breaks later, the mail may have arrived."""
        if not isinstance(self._backend, SmtpBackend) or self._backend.connection is None:
            return True
        if time.monotonic() - self._used_at < _UNCHECKED_SECONDS:
            return True
        try:
            return bool(self._backend.connection.noop()[0] == 250)
        except (OSError, smtplib.SMTPException):
            return False


def _check_smtputf8(connection: smtplib.SMTP | None) -> None:
    """Raises `SMTPException` if `SMTPUTF8` is on and the server does not offer the extension.

    With the setting, the API accepts addresses that such a server cannot reach. So no mail is sent,
    which the operator notices.
    """
    if connection is None or not settings.SMTPUTF8:
        return
    connection.ehlo_or_helo_if_needed()
    if not connection.has_extn("smtputf8"):
        raise smtplib.SMTPException(
            "SMTPUTF8 is on, and the mail server does not offer SMTPUTF8. Set SMTPUTF8=off, or "
            "use another mail server."
        )


def _classified(error: Exception) -> Exception:
    """`ServerUnavailable`, `Refused`, or a temporary error of this one mail."""
    code: int
    response: bytes | str
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, response = next(iter(error.recipients.values()))
    elif isinstance(error, smtplib.SMTPResponseException):
        code, response = error.smtp_code, error.smtp_error
    else:
        return error
    text = response.decode(errors="replace") if isinstance(response, bytes) else response
    message = f"{code} {text}"
    if code == 421:  # RFC 5321, section 3.8: the server is closing down
        return ServerUnavailable(message)
    # A rejected sender is no fault of the recipient, and a setting can correct it.
    is_permanent = 500 <= code < 600 and not isinstance(error, smtplib.SMTPSenderRefused)
    return Refused(message) if is_permanent else smtplib.SMTPException(message)


def is_temporary_rejection(error: Exception) -> bool:
    """Whether an error of `MailTransport.send` proves that the server did not accept the mail.

    After any other error the mail may have arrived: the connection broke before the response.
    """
    return type(error) is smtplib.SMTPException


def error_text(error: Exception) -> str:
    """One line for the row's `error` and for logs, without characters that PostgreSQL rejects."""
    text = " ".join(str(error).replace("\x00", "").split())
    return f"{type(error).__name__}: {text}"[:500] if text else type(error).__name__
