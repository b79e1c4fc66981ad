from django.apps import AppConfig
from procrastinate.contrib.django.apps import ProcrastinateConfig


class ApiConfig(AppConfig):
    """How this API speaks HTTP. An app for the sake of one table: answers kept for replay."""

    default = True
    name = "config.api"
    label = "api"
    default_auto_field = "django.db.models.BigAutoField"


class BackgroundJobsConfig(ProcrastinateConfig):
    """Procrastinate, under the name that staff read in the admin."""

    default = False
    verbose_name = "Background jobs"

    def ready(self) -> None:
        super().ready()
        job = self.get_model("ProcrastinateJob")
        job._meta.verbose_name, job._meta.verbose_name_plural = "job", "jobs"
