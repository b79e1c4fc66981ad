from django.apps import AppConfig


class RegistrationsConfig(AppConfig):
    """Attendance: registrations, waitlists, tickets, check-in and feedback."""

    name = "registrations"

    def ready(self) -> None:
        from accounts.notifications import register_kind  # noqa: PLC0415  # needs the models loaded
        from events.models import define_place  # noqa: PLC0415

        from . import receivers  # noqa: F401, PLC0415  # connects them
        from .models import has_place  # noqa: PLC0415
        from .notifications import KINDS  # noqa: PLC0415

        define_place(has_place)
        for kind in KINDS:
            register_kind(kind)
