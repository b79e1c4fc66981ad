import asyncio
from typing import Any

from procrastinate import PsycopgConnector, cli
from procrastinate.contrib.django import app
from procrastinate.contrib.django.management.commands import procrastinate
from procrastinate.contrib.django.utils import connector_params

from config.api.worker import run_until_stopped

# For a connection of the pool, while the database is away.
CONNECTION_SECONDS = 5.0


class Command(procrastinate.Command):
    """procrastinate's command. Its worker survives a restart of PostgreSQL."""

    def handle(self, *args: Any, **options: Any) -> None:
        if options.get("func") is not cli.worker_ or options.get("wait") is False:
            super().handle(*args, **options)
            return
        others = {*self._django_options, "command", "func"}
        worker_options = {name: value for name, value in options.items() if name not in others}
        connector = PsycopgConnector(kwargs=connector_params(), timeout=CONNECTION_SECONDS)
        with app.replace_connector(connector) as worker_app:
            asyncio.run(run_until_stopped(worker_app, **worker_options))
