"""What other apps may react to. Sent inside the transaction of the change, with the events locked.

Each is about a batch: a change of a series reaches hundreds of events at once, and who reacts does
so with one query for all of them. A receiver that raises undoes the change.

`notify`, an argument of the last three, is False when staff chose to notify nobody.
"""

from django.dispatch import Signal

#: Events were edited. Argument: `edits`, a list of pairs: the event, and what the changed fields
#: were before, by name.
events_edited = Signal()

#: Published events were cancelled. Arguments: `events`, a list; `notify`.
events_cancelled = Signal()

#: Events were deleted, drafts too. Arguments: `events`, a list; `notify`.
events_deleted = Signal()

#: Deleted events were brought back. Arguments: `events`, a list; `notify`.
events_restored = Signal()
