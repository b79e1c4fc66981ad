from procrastinate.contrib.django import app

from .services.series import fill_series


@app.periodic(cron="17 2 * * *")
@app.task(queueing_lock="fill_series")
def fill(timestamp: int) -> None:
    """Daily: the occurrences of endless series that are due a year from now."""
    fill_series()
