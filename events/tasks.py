from procrastinate.contrib.django import app

from .services.series import fill_series
from .services.vocabulary import count_words


@app.periodic(cron="17 2 * * *")
@app.task(queueing_lock="fill_series")
def fill(timestamp: int) -> None:
    """Daily: the occurrences of endless series that are due a year from now."""
    fill_series()


@app.periodic(cron="52 * * * *")
@app.task(queueing_lock="count_words")
def count_words_of_events(timestamp: int) -> None:
    """Hourly: how common each word is, by which search chooses its way."""
    count_words()
