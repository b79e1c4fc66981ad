"""The bodies of deliveries, as the webhook's owner sees the objects when they are sent."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

from rest_framework.request import Request

from accounts.models import User
from config.api.http.negotiation import to_json
from config.api.text.instants import render_instant

from ..changes.rendering import render_changes
from ..models import Webhook, WebhookDelivery
from .queueing import TEST, viewer_of, visible_changes


def render(webhook: Webhook, deliveries: Iterable[WebhookDelivery]) -> dict[int, bytes]:
    """The bodies by the id of the delivery.

    There is none for a change that the log no longer has, or on which the owner has no role now.
    """
    deliveries = list(deliveries)
    viewer = viewer_of(webhook)
    if viewer is None:
        return {}
    positions = [each.position for each in deliveries if each.position is not None]
    changes = list(visible_changes(webhook).filter(pk__in=positions)) if positions else []
    request = cast("Request", _Reading(viewer))
    rendered = render_changes(changes, request)
    contents: dict[int, Any] = {
        change.position: content for change, content in zip(changes, rendered, strict=True)
    }
    bodies = {}
    for each in deliveries:
        if each.position is None:
            bodies[each.pk] = to_json(_test(webhook, each))
        elif each.position in contents:
            bodies[each.pk] = to_json(contents[each.position])
    return bodies


@dataclass(frozen=True)
class _Reading:
    """What serializers need of a request."""

    user: User


def _test(webhook: Webhook, delivery: WebhookDelivery) -> dict[str, Any]:
    """Has the members of a change, so that a receiver needs no special case."""
    return {
        "id": delivery.change,
        "type": TEST,
        "at": render_instant(delivery.created_at),
        "event": None,
        "object": {"kind": "webhook", "id": webhook.pk},
        "sequence": delivery.pk,
        "actor": {"kind": "system", "id": None, "on_behalf_of": None},
        "reason": None,
        "data": {"id": webhook.pk, "url": webhook.url, "types": webhook.types},
    }
