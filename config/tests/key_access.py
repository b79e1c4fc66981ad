"""What API keys may do: the scopes of every route and method.

A route or method without a line here fails the suite. Lines are `method route scopes`:

    events:read      the scope that the key needs; of several, any one is enough
    open             no scope: the route shows public data, and with events:read the owner's as well
    closed           closed to keys
    ignored          the route reads no token
"""

KEY_ACCESS = """
GET    api/                                 open
GET    api/schema/                          ignored
GET    api/docs/                            ignored
GET    api/redoc/                           ignored

# accounts
GET    api/users/<id:pk>/                   closed
PUT    api/users/<id:pk>/                   closed
PATCH  api/users/<id:pk>/                   closed
DELETE api/users/<id:pk>/                   closed
POST   api/register/                        ignored
POST   api/login/                           ignored
POST   api/token/refresh/                   ignored
POST   api/logout/                          closed
POST   api/password/change/                 closed
POST   api/password/reset/                  ignored
POST   api/password/reset/confirm/          ignored
POST   api/email/verify/                    closed
POST   api/email/verify/resend/             closed
GET    api/users/                           closed
POST   api/users/                           ignored
GET    api/me/                              closed
PUT    api/me/                              closed
PATCH  api/me/                              closed
DELETE api/me/                              closed
GET    api/me/registrations/                closed
GET    api/me/events/                       events:read
GET    api/me/notifications/                closed
POST   api/me/notifications/read/           closed
GET    api/me/export/                       closed
GET    api/me/sessions/                     closed
DELETE api/me/sessions/<uuid:pk>/           closed
GET    api/me/calendar.ics                  closed
POST   api/me/calendar/reset/               closed
GET    api/me/keys/                         closed
POST   api/me/keys/                         closed
PATCH  api/me/keys/<id:pk>/                 closed
DELETE api/me/keys/<id:pk>/                 closed
POST   api/me/keys/<id:pk>/rotate/          closed
GET    api/key/                             open
POST   api/keys/revoke/                     ignored

# events
GET    api/events/calendar.ics              open
GET    api/events/facets/                   open
GET    api/events/suggest/                  open
GET    api/events/                          open
POST   api/events/                          events:write
POST   api/events/bulk/                     events:write
POST   api/events/import/                   events:write
GET    api/events/<id:pk>/                  open
PUT    api/events/<id:pk>/                  events:write
PATCH  api/events/<id:pk>/                  events:write
DELETE api/events/<id:pk>/                  events:write
POST   api/events/<id:pk>/publish/          events:write
POST   api/events/<id:pk>/duplicate/        events:write
POST   api/events/<id:pk>/key/reset/        events:write
POST   api/events/<id:pk>/cancel/           events:write
PUT    api/events/<id:pk>/image/            events:write
DELETE api/events/<id:pk>/image/            events:write
GET    api/events/<id:pk>/calendar.ics      open
GET    api/events/<id:pk>/stream/           open
GET    api/series/                          open
POST   api/series/                          events:write
GET    api/series/<id:pk>/                  open
PATCH  api/series/<id:pk>/                  events:write
DELETE api/series/<id:pk>/                  events:write
POST   api/series/<id:pk>/publish/          events:write
GET    api/events/<id:pk>/form/             open
PUT    api/events/<id:pk>/form/             events:write
GET    api/events/<id:pk>/form/schema/      open
GET    api/events/<id:pk>/form/summary/     registrations:read
GET    api/series/<id:pk>/form/             open
PUT    api/series/<id:pk>/form/             events:write
GET    api/series/<id:pk>/form/schema/      open
GET    api/categories/                      open
POST   api/categories/                      closed
GET    api/categories/<slug:slug>/          open
PUT    api/categories/<slug:slug>/          closed
PATCH  api/categories/<slug:slug>/          closed
DELETE api/categories/<slug:slug>/          closed

# teams
GET    api/events/<id:pk>/team/                    closed
POST   api/events/<id:pk>/team/                    closed
PATCH  api/events/<id:pk>/team/<id:member_id>/     closed
DELETE api/events/<id:pk>/team/<id:member_id>/     closed
POST   api/events/<id:pk>/transfer/                closed
DELETE api/events/<id:pk>/transfer/                closed
GET    api/series/<id:pk>/team/                    closed
POST   api/series/<id:pk>/team/                    closed
PATCH  api/series/<id:pk>/team/<id:member_id>/     closed
DELETE api/series/<id:pk>/team/<id:member_id>/     closed
POST   api/series/<id:pk>/transfer/                closed
DELETE api/series/<id:pk>/transfer/                closed
GET    api/me/invitations/                  closed
POST   api/me/invitations/<id:pk>/accept/   closed
POST   api/me/invitations/<id:pk>/decline/  closed

# people
POST   api/events/<id:pk>/register/         registrations:write
GET    api/events/<id:pk>/attendees/        registrations:read checkin
POST   api/events/<id:pk>/attendees/decide/ registrations:write
GET    api/events/<id:pk>/codes/            registrations:read
POST   api/events/<id:pk>/codes/            registrations:write
DELETE api/events/<id:pk>/codes/<id:code_pk>/ registrations:write
POST   api/registrations/<uuid:pk>/approve/ registrations:write
POST   api/registrations/<uuid:pk>/reject/  registrations:write
POST   api/registrations/<uuid:pk>/reopen/  registrations:write
POST   api/registrations/confirm/           closed
GET    api/events/<id:pk>/attendees/export/ registrations:read
POST   api/events/<id:pk>/attendees/import/ registrations:write
GET    api/events/<id:pk>/statistics/       statistics:read
GET    api/changes/                         changes:read
GET    api/webhooks/                        webhooks
POST   api/webhooks/                        webhooks
GET    api/webhooks/<id:pk>/                webhooks
PATCH  api/webhooks/<id:pk>/                webhooks
DELETE api/webhooks/<id:pk>/                webhooks
POST   api/webhooks/<id:pk>/rotate/         webhooks
POST   api/webhooks/<id:pk>/test/           webhooks
POST   api/webhooks/<id:pk>/replay/         webhooks
GET    api/webhooks/<id:pk>/deliveries/     webhooks
POST   api/webhooks/<id:pk>/deliveries/<id:delivery_id>/redeliver/ webhooks
GET    api/me/statistics/                   statistics:read
GET    api/events/<id:pk>/ledger/           registrations:read
POST   api/events/<id:pk>/check-in/         checkin
POST   api/events/<id:pk>/check-in/undo/    checkin
POST   api/events/<id:pk>/check-ins/bulk/   checkin
GET    api/events/<id:pk>/door-list/        checkin
GET    api/events/<id:pk>/door-links/       closed
POST   api/events/<id:pk>/door-links/       closed
DELETE api/events/<id:pk>/door-links/<id:link_id>/ closed
GET    api/registrations/<uuid:pk>/         registrations:read
PATCH  api/registrations/<uuid:pk>/         registrations:write
DELETE api/registrations/<uuid:pk>/         registrations:write
POST   api/registrations/<uuid:pk>/resend/  registrations:write
GET    api/registrations/<uuid:pk>/ticket.svg registrations:read
GET    api/registrations/<uuid:pk>/ticket.png registrations:read
GET    api/events/<id:pk>/messages/         messages:write
POST   api/events/<id:pk>/messages/         messages:write
GET    api/messages/<id:pk>/                messages:write
GET    api/events/<id:pk>/feedback/         open
POST   api/events/<id:pk>/feedback/         closed
GET    api/feedback/<id:pk>/                open
PATCH  api/feedback/<id:pk>/                closed
DELETE api/feedback/<id:pk>/                closed
"""


def key_access() -> dict[tuple[str, str], list[str]]:
    """The words of each line by method and path."""
    rows = (text.split() for text in KEY_ACCESS.splitlines() if not text.startswith("#"))
    return {(method, path): words for method, path, *words in filter(None, rows)}
