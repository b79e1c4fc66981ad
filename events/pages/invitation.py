"""The page of an invitation to a team, which its e-mail links to."""

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from accounts.models import User
from accounts.serializers import NewPasswordIn
from config.api.pages import mail_page, read_form, sentences, token_of
from config.errors import FieldError, NotFound, ValidationFailed

from ..links import member_id_of
from ..models import TeamMember
from ..services import team


@mail_page
def invitation(request: HttpRequest) -> HttpResponse:
    """Accept or decline. Without an account, or with an unconfirmed one, it asks for a password."""
    if "done" in request.GET:
        return render(request, "events/invitation_done.html", {"done": request.GET["done"]})
    member, mistakes = _open_member(token_of(request)), list[str]()
    if member is None:
        return render(request, "events/no_invitation.html", status=400)
    has_account = User.objects.owner_of(member.email) is not None
    if request.method == "POST":
        try:
            done = _answer(request, member, has_account=has_account)
        except ValidationFailed as refusal:
            mistakes = sentences(refusal)
        else:
            return HttpResponseRedirect(f"{reverse('invitation')}?done={done}")
    context = {
        "member": member,
        "row": member.row,
        "token": token_of(request),
        "has_account": has_account,
        "mistakes": mistakes,
    }
    return render(request, "events/invitation.html", context, status=400 if mistakes else 200)


def _open_member(token: str) -> TeamMember | None:
    members = TeamMember.objects.select_related("event", "series", "invited_by")
    member_id = member_id_of(token) or 0  # no row has it
    member = members.filter(pk=member_id, state=TeamMember.State.INVITED).first()
    return None if member is None or member.has_expired() else member


def _answer(request: HttpRequest, member: TeamMember, *, has_account: bool) -> str:
    """Raises `ValidationFailed` for a password, and the errors of the services."""
    if member.row.deleted_at is not None:
        raise NotFound
    if "decline" in request.POST:
        team.decline_invitation(member, member.email)
        return "declined"
    password = None if has_account else _password(request)
    team.accept_by_link(member, password=password)
    return "accepted"


def _password(request: HttpRequest) -> str:
    password = request.POST.get("password", "")
    if password != request.POST.get("again"):
        raise ValidationFailed(FieldError("again", "invalid", "The two passwords differ."))
    values = read_form(NewPasswordIn, {"password": password})
    return str(values["password"])
