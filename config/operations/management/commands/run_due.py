import signal
from threading import Event, Timer
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Max
from procrastinate.contrib.django.models import ProcrastinateEvent

from config.operations.due_work import (
    deliver_due_notifications,
    run_due_jobs,
    send_due_webhooks,
)


class Command(BaseCommand):
    help = (
        "Runs the jobs and sends the notifications and webhooks that are due, and ends. A "
        "scheduler that starts it every few minutes replaces the worker and the mailer."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--max-seconds",
            type=int,
            choices=range(1, 86401),
            default=300,
            metavar="N",
            help="Begin nothing after this time (300). The rest is done by the next run.",
        )

    def handle(self, *args: Any, max_seconds: int, **options: Any) -> None:
        stopping = Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        timer = Timer(max_seconds, stopping.set)
        timer.daemon = True
        timer.start()
        last_event_id = ProcrastinateEvent.objects.aggregate(last=Max("id"))["last"] or 0
        try:
            run_due_jobs(stopping)
            delivered = deliver_due_notifications(stopping)
            send_due_webhooks(stopping)
        finally:
            timer.cancel()
        done, failed = (
            ProcrastinateEvent.objects.filter(type=kind, id__gt=last_event_id).count()
            for kind in ("succeeded", "failed")
        )
        self.stdout.write(f"{done} jobs done, {delivered} notifications handled.")
        if failed:
            raise CommandError(f"{failed} jobs failed. The log says why.", returncode=1)
