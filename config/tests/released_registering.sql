-- The statement by which version 1.0.0 registers a person.
WITH placement AS (
    UPDATE events_event AS event SET
        registered_count = registered_count + CASE WHEN event.is_available THEN 1 ELSE 0 END,
        waitlist_count = waitlist_count + CASE WHEN event.is_available THEN 0 ELSE 1 END,
        last_queue_number = last_queue_number + CASE WHEN event.is_available THEN 0 ELSE 1 END
    WHERE id = %(event_id)s
        AND event.status = 'published' AND event.deleted_at IS NULL
        AND event.start_time > %(now)s
        AND (event.registration_closes_at IS NULL OR event.registration_closes_at > %(now)s)
        AND (event.registration_opens_at IS NULL OR event.registration_opens_at <= %(now)s)
        AND (event.is_available OR event.waitlist_enabled)
        AND NOT EXISTS (
            SELECT FROM registrations_registration
            WHERE event_id = %(event_id)s AND email = %(email)s AND status <> 'cancelled'
        )
    RETURNING
        id AS event_id, name, location, start_time, end_time, timezone, status, meeting_url,
        /* A seat is only given if nobody is waitlisted. */
        CASE WHEN waitlist_count > 0 THEN last_queue_number END AS queue_number,
        CASE WHEN waitlist_count > 0 THEN waitlist_count END AS position,
        CASE WHEN %(user_id)s::bigint IS NULL THEN (
            SELECT id FROM accounts_user
            WHERE email = %(email)s AND email_verified_at IS NOT NULL AND is_active
        ) END AS owner_id
), candidate AS (
    SELECT
        %(id)s::uuid AS id, event_id, coalesce(%(user_id)s, owner_id) AS user_id,
        CASE WHEN owner_id IS NULL THEN %(registered_by_id)s::bigint END AS registered_by_id,
        %(name)s::text AS name, %(email)s::text AS email, queue_number,
        %(ticket_code)s::text AS ticket_code,
        CASE WHEN owner_id IS NULL THEN 0 ELSE 1 END AS link_version,
        %(now)s::timestamptz AS at
    FROM placement
), registration AS (
    INSERT INTO registrations_registration (
        id, event_id, user_id, registered_by_id, name, email, status, queue_number,
        ticket_code, link_version, registered_at, confirmed_at
    )
    SELECT id, event_id, user_id, registered_by_id, name, email,
        CASE WHEN queue_number IS NULL THEN 'confirmed' ELSE 'waitlisted' END, queue_number,
        ticket_code, link_version, at, CASE WHEN queue_number IS NULL THEN at END
    FROM candidate
), ledger_entry AS (
    INSERT INTO registrations_ledgerentry (event_id, registration_id, kind, at, actor_id, reason)
    SELECT event_id, id, CASE WHEN queue_number IS NULL THEN 'registered' ELSE 'queued' END,
        at, %(actor_id)s::bigint, %(reason)s
    FROM candidate
), notification AS (
    INSERT INTO accounts_notification (
        kind, key, user_id, email, event_id, registration_id, request_id,
        created_at, due_at, attempt_at
    )
    SELECT kind.name, kind.name || ':' || id, user_id, email, event_id, id,
        %(request_id)s::text, %(now)s, %(now)s, %(now)s
    FROM candidate, LATERAL (
        SELECT CASE
            WHEN queue_number IS NULL THEN 'registration_confirmed'
            ELSE 'registration_waitlisted'
        END AS name
    ) AS kind
    WHERE %(notify)s
)
SELECT
    placement.event_id IS NOT NULL,
    placement.event_id IS NULL AND EXISTS (
        SELECT FROM registrations_registration
        WHERE event_id = %(event_id)s AND email = %(email)s AND status <> 'cancelled'
    ),
    placement.queue_number, placement.position, placement.owner_id, event.id,
    coalesce(placement.status, event.status), event.deleted_at,
    coalesce(placement.start_time, event.start_time), event.registration_opens_at,
    event.registration_closes_at, event.max_capacity, event.registered_count,
    event.waitlist_count, event.waitlist_enabled, event.organizer_id,
    coalesce(placement.name, event.name), coalesce(placement.location, event.location),
    coalesce(placement.end_time, event.end_time), coalesce(placement.timezone, event.timezone),
    coalesce(placement.meeting_url, event.meeting_url)
FROM events_event AS event LEFT JOIN placement ON placement.event_id = event.id
WHERE event.id = %(event_id)s
