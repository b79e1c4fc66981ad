from typing import Any

from django.contrib.staticfiles.management.commands import collectstatic

from config.docs import build_document


class Command(collectstatic.Command):
    """Django's command, which also makes the OpenAPI document: it runs once for each build."""

    def handle(self, *args: Any, **options: Any) -> None:
        super().handle(*args, **options)
        build_document()
