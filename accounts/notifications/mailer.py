"""The mailer: takes what is due, and tells it.

What goes wrong is somebody's fault. The recipient's: the server refuses the address for good, so
the row is parked. The server's: it cannot be reached or lets nobody in, so every row waits and no
attempt is counted. Else the row's own: it is tried again later, ever more rarely.
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

from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from ..models import Notification
from . import outbox
from .budget import Budgets, proven_addresses
from .composing import Mail, compose, compose_several, message_id
from .kinds import Facts, Kind, find_kind
from .opt_outs import unwanted
from .parcels import (
    GIVEN_UP,
    REPEATED,
    TOO_MANY_CAUSED,
    Deferral,
    Parcel,
    deferral,
    guarded_rows,
    mailed_rows,
    over_budget,
    parcels_of,
    seconds_until_allowed,
)
from .post import Post, Refused, ServerAway, was_rejected, words_of
from .rendering import render_notice

logger = logging.getLogger(__name__)

State = Notification.State

BATCH = 100
_IDLE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0
_FACTS_HOLD_SECONDS = 5.0
_LOOK_FOR_THE_DEAD_SECONDS = 5.0
# A mail that begins this long before the lease ends is over by then, whatever the server does.
_TIME_TO_SEND = timedelta(minutes=6)
_LAST_WORDS_SECONDS = 10.0
_UNKNOWN_KIND_WAITS = timedelta(minutes=1)

_DATABASE_AWAY = (OperationalError, InterfaceError)


class Mailer:
    """Delivers until it is told to stop; any number of them may run at once.

    Belongs to one thread, whose database connection it holds a lock with.
    """

    def __init__(self, stopping: Event | None = None) -> None:
        self._stopping = stopping or Event()
        self._post = Post()
        self._number = 0
        self._is_enlisted = False
        self._suspects: set[int] = set()
        self._looked_at = float("-inf")
        self._lease_ends = 0.0
        self._troubles = 0

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                if self.deliver_batch():
                    continue
            except _DATABASE_AWAY as error:
                self._troubles += 1
                self._is_enlisted = False
                connection.close()
                logger.warning("database away: %s", words_of(error))
            except Exception:
                self._troubles += 1
                logger.exception("a batch failed")
            self._post.rest()
            self._stopping.wait(self._pause())
        self.close()

    def deliver_batch(self) -> int:
        """Take up to `BATCH` rows and bring them to their end; returns how many left the queue."""
        self._enlist()
        self._free_claims_of_the_dead()
        rows = outbox.claim(self._number, BATCH)
        self._lease_ends = time.monotonic() + outbox.LEASE.total_seconds()
        waiting = deque(sorted(rows, key=_by_urgency))
        wait = timedelta(0)
        try:
            while waiting and self._may_begin():
                self._deliver_while_fresh(waiting)
            self._troubles = 0
        except ServerAway as error:
            self._troubles += 1
            wait = timedelta(seconds=self._pause())
            logger.warning("mail server away: %s", error)
        finally:
            outbox.give_back(self._number, waiting, after=wait)
        return len(rows) - len(waiting)

    def close(self) -> None:
        self._post.close()
        try:
            outbox.leave(self._number)
        except _DATABASE_AWAY:
            logger.debug("the lock went with the connection", exc_info=True)

    # --- one batch ---

    def _may_begin(self) -> bool:
        latest = self._lease_ends - _TIME_TO_SEND.total_seconds()
        return not self._stopping.is_set() and time.monotonic() < latest

    def _deliver_while_fresh(self, waiting: deque[Notification]) -> None:
        """Deliver rows for as long as what is known of them is not stale."""
        fresh_until = time.monotonic() + _FACTS_HOLD_SECONDS
        opted_out = unwanted(waiting)
        known = self._look_up(waiting)
        mailed = mailed_rows(waiting, known, opted_out=opted_out)
        guarded = guarded_rows(mailed, known, proven=proven_addresses(mailed))
        budgets = Budgets({row.email for row in guarded})
        for found in over_budget(guarded, known, budgets):
            self._defer(found)
            _remove(waiting, [*found.rows, *found.given_up])
        parcels, repeated = parcels_of(
            waiting,
            known,
            mailed={row.pk for row in mailed},
            guarded={row.pk for row in guarded},
            budgets=budgets,
        )
        outbox.drop(self._number, repeated, REPEATED)
        _remove(waiting, repeated)
        for parcel in parcels:
            if not self._may_begin() or time.monotonic() >= fresh_until:
                return
            self._deliver(parcel, budgets)
            _remove(waiting, parcel.rows)

    def _defer(self, found: Deferral) -> None:
        outbox.defer(self._number, found.rows, found.until, outbox.OVER_BUDGET)
        outbox.drop(self._number, found.given_up, GIVEN_UP)

    def _look_up(self, waiting: deque[Notification]) -> dict[int, tuple[Kind, Facts]]:
        """Kind and facts of those that hold; the others leave the queue."""
        known: dict[int, tuple[Kind, Facts]] = {}
        by_kind: dict[str, list[Notification]] = {}
        for row in waiting:
            by_kind.setdefault(row.kind, []).append(row)
        for name, rows in by_kind.items():
            kind = find_kind(name)
            if kind is None:  # of a newer version, while two run side by side
                outbox.give_back(self._number, rows, after=_UNKNOWN_KIND_WAITS)
                continue
            try:
                found = kind.load(rows)
            except _DATABASE_AWAY:
                raise
            except Exception as error:
                logger.exception("cannot load the facts of %s", name)
                self._fail(rows, error)
                continue
            known |= {pk: (kind, facts) for pk, facts in found.items()}
            gone = [row for row in rows if row.pk not in found]
            outbox.drop(self._number, gone, "It no longer held when its turn came.")
        holding = [row for row in waiting if row.pk in known]
        waiting.clear()
        waiting.extend(holding)
        return known

    def _fail(self, rows: Iterable[Notification], error: Exception) -> None:
        for row in rows:
            row.attempts += 1
            outbox.retry_later(self._number, row, words_of(error))

    def _deliver(self, parcel: Parcel, budgets: Budgets) -> None:
        if self._is_given_up(parcel) or not self._is_affordable(parcel, budgets):
            return
        mail = None
        try:
            own = self._begin(parcel)
            if own.rows and own.by_mail:
                mail = _written(own)
                self._post.send(mail)
        except ServerAway:
            for row in parcel.rows:
                outbox.uncount(self._number, row)
            _give_back(parcel, budgets)
            raise
        except _DATABASE_AWAY:
            raise
        except Refused as error:
            _give_back(parcel, budgets)
            self._refused(parcel, error)
        except Exception as error:
            logger.warning("notification %s failed", parcel.rows[0].pk, exc_info=True)
            if mail is None or was_rejected(error):
                _give_back(parcel, budgets)
            for row in parcel.rows:
                outbox.retry_later(self._number, row, words_of(error))
        else:
            if not own.rows:
                _give_back(parcel, budgets)
            self._settle_parcel(own)

    def _refused(self, parcel: Parcel, error: Refused) -> None:
        """Park the row. Several rows are each tried again alone, since one may be the reason."""
        for row in parcel.rows:
            if len(parcel.rows) > 1:
                outbox.retry_later(self._number, row, words_of(error))
            else:
                logger.warning("notification %s is refused for good", row.pk)
                self._settle(row, State.PARKED, error=words_of(error))

    def _is_given_up(self, parcel: Parcel) -> bool:
        """Parks a row that used up its attempts. Such a row is alone in its parcel."""
        row = parcel.rows[0]
        if row.attempts < outbox.LAST_ATTEMPT:
            return False
        self._settle(row, State.PARKED, error=row.error or "No mailer survived it.")
        return True

    def _is_affordable(self, parcel: Parcel, budgets: Budgets) -> bool:
        """Takes the mail out of the budgets that it is in, or defers the parcel.

        The count of the account that causes it is last: nothing gives that one back.
        """
        if not parcel.by_mail:
            return True
        address, share = parcel.address, parcel.kind.share
        if parcel.is_guarded and not budgets.take(address, share):
            self._defer(deferral(parcel.rows, share, budgets.free_at(address, share)))
            return False
        if seconds := seconds_until_allowed(parcel):
            _give_back(parcel, budgets)
            until = timezone.now() + timedelta(seconds=seconds)
            outbox.defer(self._number, parcel.rows, until, TOO_MANY_CAUSED)
            return False
        return True

    def _begin(self, parcel: Parcel) -> Parcel:
        """Count the attempt and write the words; without rows that are no longer this mailer's."""
        own = []
        for row, facts in zip(parcel.rows, parcel.facts, strict=True):
            row.attempts += 1
            row.subject, row.body = render_notice(parcel.kind, row, facts)
            row.message_id = message_id(parcel.rows[0]) if parcel.by_mail else ""
            own.append(outbox.begin(self._number, row))
        return replace(
            parcel,
            rows=list(compress(parcel.rows, own)),
            facts=list(compress(parcel.facts, own)),
        )

    def _settle_parcel(self, parcel: Parcel) -> None:
        for row in parcel.rows:
            if parcel.by_mail:
                self._settle(row, State.SENT)
            elif parcel.kind.in_app and row.user_id:
                self._settle(row, State.SHOWN)
            else:
                self._settle(row, State.DROPPED, error="Unwanted, or to nowhere.")

    def _settle(self, row: Notification, state: State, *, error: str = "") -> None:
        """Record the end of a row even if the database has to be waited for.

        The mail is out, so giving up here would send it twice.
        """
        while True:
            try:
                outbox.settle(self._number, row, state, error=error)
            except _DATABASE_AWAY:
                if self._stopping.is_set():
                    self._lease_ends = min(self._lease_ends, time.monotonic() + _LAST_WORDS_SECONDS)
                if time.monotonic() > self._lease_ends:
                    raise
                logger.warning("cannot record that notification %s is %s yet", row.pk, state)
                time.sleep(1)
                self._reappear()
            else:
                return

    # --- other mailers, and trouble ---

    def _free_claims_of_the_dead(self) -> None:
        if time.monotonic() - self._looked_at > _LOOK_FOR_THE_DEAD_SECONDS:
            self._suspects = outbox.free_claims_of_the_dead(self._suspects)
            self._looked_at = time.monotonic()

    def _reappear(self) -> None:
        """Over a new connection under the same number, so that nobody takes what is in hand."""
        self._is_enlisted = False
        connection.close()
        try:
            outbox.hold(self._number)
        except _DATABASE_AWAY:
            logger.debug("the database is still away", exc_info=True)

    def _enlist(self) -> None:
        """Under a new number, with what a lost connection left behind free for whoever is first."""
        if not self._is_enlisted:
            outbox.give_back_all(self._number)
            self._number = outbox.enlist()
            self._is_enlisted = True

    def _pause(self) -> float:
        if not self._troubles:
            return _IDLE_SECONDS
        seconds = min(2.0 ** min(self._troubles, 10), _LONGEST_PAUSE_SECONDS)
        return seconds * random.uniform(0.8, 1.2)  # noqa: S311  # so that mailers part


def _written(parcel: Parcel) -> Mail:
    if len(parcel.rows) > 1:
        return compose_several(parcel.kind, parcel.rows, parcel.facts)
    [row], [facts] = parcel.rows, parcel.facts
    return compose(parcel.kind, row, facts, is_guarded=parcel.is_guarded)


def _give_back(parcel: Parcel, budgets: Budgets) -> None:
    if parcel.is_guarded:
        budgets.give_back(parcel.address)


def _remove(waiting: deque[Notification], rows: Iterable[Notification]) -> None:
    """Rows that have left this mailer's queue. They are at its head, as a rule."""
    for row in rows:
        waiting.remove(row)


def _by_urgency(row: Notification) -> tuple[bool, object, int]:
    kind = find_kind(row.kind)
    return kind is None or not kind.is_urgent, row.due_at, row.pk
