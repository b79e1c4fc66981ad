"""The sender: queues changes for webhooks, claims due deliveries, and sends them."""

import logging
import random
import time
from collections import defaultdict
from threading import Event

from django.db import OperationalError, connection
from django.utils import timezone

from accounts.notifications.transport import error_text
from config.api.liveness import report_alive
from config.api.sql.unavailability import DATABASE_UNAVAILABLE

from ..models import Webhook, WebhookDelivery
from . import claims
from .lanes import FIRST_REQUESTS, Job, Lanes, Unbegun
from .outcomes import Outcome, settle
from .queueing import CHANGES_AT_ONCE, queue_changes
from .rendering import render
from .secrets import secrets_of

logger = logging.getLogger(__name__)

MAX_CLAIMED = 2000
# Claimed deliveries of one webhook: at first, after successes, and after a failure.
_FIRST_WINDOW = 4 * FIRST_REQUESTS
_MAX_WINDOW = 500
_FAILING_WINDOW = 2

_IDLE_SECONDS = 0.5
_QUEUE_SECONDS = 0.25
_WAIT_SECONDS = 0.05
_GATHER_SECONDS = 0.02  # a round takes about ten statements, however few deliveries it has
_UPKEEP_SECONDS = 5.0
_MAX_PAUSE_SECONDS = 30.0
_LOCK_TRIES = 10


class Sender:
    """Sends until `stopping` is set. Any number of senders may run at once.

    A sender belongs to one thread, whose database connection holds its lock. Requests are made in
    another thread: see `Lanes`.
    """

    def __init__(self, stopping: Event | None = None) -> None:
        self._stopping = stopping or Event()
        self._lanes = Lanes()
        self._number = 0
        self._is_registered = False
        self._lock_tries = 0
        self._suspects: set[int] = set()
        self._kept_up_at = self._queued_at = float("-inf")
        self._failures = 0
        self._after = 0
        self._claimed: dict[int, int] = defaultdict(int)  # by webhook
        self._windows: dict[int, int] = {}
        self._ended: list[Outcome] = []  # not recorded yet

    def run(self) -> None:
        while not self._stopping.is_set():
            report_alive()
            try:
                is_idle = not self.send_due()
                self._failures = 0
            except DATABASE_UNAVAILABLE as error:
                self._handle_lost_connection(error)
                is_idle = True
            except Exception:
                self._failures += 1
                self._forget_claims()
                self._ended.clear()  # perhaps what cannot be recorded; it is sent again
                logger.exception("a round of webhooks failed")
                is_idle = True
            if is_idle:
                self._stopping.wait(self._pause())
        self.close()

    def send_due(self) -> int:
        """One round. Returns the number of deliveries that were queued, begun or ended."""
        self._register()
        self._keep_up()
        begun = self._queue() + self._claim()
        claimed = sum(self._claimed.values())
        done = self._lanes.take_done(
            _WAIT_SECONDS if claimed else 0, _GATHER_SECONDS if claimed > 1 else 0
        )
        self._settle(done)
        return begun + len(done) + len(self._claimed)

    def close(self) -> None:
        """End the requests in progress, and give back what has not begun."""
        self._lanes.return_waiting()
        try:
            while self._claimed and self._is_registered:
                self._settle(self._lanes.take_done(_WAIT_SECONDS))
            claims.senders.unregister(self._number)
        except DATABASE_UNAVAILABLE:
            logger.debug("the lock ended with the connection", exc_info=True)
        self._lanes.close()

    # --- one round ---

    def _queue(self) -> int:
        if time.monotonic() - self._queued_at < _QUEUE_SECONDS:
            return 0
        number = queue_changes()
        if number < CHANGES_AT_ONCE:  # more may be waiting only after a full batch
            self._queued_at = time.monotonic()
        return number

    def _claim(self) -> int:
        free = MAX_CLAIMED - sum(self._claimed.values())
        if free <= 0:
            return 0
        known = self._windows.keys() | self._claimed.keys()
        deliveries = claims.claim(
            self._number,
            total=free,
            limit=_FIRST_WINDOW,
            failing_limit=_FAILING_WINDOW,
            busy={pk: self._free(pk) for pk in known},
            after=self._after,
        )
        if not deliveries:
            return 0
        of_webhooks = defaultdict[int, list[WebhookDelivery]](list)
        for delivery in deliveries:
            of_webhooks[delivery.webhook_id].append(delivery)
        self._after = random.choice(list(of_webhooks))  # noqa: S311  # begins elsewhere next time
        webhooks = claims.webhooks_with_owners(of_webhooks.keys())
        for pk, of_webhook in of_webhooks.items():
            self._begin(webhooks.get(pk), of_webhook)
        return len(deliveries)

    def _free(self, pk: int) -> int:
        return max(0, self._windows.get(pk, _FIRST_WINDOW) - self._claimed.get(pk, 0))

    def _begin(self, webhook: Webhook | None, deliveries: list[WebhookDelivery]) -> None:
        """Render the deliveries of one webhook and submit them. Drop what must not be sent."""
        bodies = self._rendered(webhook, deliveries) if webhook else {}
        kept = bodies.keys() | {each.delivery.pk for each in self._ended}
        claims.drop(self._number, [each.pk for each in deliveries if each.pk not in kept])
        if webhook is None or not bodies:
            return
        secrets = secrets_of(webhook)
        self._claimed[webhook.pk] += len(bodies)
        self._lanes.submit(
            Job(each, webhook.url, secrets, bodies[each.pk], webhook.user_id)
            for each in deliveries
            if each.pk in bodies
        )

    def _rendered(self, webhook: Webhook, deliveries: list[WebhookDelivery]) -> dict[int, bytes]:
        """The bodies. A delivery that cannot be rendered is attempted later, and stops no other."""
        try:
            return render(webhook, deliveries)
        except DATABASE_UNAVAILABLE:
            raise
        except Exception:
            logger.exception("cannot render deliveries of webhook %s", webhook.pk)
            if len(deliveries) > 1:
                bodies: dict[int, bytes] = {}
                for each in deliveries:
                    bodies |= self._rendered(webhook, [each])
                return bodies
        now = timezone.now()
        [delivery] = deliveries
        self._ended.append(Outcome(delivery, now, now, status=None, error="internal_error"))
        return {}

    def _settle(self, done: list[Outcome | Unbegun]) -> None:
        for each in done:
            pk = each.delivery.webhook_id
            self._claimed[pk] -= 1
            if not self._claimed[pk]:
                del self._claimed[pk]
            self._resize(pk, each)
        self._ended += [each for each in done if isinstance(each, Outcome)]
        unbegun = [each.delivery.pk for each in done if isinstance(each, Unbegun)]
        if self._ended:
            settle(self._number, self._ended)
            self._ended = []
        claims.give_back(self._number, unbegun)

    def _resize(self, pk: int, done: Outcome | Unbegun) -> None:
        """Claim more of a receiver that is fast, and less of one that is slow or fails."""
        window = self._windows.get(pk, _FIRST_WINDOW)
        if isinstance(done, Unbegun):
            window = max(_FAILING_WINDOW, window // 2)
        elif done.is_success:
            window = min(max(window, _FIRST_WINDOW) + 1, _MAX_WINDOW)
        else:
            window = _FAILING_WINDOW
        self._windows[pk] = window

    # --- other senders, and errors ---

    def _keep_up(self) -> None:
        if time.monotonic() - self._kept_up_at > _UPKEEP_SECONDS:
            self._suspects = claims.senders.release_orphaned(self._suspects)
            claims.drop_of_disabled()
            self._lanes.keep_up()
            for pk in list(self._windows):
                if pk not in self._claimed and self._windows[pk] >= _FIRST_WINDOW:
                    del self._windows[pk]
            self._kept_up_at = time.monotonic()

    def _handle_lost_connection(self, error: Exception) -> None:
        """Another sender may soon take over the claims, so no request stays in progress."""
        self._failures += 1
        self._is_registered = False
        self._forget_claims()
        connection.close()
        logger.warning("database unavailable: %s", error_text(error))

    def _forget_claims(self) -> None:
        """End what is in progress, except for what is to be recorded."""
        self._lanes.abort()
        done = self._lanes.take_done(0)
        self._ended += [each for each in done if isinstance(each, Outcome)]
        self._claimed.clear()
        if self._is_registered:
            self._is_registered = False
            connection.close()

    def _register(self) -> None:
        """Lock the former number again, and record what ended meanwhile, or get a new number."""
        if self._is_registered:
            return
        if self._number and self._lock_tries < _LOCK_TRIES:
            self._lock_tries += 1
            if not claims.senders.lock(self._number):
                raise OperationalError("the former connection still has the lock")
            if self._ended:
                settle(self._number, self._ended)
        else:
            self._number = claims.senders.register()
        self._ended, self._lock_tries = [], 0
        claims.senders.give_back_all(self._number)
        self._is_registered = True

    def _pause(self) -> float:
        if not self._failures:
            return _IDLE_SECONDS
        seconds = min(2.0 ** min(self._failures, 10), _MAX_PAUSE_SECONDS)
        return seconds * random.uniform(0.8, 1.2)  # noqa: S311  # so that senders spread
