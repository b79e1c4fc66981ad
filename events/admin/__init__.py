from .categories import CategoryAdmin
from .event_forms import EventForm
from .events import EventAdmin
from .series import SeriesAdmin
from .team import TeamMemberAdmin

__all__ = ["CategoryAdmin", "EventAdmin", "EventForm", "SeriesAdmin", "TeamMemberAdmin"]
