from django.apps import AppConfig


class EventsConfig(AppConfig):
    """What is offered."""

    name = "events"

    def ready(self) -> None:
        from accounts.notifications import register_kind  # noqa: PLC0415  # needs the models loaded

        from .mails import TEAM_INVITATION  # noqa: PLC0415

        register_kind(TEAM_INVITATION)
