"""Django's PostgreSQL backend, which starts the embedded server before it connects."""

from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from config.database import base
from config.devserver.embedded_postgres import EmbeddedPostgresError, ensure_running


class DatabaseWrapper(base.DatabaseWrapper):
    def get_connection_params(self) -> dict[str, Any]:
        try:
            ensure_running(settings.EMBEDDED_POSTGRES_ROOT)
        except EmbeddedPostgresError as error:
            raise ImproperlyConfigured(str(error)) from error
        return super().get_connection_params()
