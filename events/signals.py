"""What other apps may react to. Sent inside the transaction of the change, with the event locked.

A receiver that raises undoes the change.
"""

from django.dispatch import Signal

#: An event was edited. Arguments: `event`, `changed` (a set of field names).
event_edited = Signal()

#: A deleted event was brought back. Argument: `event`.
event_restored = Signal()
