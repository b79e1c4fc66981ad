"""What other apps may react to. Sent inside the transaction of the change."""

from django.dispatch import Signal

#: A user proved to own their e-mail address. Argument: `user`.
email_confirmed = Signal()
