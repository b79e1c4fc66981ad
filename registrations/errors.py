"""The errors of registrations, with what clients read about them."""

from config.errors import DomainError


class EventFull(DomainError):
    code = "event_full"
    status = 409
    title = "Event full"
    detail = "All seats are taken. Try again later: a seat becomes free when somebody cancels."
    help = (
        "Every seat is taken, and the event has no waitlist that is open. A seat becomes free when "
        "somebody cancels or the organizer raises the capacity. The member max_capacity has the "
        "present capacity. A party gets seats for all of its people or none: available_seats may "
        "be too few for it, or be kept for the waitlist_count people who came first."
    )
    example = {"max_capacity": 50, "available_seats": 0, "waitlist_count": 0}


class PartyTooLarge(DomainError):
    code = "party_too_large"
    status = 409
    title = "The party is larger than the event"
    detail = "The event has fewer seats in all than the party has people."
    help = (
        "The party can never get seats for all of its people, since the event has fewer. The "
        "member max_capacity has their number. Register a smaller party."
    )
    example = {"max_capacity": 4}


class PartyCannotGrow(DomainError):
    code = "party_cannot_grow"
    status = 409
    title = "The party cannot grow on the waitlist"
    detail = "A party on the waitlist can only become smaller."
    help = (
        "A larger party would overtake others on the waitlist. Another person registers with "
        "another address, and gets a place of their own."
    )


class AlreadyRegistered(DomainError):
    code = "already_registered"
    status = 409
    title = "Already registered"
    detail = (
        "This e-mail address is already registered for the event. The link in its confirmation "
        "e-mail shows, changes and cancels the registration."
    )
    help = (
        "One address has one registration for an event. The link in the confirmation e-mail "
        "shows, changes and cancels the registration; after a cancellation the address may "
        "register again. Another person registers with another address."
    )


class RegistrationNotOpen(DomainError):
    code = "registration_not_open"
    status = 409
    title = "Registration is not open yet"
    detail = "Registration opens later; see opens_at."
    help = "Registration opens at the time in the member opens_at."
    example = {"opens_at": "2032-02-01T09:00:00Z"}


class RegistrationClosed(DomainError):
    code = "registration_closed"
    status = 409
    title = "Registration is closed"
    detail = "Registration for this event has closed."
    help = "The organizer has set an end of registration before the event's start."


class CancellationClosed(DomainError):
    code = "cancellation_closed"
    status = 409
    title = "Cancelling is closed"
    detail = "Attendees can no longer cancel; ask the organizer."
    help = (
        "The organizer has set a deadline for cancelling before the event's start. It is in the "
        "member closed_at. The organizer can still cancel a registration, and a place on the "
        "waitlist can be given up until the start."
    )
    example = {"closed_at": "2032-03-14T09:00:00Z"}


class RegistrationCancelled(DomainError):
    code = "registration_cancelled"
    status = 409
    title = "The registration is cancelled"
    detail = "This registration is cancelled; register again instead."
    help = "A cancelled registration is final. To attend, register again."


class RegistrationRejected(DomainError):
    code = "registration_rejected"
    status = 409
    title = "The registration was not accepted"
    detail = "The organizer has not accepted your registration; ask the organizer."
    help = (
        "The organizer has rejected the registration of this address. It cannot be changed or made "
        "anew. The organizer can take the rejection back."
    )


class NotPending(DomainError):
    code = "not_pending"
    status = 409
    title = "The registration is not pending"
    detail = "There is nothing to decide: the registration is not pending. Read its status."
    help = (
        "Another decision was made, or the registration was cancelled. A rejection is taken back "
        "by POST /api/registrations/{id}/reopen/; a confirmed registration is cancelled instead."
    )


class CodeRequired(DomainError):
    code = "code_required"
    status = 403
    title = "A code is required"
    detail = "Registering for this event needs a code; send it as `code`."
    help = "The organizer gives codes to those who may register. Send yours in the field `code`."


class CodeInvalid(DomainError):
    code = "code_invalid"
    status = 403
    title = "The code is not valid"
    detail = "The code is not valid for this registration; check it or ask the organizer."
    help = (
        "The code is unknown, has expired, or is for another e-mail address. The response is the "
        "same for all reasons. Codes distinguish between capital and small letters."
    )


class CodeUsedUp(DomainError):
    code = "code_used_up"
    status = 409
    title = "The code is used up"
    detail = "The code was used as often as it may be; ask the organizer for another one."
    help = "Each registration takes one use of a code. A cancellation gives it back."


class AccountHasUpcomingEvents(DomainError):
    code = "account_has_upcoming_events"
    status = 409
    title = "You have upcoming events"
    detail = "Transfer, cancel or delete your upcoming events and series; people rely on them."
    help = (
        "An account with upcoming published events or unfinished series cannot be deleted, since "
        "its attendees would be left alone. The members events and series list them, at most 100 "
        "each. Give them to another owner (POST /api/events/{id}/transfer/), cancel or delete them "
        "first."
    )
    example = {
        "upcoming_events": 1,
        "events": [{"id": 1, "name": "Global AI Summit", "start_time": "2032-03-15T09:00:00Z"}],
        "series": [{"id": 3, "name": "Yoga in the park"}],
    }


class TicketNotValid(DomainError):
    code = "ticket_not_valid"
    status = 409
    title = "The ticket is not valid here"
    detail = "The ticket does not let its holder in; see reason."
    help = (
        "The member reason has the cause: cancelled, waitlisted (no seat yet), "
        "pending (no decision yet), rejected, other_event (a "
        "ticket for something else) or all_admitted (fewer people are left than count says)."
    )
    example = {"reason": "waitlisted"}


class FeedbackNotOpen(DomainError):
    code = "feedback_not_open"
    status = 409
    title = "The event is not over yet"
    detail = "Feedback opens when the event ends; see opens_at."
    help = "Feedback opens when the event ends, at the time in the member opens_at."
    example = {"opens_at": "2032-03-17T17:00:00Z"}


class NotAnAttendee(DomainError):
    code = "not_an_attendee"
    status = 409
    title = "You had no seat at this event"
    detail = "Only accounts that were confirmed on the event give feedback."
    help = (
        "Feedback needs an account with a confirmed registration for the event. A person who "
        "registered as a guest first signs up with the same address and confirms it."
    )


class AlreadyReviewed(DomainError):
    code = "already_reviewed"
    status = 409
    title = "You have given your feedback"
    detail = "One account gives feedback once. Change yours: PATCH /api/feedback/{id}/."
    help = "One account gives feedback on an event once. PATCH /api/feedback/{id}/ changes it."


class FormChanged(DomainError):
    code = "form_changed"
    status = 409
    title = "The questions have changed"
    detail = "The form of the event has another version now; see form, and answer that."
    help = (
        "The form_version that was sent is not the current one. The member form has the current "
        "version and its questions. Ask the person again what is new, and send the new version."
    )
    example = {"form": {"version": 3, "questions": [{"key": "diet", "label": "Food"}]}}


class QuestionInUse(DomainError):
    code = "question_in_use"
    status = 409
    title = "The question has answers"
    detail = "A question with answers stays in the form and keeps its type; see key."
    help = (
        "People have answered the question in the member key, so it stays in the form and keeps "
        "its key and its type. With active: false it is no longer asked."
    )
    example = {"key": "diet"}


class OptionFull(DomainError):
    code = "option_full"
    status = 409
    title = "The option is full"
    detail = "The limit of this option is reached; choose another one. See key and value."
    help = (
        "The option in the member value of the question in the member key is limited, and all of "
        "it is taken. Choose another option. It is free again when somebody cancels or chooses "
        "another one."
    )
    example = {"key": "diet", "value": "vegan"}


class LimitBelowTaken(DomainError):
    code = "limit_below_taken"
    status = 409
    title = "The limit is below what is taken"
    detail = "More people have chosen this option than the new limit allows; see minimum."
    help = (
        "The limit of the option in the member value of the question in the member key cannot be "
        "less than the number of times that it is chosen, which is in the member minimum."
    )
    example = {"key": "diet", "value": "vegan", "minimum": 16}


class TooManyBuckets(DomainError):
    code = "too_many_buckets"
    status = 400
    title = "The timeline has too many parts"
    detail = "Choose a longer interval, or a shorter time by from and to."
    help = (
        "A timeline has at most max_buckets parts. Choose a longer interval, such as day in place "
        "of hour, or a shorter time by the parameters from and to."
    )
    example = {"max_buckets": 1000}


class WebhookLimit(DomainError):
    code = "webhook_limit"
    status = 409
    title = "Too many webhooks"
    detail = "Delete a webhook that you no longer need, then create another one."
    help = (
        "An account has a limited number of webhooks, which is the member maximum. Disabled ones "
        "and those of its API keys count. DELETE /api/webhooks/{id}/ ends one."
    )
    example = {"maximum": 10}


class DeliveryPending(DomainError):
    code = "delivery_pending"
    status = 409
    title = "The delivery is still in progress"
    detail = "The delivery has another attempt ahead. Send it again once it has ended."
    help = (
        "A delivery that has not ended is attempted anyway, at the time in its next_attempt_at. "
        "Send it again once its state is delivered, failed or dropped."
    )
