"""Notifications by e-mail, and in the inbox of accounts.

A notification is a row that is inserted in the transaction that causes it. So it is delivered if
and only if that transaction commits. The mailer (`manage.py deliver_notifications`) claims due rows
in batches, loads the current facts from the kind, drops rows that no longer apply, and sends the
others.

An app declares its kinds in a module of its own, and registers them in `ready()`::

    # registrations/notifications/registrations.py
    def load_confirmed(rows):
        '''One or two queries for the whole batch. Rows without facts are dropped.'''
        ids = [row.registration_id for row in rows]
        confirmed = Registration.objects.filter(status="confirmed").select_related("event")
        by_id = confirmed.in_bulk(ids)
        return {
            row.pk: {"registration": by_id[row.registration_id],
                     "event": by_id[row.registration_id].event,
                     "timezone": by_id[row.registration_id].event.timezone}
            for row in rows
            if row.registration_id in by_id
        }

    CONFIRMED = Kind(
        name="registration_confirmed",          # at most 40 characters
        title="Registration confirmed",         # the label of the switch
        template="registrations/mail/registration_confirmed.html",
        load=load_confirmed,
        attach=lambda row, facts: [
            Attachment(ics, "text/calendar", "event.ics", {"method": "REQUEST"}),
            Attachment(png, "image/png", "ticket.png", inline="ticket"),   # <img src="cid:ticket">
        ],
    )

    # registrations/apps.py
    def ready(self):
        register_kind(CONFIRMED)

A service enqueues a notification, in the transaction that causes it::

    notify("registration_confirmed", key=f"registration_confirmed:{registration.pk}",
           email=registration.email, user=registration.user,
           event_id=registration.event_id, registration_id=registration.pk)

or many, in one statement::

    notify_many("event_cancelled", event.registrations.live(),
                key=Concat(Value("event_cancelled:"), Cast("pk", TextField())),
                email=F("email"), user_id=F("user_id"),
                event_id=F("event_id"), registration_id=F("pk"))

`key` identifies the notification: a second one with the same key is not inserted. `facts` contains
data that no table has, such as the former time of an event. It must not contain secrets: tokens are
made while the mail is rendered. Until `due_at`, the mailer and the inbox ignore the row.

The whole text of a mail is in one template, in four blocks::

    {% extends "accounts/mail/base.html" %}
    {% block subject %}You have a seat at {{ event.name }}{% endblock %}
    {% block notice %}{{ event.start_time|date:"j F Y, H:i e" }}, {{ event.location }}{% endblock %}
    {% block text %}Hello {{ registration.name }}, … {{ manage_url }}{% endblock %}
    {% block html %}<p>Hello {{ registration.name }}, …</p>
    {% include "accounts/mail/button.html" with url=manage_url label="Manage my registration" %}
    {% endblock %}

The inbox shows `subject` and `notice`. Both are one line of plain text. The inbox may render them
before the mailer does. The base template adds the frame, the footer and the unsubscribe link.
Templates get the facts of `load`, and:

    recipient         `.email`, `.user` (None for a guest), `.timezone`
    site_url          PUBLIC_URL, with which every link begins
    unsubscribe_url   of this kind for this recipient; "" where the kind cannot be switched off

A fact `caused_by`, the id of an account, makes the mail count for that account
(`RATE_LIMITS["caused_mails"]`). A fact `is_unsolicited` that is true takes the mail from the budget
of the mailbox, and defangs it, even if an account has confirmed the address. A mail for several
rows contains the fact `in_full`, if there is one, in place of the notice.

Times are in the recipient's zone: that of the account, for a guest `facts["timezone"]`, else UTC.
For the event's zone: `{% load tz %}{{ event.start_time|timezone:event.timezone|date:"H:i e" }}`.
"""

from .enqueueing import notify, notify_many
from .kinds import Attachment, Kind, find_kind, kinds, register_kind, shown_kinds, switchable_kinds

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
