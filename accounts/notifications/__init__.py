"""Telling people: by e-mail, and in the inbox of who has an account.

A notification is a row, made in the transaction that causes it: it is told if and only if that
transaction commits. The mailer (`manage.py deliver_notifications`) takes what is due in batches,
asks the kind for the facts as they are by then, drops what no longer holds, and sends the rest.

An app declares its kinds once, in a module of its own, and registers them when it is ready::

    # registrations/notifications.py
    def load_confirmed(rows):
        '''One or two queries for the whole batch; what is missing in the answer is dropped.'''
        ids = [row.registration_id for row in rows]
        found = Registration.objects.filter(status="confirmed").select_related("event").in_bulk(ids)
        return {
            row.pk: {"registration": found[row.registration_id],
                     "event": found[row.registration_id].event,
                     "timezone": found[row.registration_id].event.timezone}
            for row in rows
            if row.registration_id in found
        }

    CONFIRMED = Kind(
        name="registration_confirmed",          # at most 40 characters
        title="Registration confirmed",         # what a person reads beside the switch
        template="registrations/mail/confirmed.html",
        load=load_confirmed,
        attach=lambda row, facts: [
            Attachment(ics, "text/calendar", "event.ics", {"method": "REQUEST"}),
            Attachment(png, "image/png", "ticket.png", inline="ticket"),   # <img src="cid:ticket">
        ],
    )

    # registrations/apps.py
    def ready(self):
        register_kind(CONFIRMED)

and tells a fact, in the transaction that causes it::

    notify("registration_confirmed", key=f"registration_confirmed:{registration.pk}",
           email=registration.email, user=registration.user,
           event_id=registration.event_id, registration_id=registration.pk)

or, to many at once, in one statement::

    notify_many("event_cancelled", event.registrations.live(),
                key=Concat(Value("event_cancelled:"), Cast("pk", TextField())),
                email=F("email"), user_id=F("user_id"),
                event_id=F("event_id"), registration_id=F("pk"))

`key` names the fact for ever: the same one again is not told again. `facts` is for what no table
knows (the old time of an event that was moved); no secret belongs there: a token is made while the
mail is rendered. `due_at` is for later; until then the inbox does not show it either.

All the words of a mail are in its one template, in four blocks::

    {% extends "accounts/mail/base.html" %}
    {% block subject %}You have a seat at {{ event.name }}{% endblock %}
    {% block notice %}{{ event.start_time|date:"j F Y, H:i e" }}, {{ event.location }}{% endblock %}
    {% block text %}Hello {{ registration.name }}, … {{ manage_url }}{% endblock %}
    {% block html %}<p>Hello {{ registration.name }}, …</p>
    {% include "accounts/mail/button.html" with url=manage_url label="Manage my registration" %}
    {% endblock %}

`notice` is the short text of the inbox, with `subject` above it; both are one line of plain text
and may be rendered before the mail, so they use what is always there. The base adds the frame,
the footer and the way to unsubscribe. Templates get what `load` gave, and:

    recipient         `.email`, `.user` (None for a guest), `.timezone`
    site_url          PUBLIC_URL, the only beginning of a link
    unsubscribe_url   of this kind for this recipient; "" where the kind cannot be switched off

A fact `caused_by`, the id of an account, makes the mail count for that account
(`RATE_LIMITS["caused_mails"]`). A fact `is_unsolicited` that is true takes the mail from the budget
of the mailbox, and defangs it, even if an account has confirmed the address. A mail that stands for
several shows the fact `in_full`, if there is one, in place of the notice.

Times are shown in the recipient's zone: the account's, for a guest `facts["timezone"]`, else UTC.
For the event's own, `{% load tz %}{{ event.start_time|timezone:event.timezone|date:"H:i e" }}`.
"""

from .kinds import Attachment, Kind, find_kind, kinds, register_kind, shown_kinds, switchable_kinds
from .recording import notify, notify_many

__all__ = [
    "Attachment",
    "Kind",
    "find_kind",
    "kinds",
    "notify",
    "notify_many",
    "register_kind",
    "shown_kinds",
    "switchable_kinds",
]
