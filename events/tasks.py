"""Periodic tasks."""

from procrastinate.contrib.django import app

from .services.images import delete_unused_images
from .services.series import fill_series
from .services.vocabulary import count_words


@app.periodic(cron="17 2 * * *")
@app.task(queueing_lock="fill_series")
def fill(timestamp: int) -> None:
    """Daily: creates the occurrences of endless series up to a year ahead."""
    fill_series()


@app.periodic(cron="52 * * * *")
@app.task(queueing_lock="count_words")
def count_words_of_events(timestamp: int) -> None:
    """Hourly: counts the events of each word. The search plans pages by these counts."""
    count_words()


@app.periodic(cron="41 3 * * *")
@app.task(queueing_lock="delete_unused_images")
def purge_images(timestamp: int) -> None:
    """Daily: deletes the files of images that no event has any more."""
    delete_unused_images()
