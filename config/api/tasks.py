"""Periodic tasks that delete expired rows, and the one that repeats interrupted jobs."""

from procrastinate import JobContext, builtin_tasks, exceptions
from procrastinate.contrib.django import app
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager

from .http.rate_limits import delete_expired_counts
from .http.stored_responses import delete_expired_responses

MAX_ATTEMPTS = 5  # of a job that its worker does not survive


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


@app.periodic(cron="*/10 * * * *")
@app.task(queueing_lock="retry_interrupted_jobs", pass_context=True)
async def retry_interrupted_jobs(context: JobContext, timestamp: int) -> None:
    """Every ten minutes: queue the jobs again whose worker was killed."""
    manager = context.app.job_manager
    for job in await manager.get_stalled_jobs():
        await _retry(manager, job)


async def _retry(manager: JobManager, job: Job) -> None:
    if job.attempts + 1 < MAX_ATTEMPTS:
        try:
            await manager.retry_job(job)
        except exceptions.UniqueViolation:
            pass  # the next job of this periodic task is queued already
        else:
            return
    await manager.finish_job(job, Status.FAILED, delete_job=False)
