"""What is swept up by the clock."""

from procrastinate import JobContext, builtin_tasks
from procrastinate.contrib.django import app

from .http.idempotency import forget_old_answers
from .http.rate_limits import forget_old_counts


@app.periodic(cron="7 * * * *")
@app.task(queueing_lock="sweep_answers", pass_context=False)
def sweep_answers(timestamp: int) -> None:
    """Hourly: answers that may no longer be replayed."""
    forget_old_answers()


@app.periodic(cron="27 * * * *")
@app.task(queueing_lock="sweep_counts", pass_context=False)
def sweep_counts(timestamp: int) -> None:
    """Hourly: what callers sent in windows that are over."""
    forget_old_counts()


@app.periodic(cron="37 3 * * *")
@app.task(queueing_lock="sweep_jobs", pass_context=True)
async def sweep_jobs(context: JobContext, timestamp: int) -> None:
    """Daily: records of jobs that ended well a week ago."""
    await builtin_tasks.remove_old_jobs(context, max_hours=7 * 24)
