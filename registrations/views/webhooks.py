"""Webhooks. Their secrets are in two responses alone, which are not stored."""

from typing import Any, ClassVar

from django.db.models import Prefetch
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import current_user
from config.api.http.strict_bodies import NoFields
from config.api.key_scopes import Scope, Scopes
from config.api.openapi.schema import operation
from config.api.pagination.keyset import Ordering, orderings
from config.api.pagination.paginator import KeysetPagination
from config.api.views import ApiView, ListView
from config.errors import CursorExpired, InvalidCursor

from ..changes.feed import Position
from ..errors import DeliveryPending, WebhookLimit
from ..models import Webhook, WebhookAttempt, WebhookDelivery
from ..serializers import (
    DeliveryOut,
    NewWebhookOut,
    ReplayedOut,
    ReplayIn,
    SecretOut,
    SecretRotationIn,
    WebhookEditIn,
    WebhookIn,
    WebhookOut,
)
from ..webhooks import queueing, subscriptions


class WebhooksView(ApiView):
    """The base of the routes for one's own webhooks."""

    tag = "webhooks"
    permission_classes = (IsAuthenticated,)
    shown_elsewhere = (NewWebhookOut,)
    key_scopes: ClassVar[dict[str, Scopes]] = dict.fromkeys(
        ("GET", "POST", "PATCH", "DELETE"), (Scope.WEBHOOKS,)
    )

    def webhook(self, pk: int) -> Webhook:
        webhooks = subscriptions.webhooks_of(current_user(self.request))
        return self.get_row(subscriptions.with_pending(webhooks), pk=pk)

    def shown(self, webhook: Webhook) -> Response:
        return Response(WebhookOut(self.webhook(webhook.pk)).data)


class WebhookListView(ListView, WebhooksView):
    stores_responses = False
    pagination_class = KeysetPagination
    orderings = orderings(("created_at", Ordering("created_at")))

    def default_ordering(self, request: Request) -> str:
        return "-created_at"

    @operation("List my webhooks", responses=WebhookOut(many=True))
    def get(self, request: Request) -> Response:
        """Of the account. A key of some events has those that it created.

        Those of a key that has ended are gone.
        """
        webhooks = subscriptions.webhooks_of(current_user(request))
        return self.page(subscriptions.with_pending(webhooks), WebhookOut)

    @operation(
        "Create a webhook",
        request=WebhookIn,
        responses={201: NewWebhookOut},
        raises=[WebhookLimit],
    )
    def post(self, request: Request) -> Response:
        """Changes from now on are sent to the URL. The response has the secret that signs them.

        The secret is shown here and after a rotation only, so a repetition with an Idempotency-Key
        is not recognized. An account has at most 10 webhooks. One that a key creates sends what the
        key may read, and ends with the key.
        """
        values = self.valid(WebhookIn)
        webhook, secret = subscriptions.create_webhook(current_user(request), **values)
        webhook.pending, webhook.secret = 0, secret  # type: ignore[attr-defined]
        location = request.build_absolute_uri(f"/api/webhooks/{webhook.pk}/")
        return Response(NewWebhookOut(webhook).data, status=201, headers={"Location": location})


class WebhookView(WebhooksView):
    @operation("Read a webhook", responses=WebhookOut)
    def get(self, request: Request, pk: int) -> Response:
        return Response(WebhookOut(self.webhook(pk)).data)

    @operation("Edit a webhook", request=WebhookEditIn, responses=WebhookOut)
    def patch(self, request: Request, pk: int) -> Response:
        """Changes that happen while it is disabled are not sent; use replay for them.

        Enabling it again forgets that it failed.
        """
        webhook, changes = self.webhook(pk), self.valid(WebhookEditIn, partial=True)
        subscriptions.edit_webhook(current_user(request), webhook, changes)
        return self.shown(webhook)

    @operation("Delete a webhook", responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """Nothing more is sent."""
        subscriptions.delete_webhook(self.webhook(pk))
        return Response(status=204)


class WebhookRotationView(WebhooksView):
    stores_responses = False

    @operation(
        "Rotate the secret of a webhook", request=SecretRotationIn, responses={200: SecretOut}
    )
    def post(self, request: Request, pk: int) -> Response:
        """Both secrets sign during the overlap. A second rotation ends the oldest."""
        webhook = self.webhook(pk)
        webhook, secret = subscriptions.rotate_secret(webhook, **self.valid(SecretRotationIn))
        facts: dict[str, Any] = {"secret": secret, "previous_until": webhook.previous_until}
        return Response(SecretOut(facts).data)


class SendingView(WebhooksView):
    """The base of the routes that send something."""

    throttle_scopes: ClassVar[dict[str, str]] = {"POST": "deliveries"}


class WebhookTestView(SendingView):
    @operation(
        "Test a webhook",
        operation_id="testWebhook",
        request=None,
        responses={202: DeliveryOut},
        raises=[DeliveryPending],
    )
    def post(self, request: Request, pk: int) -> Response:
        """Sends `webhook.test`, whose body has the members of a change. At most 10 are pending."""
        webhook = self.webhook(pk)
        self.valid(NoFields)
        return Response(DeliveryOut(queueing.queue_test(webhook)).data, status=202)


class DeliveryListView(ListView, WebhooksView):
    sends_etag = False
    pagination_class = KeysetPagination
    orderings = {"newest": Ordering("id", descending=True)}

    def default_ordering(self, request: Request) -> str:
        return "newest"

    @operation("List the deliveries of a webhook", responses=DeliveryOut(many=True))
    def get(self, request: Request, pk: int) -> Response:
        """The newest first, with their attempts. They are stored for 30 days."""
        deliveries = WebhookDelivery.objects.filter(webhook=self.webhook(pk))
        attempts = Prefetch("attempts", WebhookAttempt.objects.order_by("pk"))
        return self.page(deliveries.prefetch_related(attempts), DeliveryOut)


class RedeliveryView(SendingView):
    @operation(
        "Send a delivery again",
        operation_id="redeliver",
        request=None,
        responses={202: DeliveryOut},
        raises=[DeliveryPending, CursorExpired],
    )
    def post(self, request: Request, pk: int, delivery_id: int) -> Response:
        """It is rendered anew, and has all of its attempts again. The latest 20 stay listed."""
        deliveries = WebhookDelivery.objects.filter(webhook=self.webhook(pk))
        delivery = self.get_row(deliveries.select_related("webhook"), pk=delivery_id)
        self.valid(NoFields)
        return Response(DeliveryOut(queueing.redeliver(delivery)).data, status=202)


class ReplayView(SendingView):
    @operation(
        "Replay changes",
        operation_id="replayWebhook",
        request=ReplayIn,
        responses={202: ReplayedOut},
        raises=[CursorExpired, InvalidCursor],
    )
    def post(self, request: Request, pk: int) -> Response:
        """Sends the changes since an instant or a cursor again.

        A delivery that is still pending is not queued twice. At most 100,000 are queued."""
        webhook, values = self.webhook(pk), self.valid(ReplayIn)
        since = values["since"]
        if isinstance(since, str):
            since = Position.decode(since, webhook.user_id)
        count = queueing.replay(webhook, since, values.get("types"))
        return Response({"count": count}, status=202)
