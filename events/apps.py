from django.apps import AppConfig


class EventsConfig(AppConfig):
    """What is offered."""

    name = "events"
