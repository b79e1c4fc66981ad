"""What is measured: a class each, named here."""

from .accept import Accept
from .answers import AnsweredCsv, AnsweredJson, AnsweredPage, AnsweredStatistics, AnsweredXlsx
from .base import Measure, Scale, Stand, Target, Turn
from .crowded import Crowded
from .exports import CsvExport, CsvFirstByte, CsvMemory, XlsxExport, XlsxMemory
from .feeds import FeedFirstByte, UnchangedFeed
from .flash_sale import FlashSale
from .flood import SignInFlood
from .lists import AttendeePage, AttendeeSearch, DeepPage, ListPage
from .mails import Mails
from .searches import Search, SlowestSearch
from .signed_in import (
    OwnEvents,
    Profile,
    SignedInCategory,
    SignedInEvent,
    SignedInList,
    SignedInSearch,
)
from .webhooks import HangingReceivers, Webhooks
from .writes import Create, CrowdedEdit, Edit, RegisterSignedIn

MEASURES: tuple[Measure, ...] = (
    ListPage(),
    DeepPage(),
    Search(),
    SlowestSearch(),
    Accept(),
    FlashSale(),
    Crowded(),
    AttendeePage(),
    AttendeeSearch(),
    CsvExport(),
    CsvFirstByte(),
    CsvMemory(),
    XlsxExport(),
    XlsxMemory(),
    AnsweredPage(),
    AnsweredStatistics(),
    AnsweredCsv(),
    AnsweredXlsx(),
    AnsweredJson(),
    SignedInList(),
    SignedInEvent(),
    OwnEvents(),
    Profile(),
    SignedInCategory(),
    SignedInSearch(),
    RegisterSignedIn(),
    Create(),
    Edit(),
    CrowdedEdit(),
    FeedFirstByte(),
    UnchangedFeed(),
    Mails(),
    SignInFlood(),
    Webhooks(),
    HangingReceivers(),
)

__all__ = ["MEASURES", "Measure", "Scale", "Stand", "Target", "Turn"]
