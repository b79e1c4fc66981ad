"""What is measured: a class each, in a module of its own, named here."""

from .accept import Accept
from .base import Measure, Scale, Stand, Target, Turn
from .crowded import Crowded
from .flash_sale import FlashSale

MEASURES: tuple[Measure, ...] = (Accept(), FlashSale(), Crowded())

__all__ = ["MEASURES", "Measure", "Scale", "Stand", "Target", "Turn"]
