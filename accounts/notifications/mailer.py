"""The mailer: claims due notifications and delivers them.

Errors have three classes. A permanent rejection of a mail parks its row. While the mail server is
unavailable, all rows are released and no attempt is counted. After any other error, the row is
attempted again later, with exponential delays.
"""

import logging
import random
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from itertools import compress
from threading import Event

from django.db import connection
from django.utils import timezone

from config.api.liveness import report_alive
from config.api.request_ids import request_in_progress
from config.api.sql.unavailability import DATABASE_UNAVAILABLE

from ..models import Notification
from . import outbox
from .budget import Budgets, proven_addresses
from .composing import Mail, compose, compose_several, message_id
from .deliveries import (
    GIVEN_UP,
    REPEATED,
    TOO_MANY_CAUSED,
    Deferral,
    Delivery,
    by_urgency,
    count_caused_mail,
    deferral_of,
    guarded_rows,
    mailed_rows,
    over_budget,
    plan_deliveries,
)
from .kinds import Facts, Kind, find_kind
from .opt_outs import opted_out_rows
from .rendering import render_notice
from .transport import MailTransport, Refused, ServerUnavailable, error_text, is_temporary_rejection

logger = logging.getLogger(__name__)

State = Notification.State

BATCH = 100
_IDLE_SECONDS = 1.0
_MAX_PAUSE_SECONDS = 60.0
_MAX_AGE_OF_FACTS_SECONDS = 5.0
_CLAIM_CHECK_SECONDS = 5.0
# The time limits of SMTP end a delivery within this time.
_TIME_TO_SEND = timedelta(minutes=6)
_SHUTDOWN_SECONDS = 10.0
_UNKNOWN_KIND_DELAY = timedelta(minutes=1)


class Mailer:
    """Delivers until `stopping` is set. Any number of mailers may run at once.

    A mailer belongs to one thread, whose database connection holds its lock.
    """

    def __init__(self, stopping: Event | None = None) -> None:
        self._stopping = stopping or Event()
        self._transport = MailTransport()
        self._number = 0
        self._is_registered = False
        self._suspects: set[int] = set()
        self._checked_at = float("-inf")
        self._lease_ends = 0.0
        self._failures = 0

    def run(self) -> None:
        while not self._stopping.is_set():
            report_alive()
            try:
                if self.deliver_batch():
                    continue
            except DATABASE_UNAVAILABLE as error:
                self._failures += 1
                self._is_registered = False
                connection.close()
                logger.warning("database unavailable: %s", error_text(error))
            except Exception:
                self._failures += 1
                logger.exception("a batch failed")
            self._transport.close_if_idle()
            self._stopping.wait(self._pause())
        self.close()

    def deliver_batch(self) -> int:
        """Claim up to `BATCH` rows and deliver them. Returns the number of rows that are done."""
        self._register()
        self._release_orphaned_claims()
        rows = outbox.claim(self._number, BATCH)
        self._lease_ends = time.monotonic() + outbox.LEASE.total_seconds()
        queue = deque(sorted(rows, key=by_urgency))
        pause = timedelta(0)
        try:
            while queue and self._may_begin():
                self._deliver_while_current(queue)
            self._failures = 0
        except ServerUnavailable as error:
            self._failures += 1
            pause = timedelta(seconds=self._pause())
            logger.warning("mail server unavailable: %s", error)
        finally:
            outbox.give_back(self._number, queue, after=pause)
        return len(rows) - len(queue)

    def close(self) -> None:
        self._transport.close()
        try:
            outbox.mailers.unregister(self._number)
        except DATABASE_UNAVAILABLE:
            logger.debug("the lock ended with the connection", exc_info=True)

    # --- one batch ---

    def _may_begin(self) -> bool:
        latest = self._lease_ends - _TIME_TO_SEND.total_seconds()
        return not self._stopping.is_set() and time.monotonic() < latest

    def _deliver_while_current(self, queue: deque[Notification]) -> None:
        """Deliver rows until the loaded facts are too old."""
        current_until = time.monotonic() + _MAX_AGE_OF_FACTS_SECONDS
        opted_out = opted_out_rows(queue)
        loaded = self._load(queue)
        mailed = mailed_rows(queue, loaded, opted_out=opted_out)
        guarded = guarded_rows(mailed, loaded, proven=proven_addresses(mailed))
        budgets = Budgets({row.email for row in guarded})
        for deferral in over_budget(guarded, loaded, budgets):
            self._defer(deferral)
            _remove(queue, [*deferral.rows, *deferral.given_up])
        deliveries, repeated = plan_deliveries(
            queue,
            loaded,
            mailed={row.pk for row in mailed},
            guarded={row.pk for row in guarded},
            budgets=budgets,
        )
        outbox.drop(self._number, repeated, REPEATED)
        _remove(queue, repeated)
        for delivery in deliveries:
            if not self._may_begin() or time.monotonic() >= current_until:
                return
            first = delivery.rows[0]
            with request_in_progress(first.request_id, notification_id=first.pk, kind=first.kind):
                self._deliver(delivery, budgets)
            _remove(queue, delivery.rows)

    def _defer(self, deferral: Deferral) -> None:
        outbox.defer(self._number, deferral.rows, deferral.until, outbox.OVER_BUDGET)
        outbox.drop(self._number, deferral.given_up, GIVEN_UP)

    def _load(self, queue: deque[Notification]) -> dict[int, tuple[Kind, Facts]]:
        """Kind and facts of the rows that still apply. The other rows leave the queue."""
        loaded: dict[int, tuple[Kind, Facts]] = {}
        by_kind: dict[str, list[Notification]] = {}
        for row in queue:
            by_kind.setdefault(row.kind, []).append(row)
        for name, rows in by_kind.items():
            kind = find_kind(name)
            if kind is None:  # of a newer version that runs at the same time
                outbox.give_back(self._number, rows, after=_UNKNOWN_KIND_DELAY)
                continue
            try:
                facts_by_row = kind.load(rows)
            except DATABASE_UNAVAILABLE:
                raise
            except Exception as error:
                logger.exception("cannot load the facts of %s", name)
                self._fail(rows, error)
                continue
            loaded |= {pk: (kind, facts) for pk, facts in facts_by_row.items()}
            obsolete = [row for row in rows if row.pk not in facts_by_row]
            outbox.drop(self._number, obsolete, "It no longer applied when it was due.")
        current = [row for row in queue if row.pk in loaded]
        queue.clear()
        queue.extend(current)
        return loaded

    def _fail(self, rows: Iterable[Notification], error: Exception) -> None:
        for row in rows:
            row.attempts += 1
            outbox.retry_later(self._number, row, error_text(error))

    def _deliver(self, delivery: Delivery, budgets: Budgets) -> None:
        if self._is_given_up(delivery) or not self._is_affordable(delivery, budgets):
            return
        mail = None
        try:
            claimed = self._begin(delivery)
            if claimed.rows and claimed.by_mail:
                mail = _composed(claimed)
                self._transport.send(mail)
        except ServerUnavailable:
            for row in delivery.rows:
                outbox.uncount(self._number, row)
            _give_back(delivery, budgets)
            raise
        except DATABASE_UNAVAILABLE:
            raise
        except Refused as error:
            _give_back(delivery, budgets)
            self._handle_refusal(delivery, error)
        except Exception as error:
            logger.warning("notification %s failed", delivery.rows[0].pk, exc_info=True)
            if mail is None or is_temporary_rejection(error):
                _give_back(delivery, budgets)
            for row in delivery.rows:
                outbox.retry_later(self._number, row, error_text(error))
        else:
            if not claimed.rows:
                _give_back(delivery, budgets)
            self._settle_delivery(claimed)

    def _handle_refusal(self, delivery: Delivery, error: Refused) -> None:
        """Park the row. Of several, retry each one alone, since one of them may be the reason."""
        for row in delivery.rows:
            if len(delivery.rows) > 1:
                outbox.retry_later(self._number, row, error_text(error))
            else:
                logger.warning("notification %s is permanently rejected", row.pk)
                self._settle(row, State.PARKED, error=error_text(error))

    def _is_given_up(self, delivery: Delivery) -> bool:
        """Park a row that has used up its attempts. Such a row is alone in its delivery."""
        row = delivery.rows[0]
        if row.attempts < outbox.LAST_ATTEMPT:
            return False
        self._settle(row, State.PARKED, error=row.error or "No mailer survived it.")
        return True

    def _is_affordable(self, delivery: Delivery, budgets: Budgets) -> bool:
        """Take the mail from the budgets that apply to it, or defer the delivery.

        The count of the account that causes it is last, since nothing gives that one back.
        """
        if not delivery.by_mail:
            return True
        address, share = delivery.address, delivery.kind.share
        if delivery.is_guarded and not budgets.take(address, share):
            self._defer(deferral_of(delivery.rows, share, budgets.free_at(address, share)))
            return False
        if seconds := count_caused_mail(delivery):
            _give_back(delivery, budgets)
            until = timezone.now() + timedelta(seconds=seconds)
            outbox.defer(self._number, delivery.rows, until, TOO_MANY_CAUSED)
            return False
        return True

    def _begin(self, delivery: Delivery) -> Delivery:
        """Count the attempt and render the notices. Returns the rows that are still claimed."""
        is_claimed = []
        for row, facts in zip(delivery.rows, delivery.facts, strict=True):
            row.attempts += 1
            row.subject, row.body = render_notice(delivery.kind, row, facts)
            row.message_id = message_id(delivery.rows[0]) if delivery.by_mail else ""
            is_claimed.append(outbox.begin(self._number, row))
        return replace(
            delivery,
            rows=list(compress(delivery.rows, is_claimed)),
            facts=list(compress(delivery.facts, is_claimed)),
        )

    def _settle_delivery(self, delivery: Delivery) -> None:
        for row in delivery.rows:
            if delivery.by_mail:
                self._settle(row, State.SENT)
            elif delivery.kind.in_app and row.user_id:
                self._settle(row, State.SHOWN)
            else:
                self._settle(row, State.DROPPED, error="Opted out, or not deliverable.")

    def _settle(self, row: Notification, state: State, *, error: str = "") -> None:
        """Record the final state of a row, and retry while the database is unavailable.

        The mail has been sent, so an unrecorded state would send it twice.
        """
        while True:
            try:
                outbox.settle(self._number, row, state, error=error)
            except DATABASE_UNAVAILABLE:
                if self._stopping.is_set():
                    self._lease_ends = min(self._lease_ends, time.monotonic() + _SHUTDOWN_SECONDS)
                if time.monotonic() > self._lease_ends:
                    raise
                logger.warning("cannot record that notification %s is %s yet", row.pk, state)
                time.sleep(1)
                self._reconnect()
            else:
                return

    # --- other mailers, and errors ---

    def _release_orphaned_claims(self) -> None:
        if time.monotonic() - self._checked_at > _CLAIM_CHECK_SECONDS:
            self._suspects = outbox.mailers.release_orphaned(self._suspects)
            self._checked_at = time.monotonic()

    def _reconnect(self) -> None:
        """Lock the same number by a new connection, so that no other mailer takes the claims."""
        self._is_registered = False
        connection.close()
        try:
            outbox.mailers.lock(self._number)
        except DATABASE_UNAVAILABLE:
            logger.debug("the database is still unavailable", exc_info=True)

    def _register(self) -> None:
        """Get a new number, and release the claims of the former one."""
        if not self._is_registered:
            outbox.mailers.give_back_all(self._number)
            self._number = outbox.mailers.register()
            self._is_registered = True

    def _pause(self) -> float:
        if not self._failures:
            return _IDLE_SECONDS
        seconds = min(2.0 ** min(self._failures, 10), _MAX_PAUSE_SECONDS)
        return seconds * random.uniform(0.8, 1.2)  # noqa: S311  # so that mailers spread


def _composed(delivery: Delivery) -> Mail:
    if len(delivery.rows) > 1:
        return compose_several(delivery.kind, delivery.rows, delivery.facts)
    [row], [facts] = delivery.rows, delivery.facts
    return compose(delivery.kind, row, facts, is_guarded=delivery.is_guarded)


def _give_back(delivery: Delivery, budgets: Budgets) -> None:
    if delivery.is_guarded:
        budgets.give_back(delivery.address)


def _remove(queue: deque[Notification], rows: Iterable[Notification]) -> None:
    """Remove rows from the queue. They are usually at its head."""
    for row in rows:
        queue.remove(row)
