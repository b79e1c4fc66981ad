from django.apps import AppConfig
from django.core.checks import register
from django.db.models.signals import post_migrate
from procrastinate.contrib.django.apps import ProcrastinateConfig

from config.database import roles

from .http import part_headers
from .sql import requirements


class ApiConfig(AppConfig):
    """The HTTP conventions of this API. It is an app because it has tables."""

    default = True
    name = "config.api"
    label = "api"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        super().ready()
        part_headers.skip_unreadable()
        register(requirements.check_databases, "database")
        post_migrate.connect(roles.after_migrations, sender=self)


class BackgroundJobsConfig(ProcrastinateConfig):
    """Procrastinate, under a name for the admin."""

    default = False
    verbose_name = "Background jobs"

    def ready(self) -> None:
        super().ready()
        job = self.get_model("ProcrastinateJob")
        job._meta.verbose_name, job._meta.verbose_name_plural = "job", "jobs"
