"""A mail server that stores its mails, and fails for certain recipients."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage

from aiosmtpd.controller import Controller

from config.tests.server import free_port

# It logs each command, and after a test has ended to a stream that is closed.
logging.getLogger("mail.log").setLevel(logging.WARNING)


class MailServer:
    """Responds by the recipient: `gone@` is rejected, `full@` temporarily, `hangs@` times out …"""

    def __init__(self, *, smtputf8: bool = False) -> None:
        self.smtputf8 = smtputf8
        self.options: dict[str, list[str]] = {}
        self.mails: list[EmailMessage] = []
        self.sessions: set[tuple] = set()
        self.attempts: Counter[str] = Counter()
        self.seconds_per_mail = 0.0
        self.refuses_sender = False
        self.port = free_port()

    def start(self) -> None:
        self.controller = Controller(
            self, hostname="127.0.0.1", port=self.port, enable_SMTPUTF8=self.smtputf8
        )
        self.controller.start()

    def stop(self) -> None:
        self.controller.stop(no_assert=True)  # it may be stopped already

    @property
    def recipients(self) -> list[str]:
        return [mail["To"] for mail in self.mails]

    async def handle_MAIL(self, server, session, envelope, address, options):
        self.sessions.add(session.peer)
        if self.refuses_sender:
            return "550 5.7.1 Not from you"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        self.attempts[address] += 1
        self.options[address] = envelope.mail_options
        if address.startswith("leaving@"):
            return "421 4.3.2 Closing"
        if address.startswith("gone@"):
            return "550 5.1.1 No such person"
        if address.startswith("full@"):
            return "452 4.2.2 Mailbox full"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        to = envelope.rcpt_tos[0]
        if to.startswith("hangs@"):
            await asyncio.Event().wait()  # until the server stops
        if to.startswith("spam@"):
            return "554 5.7.1 Looks like spam"
        time.sleep(self.seconds_per_mail)
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        if to.startswith("closing@"):
            return "421 Going down"
        return "250 OK"


@contextmanager
def running(server: MailServer) -> Iterator[MailServer]:
    server.start()
    try:
        yield server
    finally:
        server.stop()
