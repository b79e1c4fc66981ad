"""Locks of registrations. The lock order is account, event, registration."""

from config.errors import NotFound

from ..models import Registration


def lock_registration(registration: Registration) -> Registration:
    """The current row, locked. Callers that need the event lock take it first.

    Raises `NotFound` if the registration was handed on since the caller read it: the caller may
    have lost the right to change it.
    """
    row = (
        Registration.objects.select_related("user")
        .select_for_update(of=("self",))
        .get(pk=registration.pk)
    )
    if row.link_version != registration.link_version:
        raise NotFound
    return row
