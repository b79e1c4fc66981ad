from django.apps import AppConfig
from procrastinate.contrib.django.apps import ProcrastinateConfig


class ApiConfig(AppConfig):
    """The HTTP conventions of this API. It is an app because it has tables."""

    default = True
    name = "config.api"
    label = "api"
    default_auto_field = "django.db.models.BigAutoField"


class BackgroundJobsConfig(ProcrastinateConfig):
    """Procrastinate, under a name for the admin."""

    default = False
    verbose_name = "Background jobs"

    def ready(self) -> None:
        super().ready()
        job = self.get_model("ProcrastinateJob")
        job._meta.verbose_name, job._meta.verbose_name_plural = "job", "jobs"
