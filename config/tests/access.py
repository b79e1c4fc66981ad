"""The access table: every route and method, on every kind of row, for every role.

A route or method without a line here fails the suite. Lines are
`route  row  method  anonymous stranger attendee organizer bare staff`: the status that each role
gets for a request that is well-formed. `row` names one of `rows()`, or is `-` where the route takes
none; what a method has to send is in `bodies()`.

    stranger    has an account and the organizer role, and nothing to do with the row
    attendee    ana: has the attendee role, and a confirmed place at olga's events
    organizer   olga: organizes the events
    bare        kim: staff without any permission
    staff       sam: staff with every permission, and no superuser

Which permission a line needs is in `test_staff_rights.py`.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from django.utils import timezone

from accounts.calendars import calendar_url
from accounts.links import confirmation_link, reset_link
from accounts.models import ApiKey, Session, User
from accounts.tests.factories import PASSWORD, KeyFactory, UserFactory
from accounts.tests.test_links import token_in
from accounts.tokens import open_session
from events.links import invitation_link, slug_of
from events.models import Event, Series, TeamMember
from events.services import cancel_event, delete_event, end_series
from events.services.team import invite
from events.tests.factories import EventFactory, SeriesFactory
from events.tests.images import PNG
from registrations.models import (
    DoorLink,
    Feedback,
    Message,
    Registration,
    RegistrationCode,
    WebhookDelivery,
)
from registrations.services import (
    create_code,
    create_door_link,
    register_caller,
    reject,
    withdraw_door_link,
)
from registrations.tests.factories import WebhookFactory, registered
from registrations.tickets import confirmation_token, feedback_token, manage_token

ROLES = ("anonymous", "stranger", "attendee", "organizer", "bare", "staff")

# Rows that a route below such an address has to have lines for: what is hidden as well.
NEEDED_ROWS = {
    "api/events/<id:pk>/": ("published", "draft", "deleted"),
    "api/registrations/<uuid:pk>": ("ana's", "guest's", "guest's+token", "of-deleted"),
    "api/users/<id:pk>/": ("ana", "olga", "sam", "root"),
    "api/messages/<id:pk>/": ("message", "message-of-deleted"),
    "api/series/<id:pk>/": ("series", "draft-series", "deleted-series"),
    "api/feedback/<id:pk>/": ("ana's-feedback", "feedback-of-deleted"),
}

ACCESS = """
# route                                row                  method  anon strg attd orgz bare staff

# pages
/                                      -                    GET     200  200  200  200  200  200
developers/                            -                    GET     200  200  200  200  200  200
developers                             -                    GET     200  200  200  200  200  200
developers/postman.json                -                    GET     200  200  200  200  200  200
embed/e/<id:pk>                        published            GET     200  200  200  200  200  200
embed/e/<id:pk>                        draft                GET     404  404  404  404  404  404
embed/e/<id:pk>                        deleted              GET     404  404  404  404  404  404
embed/e/<id:pk>/                       published            GET     200  200  200  200  200  200
embed/e/<id:pk>/                       draft                GET     404  404  404  404  404  404
embed/e/<id:pk>/                       deleted              GET     404  404  404  404  404  404
embed/events                           -                    GET     200  200  200  200  200  200
embed/events/                          -                    GET     200  200  200  200  200  200
media/events/<str:name>                no-image             GET     404  404  404  404  404  404
sitemap.xml                            -                    GET     200  200  200  200  200  200
problems                               -                    GET     200  200  200  200  200  200
problems/                              -                    GET     200  200  200  200  200  200
problems/<slug:slug>                   event-full           GET     200  200  200  200  200  200
problems/<slug:slug>/                  event-full           GET     200  200  200  200  200  200
admin                                  -                    GET     302  302  302  302  302  302
admin                                  -                    POST    302  302  302  302  302  302
admin                                  -                    PUT     302  302  302  302  302  302
admin                                  -                    PATCH   302  302  302  302  302  302
admin                                  -                    DELETE  302  302  302  302  302  302
metrics                                -                    GET     200  200  200  200  200  200
metrics/                               -                    GET     200  200  200  200  200  200
api/                                   -                    GET     200  200  200  200  200  200
api/schema/                            -                    GET     200  200  200  200  200  200
api/docs/                              -                    GET     200  200  200  200  200  200
api/redoc/                             -                    GET     200  200  200  200  200  200
confirm-address/                       -                    GET     400  400  400  400  400  400
confirm-address/                       olga's-confirmation  GET     200  200  200  200  200  200
reset-password/                        -                    GET     400  400  400  400  400  400
reset-password/                        olga's-reset         GET     200  200  200  200  200  200
forgotten-password/                    -                    GET     200  200  200  200  200  200
unsubscribe/                           -                    GET     400  400  400  400  400  400
e/<id:pk>                              published            GET     301  301  301  301  301  301
e/<id:pk>                              draft                GET     404  404  404  404  404  404
e/<id:pk>                              deleted              GET     404  404  404  404  404  404
e/<id:pk>/                             published            GET     301  301  301  301  301  301
e/<id:pk>/                             draft                GET     404  404  404  404  404  404
e/<id:pk>/                             deleted              GET     404  404  404  404  404  404
e/<id:pk>-<str:slug>                   published-page       GET     200  200  200  200  200  200
e/<id:pk>-<str:slug>                   draft-page           GET     404  404  404  404  404  404
e/<id:pk>-<str:slug>                   deleted-page         GET     404  404  404  404  404  404
e/<id:pk>-<str:slug>/                  published-page       GET     301  301  301  301  301  301
e/<id:pk>-<str:slug>/                  draft-page           GET     404  404  404  404  404  404
e/<id:pk>-<str:slug>/                  deleted-page         GET     404  404  404  404  404  404
e/<id:pk>-<str:slug>/people            reviewed-page        GET     200  200  200  200  200  200
e/<id:pk>-<str:slug>/people            published-page       GET     404  404  404  404  404  404
e/<id:pk>-<str:slug>/people            draft-page           GET     404  404  404  404  404  404
e/<id:pk>-<str:slug>/people            deleted-page         GET     404  404  404  404  404  404
door/worker.js                         -                    GET     200  200  200  200  200  200
door/<slug:token>                      door                 GET     200  200  200  200  200  200
door/<slug:token>/                     door                 GET     200  200  200  200  200  200
door/<slug:token>/list                 door                 GET     200  200  200  200  200  200
door/<slug:token>/scans                door                 GET     405  405  405  405  405  405
door/<slug:token>/print                door                 GET     200  200  200  200  200  200
door/<slug:token>                      withdrawn-door       GET     404  404  404  404  404  404
door/<slug:token>/                     withdrawn-door       GET     404  404  404  404  404  404
door/<slug:token>/list                 withdrawn-door       GET     404  404  404  404  404  404
door/<slug:token>/scans                withdrawn-door       GET     404  404  404  404  404  404
door/<slug:token>/print                withdrawn-door       GET     404  404  404  404  404  404
registrations/<uuid:pk>/               ana's                GET     404  404  404  404  404  404
registrations/<uuid:pk>/               guest's              GET     404  404  404  404  404  404
registrations/<uuid:pk>/               guest's+token        GET     200  200  200  200  200  200
registrations/<uuid:pk>/               of-deleted           GET     404  404  404  404  404  404
registrations/<uuid:pk>/               of-deleted+token     GET     404  404  404  404  404  404
registrations/confirm/                 -                    GET     404  404  404  404  404  404
registrations/<uuid:pk>/feedback/      ana's                GET     404  404  404  404  404  404
registrations/<uuid:pk>/feedback/      ana's+feedback       GET     200  200  200  200  200  200
registrations/<uuid:pk>/feedback/      guest's+token        GET     404  404  404  404  404  404
registrations/<uuid:pk>/feedback/      of-deleted+token     GET     404  404  404  404  404  404

# accounts
api/users/<id:pk>/                     ana                  GET     401  404  200  404  404  200
api/users/<id:pk>/                     olga                 GET     401  404  404  200  404  200
api/users/<id:pk>/                     sam                  GET     401  404  404  404  404  200
api/users/<id:pk>/                     root                 GET     401  404  404  404  404  200
api/users/<id:pk>/                     ana                  PUT     401  404  200  404  404  200
api/users/<id:pk>/                     olga                 PUT     401  404  404  200  404  200
api/users/<id:pk>/                     sam                  PUT     401  404  404  404  404  200
api/users/<id:pk>/                     root                 PUT     401  404  404  404  404  403
api/users/<id:pk>/                     ana                  PATCH   401  404  200  404  404  200
api/users/<id:pk>/                     olga                 PATCH   401  404  404  200  404  200
api/users/<id:pk>/                     sam                  PATCH   401  404  404  404  404  200
api/users/<id:pk>/                     root                 PATCH   401  404  404  404  404  403
api/users/<id:pk>/                     ana                  DELETE  401  404  204  404  404  204
api/users/<id:pk>/                     olga                 DELETE  401  404  404  409  404  409
api/users/<id:pk>/                     sam                  DELETE  401  404  404  404  404  204
api/users/<id:pk>/                     root                 DELETE  401  404  404  404  404  403
api/register/                          -                    POST    201  201  201  201  201  201
api/login/                             -                    POST    200  200  200  200  200  200
api/token/refresh/                     -                    POST    200  200  200  200  200  200
api/logout/                            -                    POST    401  401  401  204  401  401
api/password/change/                   -                    POST    401  204  204  204  204  204
api/password/reset/                    -                    POST    202  202  202  202  202  202
api/password/reset/confirm/            -                    POST    204  204  204  204  204  204
api/email/verify/                      -                    POST    200  200  200  200  200  200
api/email/verify/resend/               -                    POST    401  202  202  202  202  202
api/users/                             -                    GET     401  403  403  403  403  200
api/users/                             -                    POST    201  201  201  201  201  201

# what is one's own
api/me/                                -                    GET     401  200  200  200  200  200
api/me/                                -                    PUT     401  200  200  200  200  200
api/me/                                -                    PATCH   401  200  200  200  200  200
api/me/                                -                    DELETE  401  204  204  409  204  204
api/me/registrations/                  -                    GET     401  200  200  200  200  200
api/me/events/                         -                    GET     401  200  200  200  200  200
api/me/notifications/                  -                    GET     401  200  200  200  200  200
api/me/notifications/read/             -                    POST    401  200  200  200  200  200
api/me/export/                         -                    GET     401  200  200  200  200  200
api/me/sessions/                       -                    GET     401  200  200  200  200  200
api/me/sessions/<uuid:pk>/             olga's-session       DELETE  401  404  404  204  404  404
api/me/calendar.ics                    -                    GET     404  404  404  404  404  404
api/me/calendar.ics                    ana's-calendar       GET     200  200  200  200  200  200
api/changes/                           -                    GET     401  200  200  200  200  200
api/me/statistics/                     -                    GET     401  200  200  200  200  200
api/me/calendar/reset/                 -                    POST    401  200  200  200  200  200

# teams
invitation/                            -                    GET     400  400  400  400  400  400
invitation/                            dora's-invitation    GET     200  200  200  200  200  200
api/events/<id:pk>/team/               published            GET     401  403  403  200  403  200
api/events/<id:pk>/team/               draft                GET     401  404  404  200  404  200
api/events/<id:pk>/team/               deleted              GET     401  404  404  404  404  404
api/events/<id:pk>/team/               published            POST    401  403  403  201  403  201
api/events/<id:pk>/team/               draft                POST    401  404  404  201  404  201
api/events/<id:pk>/team/               deleted              POST    401  404  404  404  404  404
api/events/<id:pk>/team/<id:member_id>/ published           PATCH   401  403  403  200  403  200
api/events/<id:pk>/team/<id:member_id>/ draft               PATCH   401  404  404  404  404  404
api/events/<id:pk>/team/<id:member_id>/ deleted             PATCH   401  404  404  404  404  404
api/events/<id:pk>/team/<id:member_id>/ published           DELETE  401  403  403  204  403  204
api/events/<id:pk>/team/<id:member_id>/ draft               DELETE  401  404  404  404  404  404
api/events/<id:pk>/team/<id:member_id>/ deleted             DELETE  401  404  404  404  404  404
api/events/<id:pk>/transfer/           published            POST    401  403  403  202  403  202
api/events/<id:pk>/transfer/           draft                POST    401  404  404  202  404  202
api/events/<id:pk>/transfer/           deleted              POST    401  404  404  404  404  404
api/events/<id:pk>/transfer/           published            DELETE  401  403  403  204  403  204
api/events/<id:pk>/transfer/           draft                DELETE  401  404  404  204  404  204
api/events/<id:pk>/transfer/           deleted              DELETE  401  404  404  404  404  404
api/series/<id:pk>/team/               series               GET     401  403  403  200  403  200
api/series/<id:pk>/team/               draft-series         GET     401  404  404  200  404  200
api/series/<id:pk>/team/               deleted-series       GET     401  404  404  404  404  404
api/series/<id:pk>/team/               series               POST    401  403  403  201  403  201
api/series/<id:pk>/team/               draft-series         POST    401  404  404  201  404  201
api/series/<id:pk>/team/               deleted-series       POST    401  404  404  404  404  404
api/series/<id:pk>/team/<id:member_id>/ series              PATCH   401  403  403  200  403  200
api/series/<id:pk>/team/<id:member_id>/ draft-series        PATCH   401  404  404  404  404  404
api/series/<id:pk>/team/<id:member_id>/ deleted-series      PATCH   401  404  404  404  404  404
api/series/<id:pk>/team/<id:member_id>/ series              DELETE  401  403  403  204  403  204
api/series/<id:pk>/team/<id:member_id>/ draft-series        DELETE  401  404  404  404  404  404
api/series/<id:pk>/team/<id:member_id>/ deleted-series      DELETE  401  404  404  404  404  404
api/series/<id:pk>/transfer/           series               POST    401  403  403  202  403  202
api/series/<id:pk>/transfer/           draft-series         POST    401  404  404  202  404  202
api/series/<id:pk>/transfer/           deleted-series       POST    401  404  404  404  404  404
api/series/<id:pk>/transfer/           series               DELETE  401  403  403  204  403  204
api/series/<id:pk>/transfer/           draft-series         DELETE  401  404  404  204  404  204
api/series/<id:pk>/transfer/           deleted-series       DELETE  401  404  404  404  404  404
api/me/invitations/                    -                    GET     401  200  200  200  200  200
api/me/invitations/<id:pk>/accept/     ana's-invitation     POST    401  404  200  404  404  404
api/me/invitations/<id:pk>/decline/    ana's-invitation     POST    401  404  200  404  404  404

# webhooks
api/webhooks/                          -                    GET     401  200  200  200  200  200
api/webhooks/                          -                    POST    401  201  201  201  201  201
api/webhooks/<id:pk>/                  olga's-webhook       GET     401  404  404  200  404  404
api/webhooks/<id:pk>/                  olga's-webhook       PATCH   401  404  404  200  404  404
api/webhooks/<id:pk>/                  olga's-webhook       DELETE  401  404  404  204  404  404
api/webhooks/<id:pk>/rotate/           olga's-webhook       POST    401  404  404  200  404  404
api/webhooks/<id:pk>/test/             olga's-webhook       POST    401  404  404  202  404  404
api/webhooks/<id:pk>/replay/           olga's-webhook       POST    401  404  404  202  404  404
api/webhooks/<id:pk>/deliveries/       olga's-webhook       GET     401  404  404  200  404  404
api/webhooks/<id:pk>/deliveries/<id:delivery_id>/redeliver/ delivery POST 401 404 404 202 404 404

# API keys
api/me/keys/                           -                    GET     401  200  200  200  200  200
api/me/keys/                           -                    POST    401  201  201  201  201  201
api/me/keys/<id:pk>/                   olga's-key           PATCH   401  404  404  200  404  404
api/me/keys/<id:pk>/                   olga's-key           DELETE  401  404  404  204  404  404
api/me/keys/<id:pk>/rotate/            olga's-key           POST    401  404  404  200  404  404
api/key/                               -                    GET     404  404  404  404  404  404
api/keys/revoke/                       -                    POST    204  204  204  204  204  204

# events
api/events/calendar.ics                -                    GET     200  200  200  200  200  200
api/events/facets/                     -                    GET     200  200  200  200  200  200
api/events/suggest/                    typed                GET     200  200  200  200  200  200
api/events/                            -                    GET     200  200  200  200  200  200
api/events/                            -                    POST    401  201  403  201  201  201
api/events/bulk/                       -                    POST    401  201  403  201  201  201
api/events/import/                     -                    POST    401  201  403  201  201  201
api/events/<id:pk>/                    published            GET     200  200  200  200  200  200
api/events/<id:pk>/                    draft                GET     404  404  404  200  404  200
api/events/<id:pk>/                    deleted              GET     404  404  404  404  404  404
api/events/<id:pk>/                    published            PUT     401  403  403  200  403  200
api/events/<id:pk>/                    draft                PUT     401  404  404  200  404  200
api/events/<id:pk>/                    deleted              PUT     401  404  404  404  404  404
api/events/<id:pk>/                    published            PATCH   401  403  403  200  403  200
api/events/<id:pk>/                    draft                PATCH   401  404  404  200  404  200
api/events/<id:pk>/                    deleted              PATCH   401  404  404  404  404  404
api/events/<id:pk>/                    published            DELETE  401  403  403  204  403  204
api/events/<id:pk>/                    draft                DELETE  401  404  404  204  404  204
api/events/<id:pk>/                    deleted              DELETE  401  404  404  404  404  404
api/events/<id:pk>/publish/            published            POST    401  403  403  200  403  200
api/events/<id:pk>/publish/            draft                POST    401  404  404  200  404  200
api/events/<id:pk>/publish/            deleted              POST    401  404  404  404  404  404
api/events/<id:pk>/cancel/             published            POST    401  403  403  200  403  200
api/events/<id:pk>/cancel/             draft                POST    401  404  404  409  404  409
api/events/<id:pk>/cancel/             deleted              POST    401  404  404  404  404  404
api/events/<id:pk>/key/reset/          published            POST    401  403  403  200  403  200
api/events/<id:pk>/key/reset/          draft                POST    401  404  404  200  404  200
api/events/<id:pk>/key/reset/          deleted              POST    401  404  404  404  404  404
api/events/<id:pk>/duplicate/          published            POST    401  403  403  201  403  201
api/events/<id:pk>/duplicate/          draft                POST    401  404  403  201  404  201
api/events/<id:pk>/duplicate/          deleted              POST    401  404  403  404  404  404
api/events/<id:pk>/image/              published            PUT     401  403  403  200  403  200
api/events/<id:pk>/image/              draft                PUT     401  404  404  200  404  200
api/events/<id:pk>/image/              deleted              PUT     401  404  404  404  404  404
api/events/<id:pk>/image/              published            DELETE  401  403  403  204  403  204
api/events/<id:pk>/image/              draft                DELETE  401  404  404  204  404  204
api/events/<id:pk>/image/              deleted              DELETE  401  404  404  404  404  404
api/events/<id:pk>/calendar.ics        published            GET     200  200  200  200  200  200
api/events/<id:pk>/calendar.ics        draft                GET     404  404  404  200  404  200
api/events/<id:pk>/calendar.ics        deleted              GET     404  404  404  404  404  404
api/events/<id:pk>/stream/             published            GET     200  200  200  200  200  200
api/events/<id:pk>/stream/             draft                GET     404  404  404  404  404  404
api/events/<id:pk>/stream/             deleted              GET     404  404  404  404  404  404

# series
api/series/                            -                    GET     200  200  200  200  200  200
api/series/                            -                    POST    401  201  403  201  201  201
api/series/<id:pk>/                    series               GET     200  200  200  200  200  200
api/series/<id:pk>/                    draft-series         GET     404  404  404  200  404  200
api/series/<id:pk>/                    deleted-series       GET     404  404  404  404  404  404
api/series/<id:pk>/                    series               PATCH   401  403  403  200  403  200
api/series/<id:pk>/                    draft-series         PATCH   401  404  404  200  404  200
api/series/<id:pk>/                    deleted-series       PATCH   401  404  404  404  404  404
api/series/<id:pk>/                    series               DELETE  401  403  403  204  403  204
api/series/<id:pk>/                    draft-series         DELETE  401  404  404  204  404  204
api/series/<id:pk>/                    deleted-series       DELETE  401  404  404  404  404  404
api/series/<id:pk>/publish/            series               POST    401  403  403  200  403  200
api/series/<id:pk>/publish/            draft-series         POST    401  404  404  200  404  200
api/series/<id:pk>/publish/            deleted-series       POST    401  404  404  404  404  404

# forms
api/events/<id:pk>/form/               published            GET     200  200  200  200  200  200
api/events/<id:pk>/form/               draft                GET     404  404  404  200  404  200
api/events/<id:pk>/form/               deleted              GET     404  404  404  404  404  404
api/events/<id:pk>/form/               published            PUT     401  403  403  200  403  200
api/events/<id:pk>/form/               draft                PUT     401  404  404  200  404  200
api/events/<id:pk>/form/               deleted              PUT     401  404  404  404  404  404
api/events/<id:pk>/form/schema/        published            GET     200  200  200  200  200  200
api/events/<id:pk>/form/schema/        draft                GET     404  404  404  200  404  200
api/events/<id:pk>/form/schema/        deleted              GET     404  404  404  404  404  404
api/events/<id:pk>/form/summary/       published            GET     401  403  403  200  403  200
api/events/<id:pk>/form/summary/       draft                GET     401  404  404  200  404  200
api/events/<id:pk>/form/summary/       deleted              GET     401  404  404  404  404  404
api/series/<id:pk>/form/               series               GET     200  200  200  200  200  200
api/series/<id:pk>/form/               draft-series         GET     404  404  404  200  404  200
api/series/<id:pk>/form/               deleted-series       GET     404  404  404  404  404  404
api/series/<id:pk>/form/               series               PUT     401  403  403  200  403  200
api/series/<id:pk>/form/               draft-series         PUT     401  404  404  200  404  200
api/series/<id:pk>/form/               deleted-series       PUT     401  404  404  404  404  404
api/series/<id:pk>/form/schema/        series               GET     200  200  200  200  200  200
api/series/<id:pk>/form/schema/        draft-series         GET     404  404  404  200  404  200
api/series/<id:pk>/form/schema/        deleted-series       GET     404  404  404  404  404  404

# categories
api/categories/                        -                    GET     200  200  200  200  200  200
api/categories/                        -                    POST    401  403  403  403  403  201
api/categories/<slug:slug>/            conference           GET     200  200  200  200  200  200
api/categories/<slug:slug>/            conference           PUT     401  403  403  403  403  200
api/categories/<slug:slug>/            conference           PATCH   401  403  403  403  403  200
api/categories/<slug:slug>/            conference           DELETE  401  403  403  403  403  204

# the people of an event
api/events/<id:pk>/register/           published            POST    201  201  201  201  201  201
api/events/<id:pk>/register/           draft                POST    404  404  404  409  404  409
api/events/<id:pk>/register/           deleted              POST    404  404  404  404  404  404
api/events/<id:pk>/attendees/          published            GET     401  403  403  200  403  200
api/events/<id:pk>/attendees/          draft                GET     401  404  404  200  404  200
api/events/<id:pk>/attendees/          deleted              GET     401  404  404  404  404  404
api/events/<id:pk>/attendees/export/   published            GET     401  403  403  200  403  200
api/events/<id:pk>/attendees/export/   draft                GET     401  404  404  200  404  200
api/events/<id:pk>/attendees/export/   deleted              GET     401  404  404  404  404  404
api/events/<id:pk>/attendees/import/   deleted              POST    401  404  404  404  404  404
api/events/<id:pk>/attendees/import/   draft                POST    401  404  404  409  404  409
api/events/<id:pk>/attendees/import/   published            POST    401  403  403  201  403  201
api/events/<id:pk>/ledger/             published            GET     401  403  403  200  403  200
api/events/<id:pk>/ledger/             draft                GET     401  404  404  200  404  200
api/events/<id:pk>/ledger/             deleted              GET     401  404  404  404  404  404
api/events/<id:pk>/statistics/         published            GET     401  403  403  200  403  200
api/events/<id:pk>/statistics/         draft                GET     401  404  404  200  404  200
api/events/<id:pk>/statistics/         deleted              GET     401  404  404  404  404  404
api/events/<id:pk>/check-in/           published            POST    401  403  403  200  403  200
api/events/<id:pk>/check-in/           draft                POST    401  404  404  409  404  409
api/events/<id:pk>/check-in/           deleted              POST    401  404  404  404  404  404
api/events/<id:pk>/check-in/undo/      published            POST    401  403  403  200  403  200
api/events/<id:pk>/check-in/undo/      draft                POST    401  404  404  409  404  409
api/events/<id:pk>/check-in/undo/      deleted              POST    401  404  404  404  404  404
api/events/<id:pk>/check-ins/bulk/     published            POST    401  403  403  200  403  200
api/events/<id:pk>/check-ins/bulk/     draft                POST    401  404  404  200  404  200
api/events/<id:pk>/check-ins/bulk/     deleted              POST    401  404  404  404  404  404
api/events/<id:pk>/attendees/decide/   published            POST    401  403  403  200  403  200
api/events/<id:pk>/attendees/decide/   draft                POST    401  404  404  200  404  200
api/events/<id:pk>/attendees/decide/   deleted              POST    401  404  404  404  404  404
api/events/<id:pk>/codes/              published            GET     401  403  403  200  403  200
api/events/<id:pk>/codes/              published            POST    401  403  403  201  403  201
api/events/<id:pk>/codes/<id:code_pk>/ published            DELETE  401  403  403  204  403  204
api/events/<id:pk>/codes/              draft                GET     401  404  404  200  404  200
api/events/<id:pk>/codes/              draft                POST    401  404  404  201  404  201
api/events/<id:pk>/codes/<id:code_pk>/ draft                DELETE  401  404  404  204  404  204
api/events/<id:pk>/codes/              deleted              GET     401  404  404  404  404  404
api/events/<id:pk>/codes/              deleted              POST    401  404  404  404  404  404
api/events/<id:pk>/codes/<id:code_pk>/ deleted              DELETE  401  404  404  404  404  404
api/events/<id:pk>/door-list/          published            GET     401  403  403  200  403  200
api/events/<id:pk>/door-list/          draft                GET     401  404  404  200  404  200
api/events/<id:pk>/door-list/          deleted              GET     401  404  404  404  404  404
api/events/<id:pk>/door-links/         published            GET     401  403  403  200  403  200
api/events/<id:pk>/door-links/         draft                GET     401  404  404  200  404  200
api/events/<id:pk>/door-links/         deleted              GET     401  404  404  404  404  404
api/events/<id:pk>/door-links/         published            POST    401  403  403  201  403  201
api/events/<id:pk>/door-links/         draft                POST    401  404  404  201  404  201
api/events/<id:pk>/door-links/         deleted              POST    401  404  404  404  404  404
api/events/<id:pk>/door-links/<id:link_id>/ published       DELETE  401  403  403  204  403  204
api/events/<id:pk>/door-links/<id:link_id>/ draft           DELETE  401  404  404  404  404  404
api/events/<id:pk>/door-links/<id:link_id>/ deleted         DELETE  401  404  404  404  404  404

# registrations
api/registrations/<uuid:pk>/           ana's                GET     404  404  200  200  404  200
api/registrations/<uuid:pk>/           guest's              GET     404  404  404  200  404  200
api/registrations/<uuid:pk>/           guest's+token        GET     200  200  200  200  200  200
api/registrations/<uuid:pk>/           of-deleted           GET     404  404  404  404  404  404
api/registrations/<uuid:pk>/           ana's                PATCH   404  404  200  200  404  200
api/registrations/<uuid:pk>/           guest's              PATCH   404  404  404  200  404  200
api/registrations/<uuid:pk>/           guest's+token        PATCH   200  200  200  200  200  200
api/registrations/<uuid:pk>/           of-deleted+token     GET     404  404  404  404  404  404
api/registrations/<uuid:pk>/           of-deleted           PATCH   404  404  404  404  404  404
api/registrations/<uuid:pk>/           ana's                DELETE  404  404  204  204  404  204
api/registrations/<uuid:pk>/           guest's              DELETE  404  404  404  204  404  204
api/registrations/<uuid:pk>/           guest's+token        DELETE  204  204  204  204  204  204
api/registrations/<uuid:pk>/           of-deleted           DELETE  404  404  404  404  404  404
api/registrations/<uuid:pk>/resend/    ana's                POST    404  404  202  202  404  202
api/registrations/<uuid:pk>/resend/    guest's              POST    404  404  404  202  404  202
api/registrations/<uuid:pk>/resend/    guest's+token        POST    202  202  202  202  202  202
api/registrations/<uuid:pk>/resend/    of-deleted           POST    404  404  404  404  404  404
api/registrations/<uuid:pk>/approve/   ana's                POST    401  404  403  200  404  200
api/registrations/<uuid:pk>/approve/   guest's              POST    401  404  404  200  404  200
api/registrations/<uuid:pk>/approve/   guest's+token        POST    401  400  400  400  400  400
api/registrations/<uuid:pk>/approve/   of-deleted           POST    401  404  404  404  404  404
api/registrations/<uuid:pk>/reject/    ana's                POST    401  404  403  409  404  409
api/registrations/<uuid:pk>/reject/    guest's              POST    401  404  404  409  404  409
api/registrations/<uuid:pk>/reject/    guest's+token        POST    401  400  400  400  400  400
api/registrations/<uuid:pk>/reject/    of-deleted           POST    401  404  404  404  404  404
api/registrations/<uuid:pk>/reopen/    ana's                POST    401  404  403  409  404  409
api/registrations/<uuid:pk>/reopen/    guest's              POST    401  404  404  409  404  409
api/registrations/<uuid:pk>/reopen/    guest's+token        POST    401  400  400  400  400  400
api/registrations/<uuid:pk>/reopen/    of-deleted           POST    401  404  404  404  404  404
api/registrations/confirm/             -                    POST    200  200  200  200  200  200
api/registrations/<uuid:pk>/reject/    pending              POST    401  404  404  200  404  200
api/registrations/<uuid:pk>/reopen/    rejected             POST    401  404  404  200  404  200
api/registrations/<uuid:pk>/ticket.svg ana's                GET     404  404  200  200  404  200
api/registrations/<uuid:pk>/ticket.svg guest's              GET     404  404  404  200  404  200
api/registrations/<uuid:pk>/ticket.svg guest's+token        GET     200  200  200  200  200  200
api/registrations/<uuid:pk>/ticket.svg of-deleted           GET     404  404  404  404  404  404
api/registrations/<uuid:pk>/ticket.png ana's                GET     404  404  200  200  404  200
api/registrations/<uuid:pk>/ticket.png guest's              GET     404  404  404  200  404  200
api/registrations/<uuid:pk>/ticket.png guest's+token        GET     200  200  200  200  200  200
api/registrations/<uuid:pk>/ticket.png of-deleted           GET     404  404  404  404  404  404

# messages to attendees
api/events/<id:pk>/messages/           published            GET     401  403  403  200  403  200
api/events/<id:pk>/messages/           draft                GET     401  404  404  200  404  200
api/events/<id:pk>/messages/           deleted              GET     401  404  404  404  404  404
api/events/<id:pk>/messages/           published            POST    401  403  403  201  403  201
api/events/<id:pk>/messages/           draft                POST    401  404  404  201  404  201
api/events/<id:pk>/messages/           deleted              POST    401  404  404  404  404  404
api/messages/<id:pk>/                  message              GET     401  404  404  200  404  200
api/messages/<id:pk>/                  message-of-deleted   GET     401  404  404  404  404  404

# feedback
api/events/<id:pk>/feedback/           published            GET     200  200  200  200  200  200
api/events/<id:pk>/feedback/           draft                GET     404  404  404  200  404  200
api/events/<id:pk>/feedback/           deleted              GET     404  404  404  404  404  404
api/events/<id:pk>/feedback/           published            POST    401  409  409  409  409  409
api/events/<id:pk>/feedback/           draft                POST    401  404  404  409  404  409
api/events/<id:pk>/feedback/           deleted              POST    401  404  404  404  404  404
api/events/<id:pk>/feedback/           past                 POST    401  409  201  409  409  409
api/feedback/<id:pk>/                  ana's-feedback       GET     200  200  200  200  200  200
api/feedback/<id:pk>/                  feedback-of-deleted  GET     404  404  404  404  404  404
api/feedback/<id:pk>/                  ana's-feedback       PATCH   401  403  200  403  403  403
api/feedback/<id:pk>/                  feedback-of-deleted  PATCH   401  404  404  404  404  404
api/feedback/<id:pk>/                  ana's-feedback       DELETE  401  403  204  403  403  403
api/feedback/<id:pk>/                  feedback-of-deleted  DELETE  401  404  404  404  404  404
"""


QUESTION = {"key": "diet", "label": "Food", "type": "text"}
ATTENDEES = b"name,email\r\nBob,bob@example.com\r\n"
EVENTS = b"name,location,start_time\r\nNew,Hall 2,2027-03-15T09:00:00Z\r\n"


@dataclass
class File:
    """A body that is no JSON."""

    media_type: str
    content: bytes

    def form(self) -> dict[str, Any]:
        """As a part of a form."""
        return {"file": SimpleUploadedFile("file", self.content, self.media_type)}


@dataclass
class ImageForm(File):
    """A form with an image."""

    media_type: str = MULTIPART_CONTENT
    content: bytes = b""

    def form(self) -> dict[str, Any]:
        return {"image": SimpleUploadedFile("a.png", PNG, "image/png"), "alt": "A hall"}

    @classmethod
    def encoded(cls) -> "ImageForm":
        return cls(content=encode_multipart(BOUNDARY, cls().form()))


@dataclass
class World:
    """What is there, made once for all cells; each request is undone."""

    people: dict[str, User]
    events: dict[str, Event]
    series: dict[str, Series]
    registrations: dict[str, Registration]
    feedback: dict[str, Feedback]
    sessions: dict[str, Session]
    messages: dict[str, Message]
    keys: dict[str, ApiKey]
    invitations: dict[str, TeamMember]
    door_links: dict[str, DoorLink]
    door_tokens: dict[str, str]
    codes: dict[str, RegistrationCode]
    confirmation: str
    deliveries: dict[str, WebhookDelivery]

    def rows(self) -> dict[str, tuple[dict[str, Any], str]]:
        """By name: what the route takes, and the query behind it."""
        guests, ana = self.registrations["guest's"], self.people["ana"]
        own = self.registrations["ana's"]
        gone, olga = self.registrations["of-deleted"], self.people["olga"]
        ids: dict[str, Any] = {
            **self.events,
            **self.series,
            **self.people,
            **self.registrations,
            **self.feedback,
            **self.sessions,
            **self.messages,
            **self.keys,
            "ana's-invitation": self.invitations["ana's-invitation"],
            "olga's-webhook": self.deliveries["delivery"].webhook,
        }
        return {
            "-": ({}, ""),
            **{name: ({"pk": row.pk}, "") for name, row in ids.items()},
            **{name: self._with_member(name) for name in (*self.events, *self.series)},
            **{f"{name}-page": self._page(name) for name in self.events},
            **{name: ({"token": token}, "") for name, token in self.door_tokens.items()},
            **{
                name: ({"pk": row.webhook_id, "delivery_id": row.pk}, "")
                for name, row in self.deliveries.items()
            },
            "ana's+feedback": (
                {"pk": own.pk},
                f"?token={feedback_token(own.pk, ana.pk)}",
            ),
            "guest's+token": ({"pk": guests.pk}, f"?token={manage_token(guests.pk)}"),
            "of-deleted+token": ({"pk": gone.pk}, f"?token={manage_token(gone.pk)}"),
            "olga's-confirmation": ({}, f"?token={token_in(confirmation_link(olga))}"),
            "dora's-invitation": (
                {},
                f"?{urlsplit(invitation_link(self.invitations['series'].pk)).query}",
            ),
            "olga's-reset": ({}, f"?token={token_in(reset_link(olga))}"),
            "ana's-calendar": ({}, f"?{urlsplit(calendar_url(ana)).query}"),
            "no-image": ({"name": "x.webp"}, ""),
            "typed": ({}, "?q=a"),
            "conference": ({"slug": "conference"}, ""),
            "event-full": ({"slug": "event-full"}, ""),
        }

    def _page(self, name: str) -> tuple[dict[str, Any], str]:
        event = self.events[name]
        return {"pk": event.pk, "slug": slug_of(event.name)}, ""

    def _with_member(self, name: str) -> tuple[dict[str, Any], str]:
        """An event or series. Its member is one of the published event or of the series.

        The door link is that of the published event.
        """
        row = {**self.events, **self.series}[name]
        member = self.invitations["series" if name in self.series else "published"]
        link = self.door_links["door"]
        code = self.codes.get(name, self.codes["published"])
        ids = {"pk": row.pk, "member_id": member.pk, "link_id": link.pk, "code_pk": code.pk}
        return ids, ""

    def bodies(self) -> dict[str, Any]:
        """By method and route: what is sent. Where nothing is said, an empty object."""
        start = (timezone.now() + timedelta(days=9)).isoformat()
        event = {"name": "New", "location": "Hall 2", "start_time": start}
        ticket = {"ticket_code": self.registrations["guest's"].ticket_code}
        profile = {"email": "new@example.com", "username": "new"}
        account = {"email": "new@example.com", "password": PASSWORD}
        category = {"slug": "new", "name": "New"}
        refresh = {"refresh": open_session(self.people["olga"])["refresh"]}
        return {
            "POST api/events/": event,
            "POST api/events/bulk/": {"events": [event]},
            "POST api/series/": {**event, "recurrence": "FREQ=WEEKLY;COUNT=2"},
            "PATCH api/series/<id:pk>/": {"name": "New"},
            "PUT api/events/<id:pk>/": event,
            "PATCH api/events/<id:pk>/": {"name": "New"},
            "POST api/events/<id:pk>/register/": {"name": "Bob", "email": "bob@example.com"},
            "POST api/events/<id:pk>/check-in/": ticket,
            "POST api/events/<id:pk>/check-in/undo/": ticket,
            "POST api/events/<id:pk>/check-ins/bulk/": {"check_ins": [ticket]},
            "POST api/events/<id:pk>/attendees/decide/": {
                "ids": [str(self.registrations["guest's"].pk)],
                "decision": "approve",
            },
            "POST api/registrations/confirm/": {"token": self.confirmation},
            "POST api/events/<id:pk>/duplicate/": {"start_time": start},
            "POST api/events/<id:pk>/feedback/": {"rating": 5},
            "PATCH api/feedback/<id:pk>/": {"rating": 1},
            "POST api/events/<id:pk>/messages/": {"subject": "Doors", "body": "At eight."},
            "PATCH api/registrations/<uuid:pk>/": {"name": "New"},
            "PUT api/me/": profile,
            "PATCH api/me/": {"username": "new"},
            "DELETE api/me/": {"password": PASSWORD},
            "PUT api/users/<id:pk>/": profile,
            "PATCH api/users/<id:pk>/": {"username": "new"},
            "DELETE api/users/<id:pk>/": {"password": PASSWORD},
            "POST api/categories/": category,
            "PUT api/categories/<slug:slug>/": category,
            "PATCH api/categories/<slug:slug>/": {"name": "New"},
            "POST api/register/": account,
            "POST api/users/": account,
            "POST api/login/": {"email": "olga@example.com", "password": PASSWORD},
            "POST api/token/refresh/": refresh,
            "POST api/logout/": refresh,
            "POST api/password/change/": {
                "current_password": PASSWORD,
                "password": "another-horse-7",
            },
            "POST api/password/reset/": {"email": "olga@example.com"},
            "POST api/password/reset/confirm/": {
                "token": token_in(reset_link(self.people["olga"])),
                "password": "another-horse-7",
            },
            "POST api/email/verify/": {
                "token": token_in(confirmation_link(self.people["olga"])),
            },
            "POST api/me/notifications/read/": {"all": True},
            "PUT api/events/<id:pk>/form/": {"questions": [QUESTION]},
            "PUT api/series/<id:pk>/form/": {"questions": [QUESTION]},
            **{
                f"{method} api/{kind}/<id:pk>/{route}": body
                for kind in ("events", "series")
                for method, route, body in (
                    ("POST", "team/", {"email": "new@example.com", "role": "door"}),
                    ("PATCH", "team/<id:member_id>/", {"role": "registrar"}),
                    ("POST", "transfer/", {"email": "new@example.com"}),
                )
            },
            "POST api/me/keys/": {"name": "Shop", "scopes": ["checkin"], "password": PASSWORD},
            "PATCH api/me/keys/<id:pk>/": {"name": "New"},
            "POST api/webhooks/": {"url": "https://192.88.1.1/", "types": ["event.created"]},
            "PATCH api/webhooks/<id:pk>/": {"description": "New"},
            "POST api/webhooks/<id:pk>/replay/": {"since": timezone.now().isoformat()},
            "POST api/keys/revoke/": {"key": "evk_unknown"},
            "POST api/events/<id:pk>/attendees/import/": File("text/csv", ATTENDEES),
            "POST api/events/import/": File("text/csv", EVENTS),
            "PUT api/events/<id:pk>/image/": ImageForm.encoded(),
        }


def make_world() -> World:
    olga = UserFactory(username="olga", timezone="Europe/Berlin")
    people = {
        "olga": olga,
        "ana": UserFactory(
            username="ana", role=User.Role.ATTENDEE, email_verified_at=timezone.now()
        ),
        "max": UserFactory(username="max"),
        "kim": UserFactory(username="kim", is_staff=True),
        "sam": UserFactory(username="sam", is_staff=True),
        "root": UserFactory(username="root", is_staff=True, is_superuser=True),
    }
    people["sam"].user_permissions.set(Permission.objects.all())
    ana = people["ana"]
    events = {
        "published": EventFactory(organizer=olga, meeting_url="https://meet.example.com/open"),
        "deleted": EventFactory(organizer=olga),
        "cancelled": EventFactory(organizer=olga),
        "past": EventFactory(organizer=olga),
        "reviewed": EventFactory(organizer=olga, attendee_list="names"),
        "reviewed-deleted": EventFactory(organizer=olga),
        "draft": EventFactory(organizer=olga, status=Event.Status.DRAFT),
    }
    series = {
        "series": SeriesFactory(organizer=olga),
        "draft-series": SeriesFactory(organizer=olga, status=Series.Status.DRAFT),
        "deleted-series": SeriesFactory(organizer=olga),
    }
    own = {"name": "Ana", "email": ana.email, "user": ana, "registered_by": ana}
    registrations = {
        "ana's": registered(events["published"], **own),
        "guest's": registered(events["published"]),
        "of-deleted": registered(events["deleted"], **own),
    }
    over = timezone.now() - timedelta(days=2)
    for name in ("past", "reviewed", "reviewed-deleted"):
        registered(events[name], **own)
        Event.objects.filter(pk=events[name].pk).update(
            start_time=over, end_time=over + timedelta(hours=2)
        )
    feedback = {
        name: Feedback.objects.create(event=events[event], author=ana, rating=4)
        for name, event in (
            ("ana's-feedback", "reviewed"),
            ("feedback-of-deleted", "reviewed-deleted"),
        )
    }
    messages = {
        name: Message.objects.create(event=events[event], author=olga, subject="x", body="x")
        for name, event in (("message", "published"), ("message-of-deleted", "deleted"))
    }
    cancel_event(events["cancelled"])
    for name in ("deleted", "reviewed-deleted"):
        delete_event(events[name])
    end_series(series["deleted-series"])
    open_session(olga)
    sessions = {"olga's-session": Session.objects.get(user=olga)}
    keys = {"olga's-key": KeyFactory(user=olga)}
    invited = {"email": "dora@example.com", "role": "door", "by": olga}
    invitations = {
        "published": invite(events["published"], **invited),
        "series": invite(series["series"], **invited),
        "ana's-invitation": invite(
            events["published"], email=people["ana"].email, role="door", by=olga
        ),
    }
    door_links, door_tokens = {}, {}
    for name in ("door", "withdrawn-door"):
        door_links[name], url = create_door_link(events["published"], name="Main", by=olga)
        door_tokens[name] = url.rpartition("/")[2]
    withdraw_door_link(door_links["withdrawn-door"])
    published = Event.objects.filter(pk=events["published"].pk)
    published.update(registration_mode="approval")
    for name in ("pending", "rejected"):
        email = f"{name}@example.com"
        registrations[name] = register_caller(events["published"].pk, None, name="Eve", email=email)
    reject(registrations["rejected"], by=olga)
    published.update(registration_mode="open")
    by_address = EventFactory(organizer=olga, registration_mode="confirm_address")
    request = register_caller(by_address.pk, None, name="Eve", email="eve@example.com")
    confirmation = confirmation_token(request.pk, request.version)
    codes = {name: create_code(events[name]) for name in ("published", "draft")}
    webhook = WebhookFactory(user=olga)
    deliveries = {
        "delivery": WebhookDelivery.objects.create(
            webhook=webhook, type="webhook.test", state="failed"
        )
    }
    return World(
        people,
        events,
        series,
        registrations,
        feedback,
        sessions,
        messages,
        keys,
        invitations,
        door_links,
        door_tokens,
        codes,
        confirmation,
        deliveries,
    )
