"""The errors of events and series, with what clients read about them."""

from config.errors import DomainError


class OrganizerRoleRequired(DomainError):
    code = "organizer_role_required"
    status = 403
    title = "Only organizers create events"
    detail = "Change the role of your account to organizer: PATCH /api/me/."
    help = "Your account has the role attendee. PATCH /api/me/ with role organizer changes that."


class EventStarted(DomainError):
    code = "event_started"
    status = 409
    title = "The event has started"
    detail = "The event has started; this is no longer possible."
    help = (
        "After the start, registering and cancelling are closed, and the event's times can no "
        "longer be changed."
    )


class EventCancelled(DomainError):
    code = "event_cancelled"
    status = 409
    title = "The event is cancelled"
    detail = "The event was cancelled, which is final."
    help = "A cancelled event stays readable, but accepts no registrations and no edits."


class EventNotPublished(DomainError):
    code = "event_not_published"
    status = 409
    title = "The event is a draft"
    detail = "Publish the event first: POST /api/events/{id}/publish/."
    help = "A draft accepts no registrations and cannot be cancelled. Publish or delete it."


class CapacityBelowRegistered(DomainError):
    code = "capacity_below_registered"
    status = 409
    title = "More people are registered than that"
    detail = "Choose a capacity of at least the number of confirmed registrations."
    help = (
        "The new max_capacity is below the number of confirmed registrations, which is the member "
        "minimum. Cancel registrations first, or choose a higher capacity."
    )
    example = {"minimum": 12}


class RoleTooLow(DomainError):
    code = "role_too_low"
    status = 403
    title = "Your role does not include this"
    detail = "Ask somebody with a role that is in required."
    help = (
        "You have a role on the event or series, but it does not include what you tried. The "
        "member required lists the roles that do. The owner, or a manager, can give you another "
        "one."
    )
    example = {"required": ["owner", "manager", "editor"]}


class AlreadyMember(DomainError):
    code = "already_member"
    status = 409
    title = "Already in the team"
    detail = "The account has a role already. Change it: PATCH …/team/{id}/."
    help = (
        "The owner of the address is the owner or an active member of the team. Change the role of "
        "the member instead of inviting it again."
    )


class InvitationExpired(DomainError):
    code = "invitation_expired"
    status = 409
    title = "The invitation has expired"
    detail = "Ask for another invitation; this one was valid for 14 days."
    help = (
        "An invitation to a team, or a transfer, is valid for 14 days. Whoever sent it can send it "
        "again, which renews it."
    )


class ImageTooLarge(DomainError):
    code = "image_too_large"
    status = 400
    title = "The image has too many pixels"
    detail = "Send an image of at most 40 megapixels, such as 8,000 by 5,000."
    help = (
        "A small file can have more pixels than a server can decode. The member max_pixels is the "
        "limit of width times height. Scale the image down and send it again."
    )
    example = {"max_pixels": 40_000_000}
