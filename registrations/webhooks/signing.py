"""The secrets by which a webhook signs now."""

from django.utils import timezone

from ..models import Webhook
from .secrets import SecretUnreadable, opened, sealed


def secrets_of(webhook: Webhook) -> tuple[str, ...]:
    """The secret, and the former one during the overlap of a rotation.

    None is left once `SECRET_KEY` was replaced without a fallback. A secret that a former
    `SECRET_KEY` encrypted is encrypted anew.
    """
    columns = ["secret"]
    if webhook.previous_secret is not None and (
        webhook.previous_until is not None and webhook.previous_until > timezone.now()
    ):
        columns.append("previous_secret")
    secrets = []
    for column in columns:
        stored = bytes(getattr(webhook, column))
        try:
            secret, is_current = opened(stored)
        except SecretUnreadable:
            continue
        if not is_current:
            same = Webhook.objects.filter(pk=webhook.pk, **{column: stored})
            same.update(**{column: sealed(secret)})
        secrets.append(secret)
    return tuple(secrets)
