"""Periodic tasks that delete expired rows."""

from procrastinate import JobContext, builtin_tasks
from procrastinate.contrib.django import app

from .http.rate_limits import delete_expired_counts
from .http.stored_responses import delete_expired_responses


@app.periodic(cron="7 * * * *")
@app.task(queueing_lock="sweep_answers", pass_context=False)
def sweep_answers(timestamp: int) -> None:
    """Hourly: delete responses that may no longer be replayed."""
    delete_expired_responses()


@app.periodic(cron="27 * * * *")
@app.task(queueing_lock="sweep_counts", pass_context=False)
def sweep_counts(timestamp: int) -> None:
    """Hourly: delete counts of past windows."""
    delete_expired_counts()


@app.periodic(cron="37 3 * * *")
@app.task(queueing_lock="sweep_jobs", pass_context=True)
async def sweep_jobs(context: JobContext, timestamp: int) -> None:
    """Daily: delete records of jobs that succeeded a week ago."""
    await builtin_tasks.remove_old_jobs(context, max_hours=7 * 24)
