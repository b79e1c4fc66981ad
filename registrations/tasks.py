"""Periodic jobs of registrations, which the worker runs."""

from django.utils import timezone
from procrastinate.contrib.django import app

from .changes.log import delete_old_changes, sequence_changes
from .services.accounts import settle_accounts
from .services.answer_tallies import count_answers
from .services.confirmations import delete_old_confirmations
from .services.reminders import queue_feedback_invitations, queue_reminders
from .services.retention import forget_old_answers
from .webhooks.retention import delete_old_deliveries


@app.periodic(cron="* * * * *")
@app.task(queueing_lock="queue_reminders")
def remind(timestamp: int) -> None:
    """Queues the reminders that are due, every minute."""
    queue_reminders()


@app.periodic(cron="*/5 * * * *")
@app.task(queueing_lock="queue_feedback_invitations")
def ask_for_feedback(timestamp: int) -> None:
    """Queues the invitations to give feedback, every five minutes."""
    queue_feedback_invitations()


@app.periodic(cron="17 * * * *")
@app.task(queueing_lock="sweep_confirmations")
def sweep_confirmations(timestamp: int) -> None:
    """Deletes, every hour, requests to register whose time is over."""
    delete_old_confirmations()


@app.periodic(cron="27 * * * *")
@app.task(queueing_lock="settle_accounts")
def settle(timestamp: int) -> None:
    """Repairs, every hour, what concurrent requests may have left inconsistent."""
    settle_accounts()


@app.periodic(cron="* * * * *")
@app.task(queueing_lock="sequence_changes")
def sequence(timestamp: int) -> None:
    """Moves, every minute, the changes into the log that no reader has moved."""
    sequence_changes()


@app.periodic(cron="* * * * *")
@app.task(queueing_lock="count_answers")
def tally(timestamp: int) -> None:
    """Adds, every minute, new answers to the tallies of their events."""
    count_answers()


@app.periodic(cron="47 3 * * *")
@app.task(queueing_lock="sweep_changes")
def sweep_changes(timestamp: int) -> None:
    """Deletes, every day, the changes that are older than `CHANGES_DAYS`."""
    delete_old_changes()


@app.periodic(cron="7 4 * * *")
@app.task(queueing_lock="forget_answers")
def forget_answers(timestamp: int) -> None:
    """Erases, every day, the answers that are older than their question allows."""
    forget_old_answers(timezone.now())


@app.periodic(cron="7 * * * *")
@app.task(queueing_lock="sweep_webhooks")
def sweep_webhooks(timestamp: int) -> None:
    """Deletes, every hour, old deliveries and those of deleted webhooks."""
    delete_old_deliveries()
