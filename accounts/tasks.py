from procrastinate.contrib.django import app

from .tokens import forget_ended_sessions


@app.periodic(cron="17 3 * * *")
@app.task(queueing_lock="sweep_sessions")
def sweep_sessions(timestamp: int) -> None:
    """Daily: sign-in sessions that expired a month ago."""
    forget_ended_sessions()
