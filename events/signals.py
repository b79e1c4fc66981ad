"""What other apps may react to. Sent inside the transaction of the change, with the events locked.

Each is about a batch: a change of a series reaches hundreds of events at once, and who reacts does
so with one query for all of them. A receiver that raises undoes the change.
"""

from django.dispatch import Signal

#: Events were edited. Argument: `edits`, a list of pairs: the event, and what the changed fields
#: were before, by name.
events_edited = Signal()

#: Published events were cancelled. Argument: `events`, a list.
events_cancelled = Signal()

#: Events were deleted, drafts too. Argument: `events`, a list.
events_deleted = Signal()

#: Deleted events were brought back. Argument: `events`, a list.
events_restored = Signal()
