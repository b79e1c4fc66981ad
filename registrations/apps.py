from django.apps import AppConfig


class RegistrationsConfig(AppConfig):
    """Attendance: registrations, waitlists, tickets, check-in and feedback."""

    name = "registrations"

    def ready(self) -> None:
        from accounts.notifications import register_kind  # noqa: PLC0415  # needs the models loaded

        from . import receivers  # noqa: F401, PLC0415  # connects them
        from .notifications import KINDS  # noqa: PLC0415

        for kind in KINDS:
            register_kind(kind)
