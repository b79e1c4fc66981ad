"""Periodic jobs of accounts, which the worker runs."""

from procrastinate.contrib.django import app

from .lockout import delete_old_failures
from .notifications.budget import delete_old_budgets
from .notifications.outbox import delete_old_notifications
from .services import forget_former_addresses
from .tokens import forget_ended_sessions


@app.periodic(cron="17 3 * * *")
@app.task(queueing_lock="sweep_sessions")
def sweep_sessions(timestamp: int) -> None:
    """Daily: sign-in sessions that expired a month ago."""
    forget_ended_sessions()


@app.periodic(cron="27 3 * * *")
@app.task(queueing_lock="sweep_notifications")
def sweep_notifications(timestamp: int) -> None:
    """Daily: old notifications that are not pending."""
    delete_old_notifications()


@app.periodic(cron="47 3 * * *")
@app.task(queueing_lock="sweep_failures")
def sweep_failures(timestamp: int) -> None:
    """Daily: wrong passwords that no longer count."""
    delete_old_failures()


@app.periodic(cron="37 3 * * *")
@app.task(queueing_lock="sweep_mailbox_budgets")
def sweep_mailbox_budgets(timestamp: int) -> None:
    """Daily: counts of unsolicited mails that no longer matter."""
    delete_old_budgets()


@app.periodic(cron="57 3 * * *")
@app.task(queueing_lock="sweep_addresses")
def sweep_addresses(timestamp: int) -> None:
    """Daily: addresses that accounts left some days ago."""
    forget_former_addresses()
