"""What is measured: a class each, named here."""

from .accept import Accept
from .base import Measure, Scale, Stand, Target, Turn
from .crowded import Crowded
from .exports import CsvExport, CsvFirstByte, CsvMemory, XlsxExport, XlsxMemory
from .flash_sale import FlashSale
from .lists import AttendeePage, DeepPage, ListPage
from .searches import Search, SlowestSearch
from .signed_in import OwnEvents, Profile, SignedInEvent, SignedInList

MEASURES: tuple[Measure, ...] = (
    ListPage(),
    DeepPage(),
    Search(),
    SlowestSearch(),
    Accept(),
    FlashSale(),
    Crowded(),
    AttendeePage(),
    CsvExport(),
    CsvFirstByte(),
    CsvMemory(),
    XlsxExport(),
    XlsxMemory(),
    SignedInList(),
    SignedInEvent(),
    OwnEvents(),
    Profile(),
)

__all__ = ["MEASURES", "Measure", "Scale", "Stand", "Target", "Turn"]
