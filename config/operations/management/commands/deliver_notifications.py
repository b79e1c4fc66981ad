import signal
from collections.abc import Callable
from threading import Event, Thread
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import connection

from accounts.notifications.mailer import Mailer
from registrations.webhooks.sender import Sender


class Command(BaseCommand):
    help = (
        "Delivers due notifications and webhooks until it gets SIGTERM or SIGINT. It then finishes "
        "the current mail and requests. Any number of these commands may run at once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--connections",
            type=int,
            choices=range(1, 33),
            default=2,
            metavar="N",
            help="Connections to the mail server, 1 to 32 (2). Each also uses one to the database.",
        )

    def handle(self, *args: Any, connections: int, **options: Any) -> None:
        stopping = Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        self.stdout.write(f"Delivering webhooks, and notifications {connections} at a time.")
        programs: list[Callable[[], None]] = [Mailer(stopping).run for _ in range(connections)]
        programs.append(Sender(stopping).run)
        threads = [Thread(target=_run, args=(program,)) for program in programs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def _run(program: Callable[[], None]) -> None:
    try:
        program()
    finally:
        connection.close()
