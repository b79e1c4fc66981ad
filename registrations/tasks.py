from procrastinate.contrib.django import app

from .services.people import settle_accounts
from .services.reminders import queue_feedback_invitations, queue_reminders


@app.periodic(cron="* * * * *")
@app.task(queueing_lock="queue_reminders")
def remind(timestamp: int) -> None:
    """Every minute: reminders that are due."""
    queue_reminders()


@app.periodic(cron="*/5 * * * *")
@app.task(queueing_lock="queue_feedback_invitations")
def ask_for_feedback(timestamp: int) -> None:
    """Every five minutes: the question how it was."""
    queue_feedback_invitations()


@app.periodic(cron="27 * * * *")
@app.task(queueing_lock="settle_accounts")
def settle(timestamp: int) -> None:
    """Hourly: what two requests at one moment may have left of accounts and registrations."""
    settle_accounts()
