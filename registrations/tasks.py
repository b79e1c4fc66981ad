from procrastinate.contrib.django import app

from .services.people import settle_accounts


@app.periodic(cron="27 * * * *")
@app.task(queueing_lock="settle_accounts")
def settle(timestamp: int) -> None:
    """Hourly: what two requests at one moment may have left of accounts and registrations."""
    settle_accounts()
