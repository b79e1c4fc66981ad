"""Signals for other apps, sent inside the transaction of the change.

Signals about the address are sent before the account's row is saved. `user` has the new values.
"""

from django.dispatch import Signal

#: The owner of an account's e-mail address has confirmed it. Argument: `user`.
email_confirmed = Signal()

#: The e-mail address of an account has changed. Arguments: `user`, whose row is locked; `former`,
#: the former address; `was_confirmed`, whether the account had confirmed the former address.
#: Receivers lock events, then registrations. `email_confirmed` locks registrations, so it is sent
#: afterwards.
address_left = Signal()
