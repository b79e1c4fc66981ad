from django.apps import AppConfig


class ApiConfig(AppConfig):
    """How this API speaks HTTP. An app for the sake of one table: answers kept for replay."""

    name = "config.api"
    label = "api"
    default_auto_field = "django.db.models.BigAutoField"
