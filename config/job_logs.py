"""Ids for the log lines of background jobs."""

from collections.abc import Awaitable, Callable
from typing import Any

from config.api.request_ids import request_in_progress


async def with_job_id(call_next: Callable[[], Awaitable[Any]], context: Any, worker: Any) -> Any:
    """A middleware of Procrastinate: log lines of a job have its id and task.

    The id is `request_id` too, as for requests, so the lines of the mailer about a notification
    name the request or job that caused it.
    """
    with request_in_progress(f"job-{context.job.id}", task=context.job.task_name):
        return await call_next()
