"""What other apps may react to. Sent inside the transaction of the change.

Signals about the address are sent before the account's row is saved. `user` has the new values.
"""

from django.dispatch import Signal

#: A user proved to own their e-mail address. Argument: `user`.
email_confirmed = Signal()

#: An account has another e-mail address than before. Arguments: `user`, whose row is locked;
#: `former`, the address that it left; `was_confirmed`, whether the account had confirmed that one.
#: Receivers lock events, then registrations. `email_confirmed` locks registrations, so it is sent
#: afterwards.
address_left = Signal()
