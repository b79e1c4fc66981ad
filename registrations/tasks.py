from procrastinate.contrib.django import app

from .services.accounts import settle_accounts
from .services.reminders import queue_feedback_invitations, queue_reminders


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


@app.periodic(cron="27 * * * *")
@app.task(queueing_lock="settle_accounts")
def settle(timestamp: int) -> None:
    """Repairs, every hour, what concurrent requests may have left inconsistent."""
    settle_accounts()
