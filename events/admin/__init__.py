from .events import CategoryAdmin, EventAdmin, EventForm
from .series import SeriesAdmin

__all__ = ["CategoryAdmin", "EventAdmin", "EventForm", "SeriesAdmin"]
