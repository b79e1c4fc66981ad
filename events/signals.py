"""Signals for other apps. They are sent in the transaction of the change, with the events locked.

A signal has all events of the change, since an edit of a series changes hundreds of events at once.
Receivers use one query for all of them. A receiver that raises rolls the change back.

`notify`, an argument of the last three, is False when staff chose to notify nobody.
"""

from django.dispatch import Signal

#: Events were edited. Argument: `edits`, a list of pairs: the event, and the old values of the
#: changed fields, by name.
events_edited = Signal()

#: Published events were cancelled. Arguments: `events`, a list; `notify`.
events_cancelled = Signal()

#: Events were deleted, drafts too. Arguments: `events`, a list; `notify`.
events_deleted = Signal()

#: Deleted events were restored. Arguments: `events`, a list; `notify`.
events_restored = Signal()
