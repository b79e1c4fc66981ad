from django.apps import AppConfig


class RegistrationsConfig(AppConfig):
    """Who comes."""

    name = "registrations"

    def ready(self) -> None:
        from . import receivers  # noqa: F401, PLC0415  # connects them; needs the models loaded
