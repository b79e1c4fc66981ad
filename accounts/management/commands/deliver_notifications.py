import signal
from threading import Event, Thread
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import connection

from accounts.notifications.mailer import Mailer


class Command(BaseCommand):
    help = (
        "Sends the notifications that are due, until it is told to stop (SIGTERM, SIGINT): the "
        "mail in hand is finished, the rest waits for the next mailer. Any number may run."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--connections",
            type=int,
            choices=range(1, 33),
            default=2,
            metavar="N",
            help="To the mail server at a time, 1 to 32 (2); each has one to the database too.",
        )

    def handle(self, *args: Any, connections: int, **options: Any) -> None:
        stopping = Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        self.stdout.write(f"Delivering notifications, {connections} at a time.")
        threads = [Thread(target=_deliver, args=(stopping,)) for _ in range(connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def _deliver(stopping: Event) -> None:
    try:
        Mailer(stopping).run()
    finally:
        connection.close()
