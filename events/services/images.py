"""The image of an event."""

from django.db import transaction
from django.utils import timezone

from accounts.audit import audited
from config.api.versions import check_version

from ..errors import EventCancelled
from ..images import delete_unused, encode, store
from ..models import Event
from .editing import lock_event, save_edit


def set_image(
    event: Event, content: bytes, *, alt: str, expected_versions: set[str] | None = None
) -> Event:
    """Encodes and stores an image, and gives it to the event in place of its former one.

    Files of the former image stay for a day. Raises the errors of `encode` and `EventCancelled`.
    """
    check_version(event.edit_tag, expected_versions)
    if event.status == Event.Status.CANCELLED:
        raise EventCancelled
    return _save(event, store(encode(content)), alt, expected_versions=expected_versions)


def remove_image(event: Event, *, expected_versions: set[str] | None = None) -> Event:
    return _save(event, "", "", expected_versions=expected_versions)


@transaction.atomic
@audited("edited")
def _save(event: Event, name: str, alt: str, *, expected_versions: set[str] | None) -> Event:
    event = lock_event(event.pk)
    check_version(event.edit_tag, expected_versions)
    if event.status == Event.Status.CANCELLED and name:
        raise EventCancelled
    if (event.image_name, event.image_alt) != (name, alt):
        event.image_name, event.image_alt = name, alt
        save_edit(event, {"image_name", "image_alt"}, timezone.now())
    return event


def delete_unused_images() -> int:
    """Deletes files that no event has, deleted ones included; returns their number."""
    names = Event.objects.exclude(image_name="").values_list("image_name", flat=True)
    return delete_unused(names.iterator())
