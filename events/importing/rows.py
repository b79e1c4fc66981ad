"""Saves the rows of a file, of any format, as events."""

from collections.abc import Iterable, Iterator
from time import thread_time

from django.db import connection, transaction

from accounts.models import User
from accounts.services import lock_account
from config.api.files.csv_rows import ImportRefused, Row, RowError

from ..models import Event, Series
from .calendars import CalendarRow
from .categories import Categories
from .drafts import Draft, Drafter
from .keys import identity_key
from .reports import Report, RowResult
from .updating import Update, occurrence_of, update_imported

BATCH_SIZE = 500


class ImportRunning(ImportRefused):
    """Another import of the same organizer has not ended yet."""


@transaction.atomic
def import_rows(
    rows: Iterable[Row | RowError],
    organizer: User,
    *,
    dry_run: bool = False,
    skip_errors: bool = False,
    creates_categories: bool = True,
    max_events: int | None = None,
    max_rule_seconds: float | None = None,
) -> Report:
    """Saves events of rows, past ones too.

    An event that was imported before stays unchanged, unless its calendar has a later version. One
    invalid row prevents all changes, except with `skip_errors`. A dry run rolls all changes back.
    Raises `ImportRefused` for unreadable files, for more than `max_events` new events, and for
    recurrences that take more than `max_rule_seconds` of processor time.
    """
    _lock_imports(organizer)
    lock_account(organizer.pk)
    categories = Categories(creates_categories)
    saver = _Saver(organizer, categories, max_events)
    drafter = Drafter(organizer, categories)
    for batch in _batches(_drafts(rows, drafter, saver.report, max_rule_seconds)):
        saver.save(batch)
    report = saver.report
    report.results.sort(key=lambda result: result.line)
    report.new_categories = categories.new
    report.saved = not dry_run and saver.has_written and (skip_errors or not report.refused)
    if not report.saved:
        transaction.set_rollback(True)
    return report


def _lock_imports(organizer: User) -> None:
    """Prevents other imports of the organizer until the transaction ends.

    So no other import can add events between the lookup of existing keys and the insert. Raises
    `ImportRunning`.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_try_advisory_xact_lock(hashtext('events.importing'), %s)",
            [organizer.pk % 2**31],
        )
        if cursor.fetchone() != (True,):
            raise ImportRunning(
                f"Another import for {organizer.email} is running; wait until it has ended."
            )


Drafted = tuple[Draft, RowResult]


def _drafts(
    rows: Iterable[Row | RowError], drafter: Drafter, report: Report, rule_seconds: float | None
) -> Iterator[Drafted]:
    """The drafts of valid rows. The errors of the others are added to the report."""
    elapsed = 0.0
    for row in rows:
        begin = thread_time()
        draft = [row] if isinstance(row, RowError) else drafter.draft(row)
        if isinstance(row, CalendarRow) and row.rule:
            elapsed += thread_time() - begin
        if rule_seconds is not None and elapsed > rule_seconds:
            raise ImportRefused("What recurs takes too long to work out. Split it.", "max_length")
        result = RowResult(row.line)
        report.results.append(result)
        if isinstance(row, Row):
            result.name = row.cells.get("name") or row.cells.get("title") or ""
        if isinstance(draft, list):
            result.errors = draft
            continue
        if isinstance(row, CalendarRow):
            result.notes += row.notes
            result.notes += (note for change in row.changed for note in change.notes)
        if draft.recurring and draft.recurring.left_out:
            result.notes.append(RowError(row.line, "RRULE", draft.recurring.left_out))
        yield draft, result


def _batches(drafts: Iterable[Drafted]) -> Iterator[list[Drafted]]:
    """Batches of about `BATCH_SIZE` events, with the occurrences of each draft in one batch."""
    batch: list[Drafted] = []
    size = 0
    for draft in drafts:
        batch.append(draft)
        size += len(draft[0].events)
        if size >= BATCH_SIZE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


class _Saver:
    """Saves batches. `has_written`: whether any event was created or changed."""

    def __init__(self, organizer: User, categories: Categories, max_events: int | None) -> None:
        self.report = Report()
        self.has_written = False
        self._organizer = organizer
        self._categories = categories
        self._events_left = max_events

    def save(self, batch: list[Drafted]) -> None:
        imported = self._imported_before(draft for draft, _ in batch)
        new: dict[str, Drafted] = {}
        for draft, result in batch:
            event = imported.get(draft.key) or occurrence_of(draft, imported)
            if event is not None:
                self._update(draft, result, event, imported)
            elif draft.key in new:
                result.outcome, result.event = "unchanged", new[draft.key][0].event
            elif draft.event is None:
                result.outcome = "cancelled"
            else:
                new[draft.key] = draft, result
        self._insert(list(new.values()), set(imported))

    def _imported_before(self, drafts: Iterable[Draft]) -> dict[str, Event]:
        """The existing events of the rows of a batch, and of their occurrences, by key."""
        keys = set()
        for draft in drafts:
            keys |= {draft.key, *(event.import_key for event in draft.events if event.import_key)}
            if isinstance(draft.row, CalendarRow) and draft.row.occurrence:
                keys.add(identity_key(draft.row.series_identity))
        events = Event.objects.filter(organizer=self._organizer, import_key__in=keys)
        return {str(event.import_key): event for event in events.select_related("series")}

    def _update(
        self, draft: Draft, result: RowResult, event: Event, imported: dict[str, Event]
    ) -> None:
        update = update_imported(draft, event, imported, self._categories)
        result.event = event
        result.series = event.series
        result.outcome = update.outcome
        result.notes += update.notes
        result.errors += update.errors
        self.has_written |= update.outcome in {Update.UPDATED, Update.CANCELLED}

    def _insert(self, drafts: list[Drafted], taken: set[str]) -> None:
        """Inserts the new events. Events with a `taken` key exist already."""
        events: list[Event] = []
        for draft, result in drafts:
            own = [event for event in draft.events if event.import_key not in taken]
            taken |= {str(event.import_key) for event in own if event.import_key}
            _set_category(draft, own, self._categories)
            events += own
            if not own:
                result.outcome = "unchanged"
                continue
            event = own[0]
            is_cancelled = event.status == Event.Status.CANCELLED and not draft.recurring
            result.outcome = "cancelled" if is_cancelled else "created"
            result.event = event
            if draft.recurring:
                result.series, result.occurrences = draft.recurring.series, len(own)
        self._check_number(len(events))
        Series.objects.bulk_create([result.series for _, result in drafts if result.series])
        Event.objects.bulk_create(events)
        self.has_written |= bool(events)

    def _check_number(self, number: int) -> None:
        if self._events_left is None:
            return
        self._events_left -= number
        if self._events_left < 0:
            raise ImportRefused(
                "The file makes too many events, with all that recurs. Split it.", "max_length"
            )


def _set_category(draft: Draft, events: list[Event], categories: Categories) -> None:
    if not draft.category:
        return
    category_id = categories.id_of(draft.category)
    for event in events:
        event.category_id = category_id
    if draft.recurring and draft.recurring.series:
        draft.recurring.series.category_id = category_id
