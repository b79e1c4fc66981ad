"""Who is measured. The order is the order of the turns."""

from .bare import Bare
from .base import Contender
from .product import Product
from .tutorial import Tutorial

CONTENDERS: tuple[type[Contender], ...] = (Tutorial, Bare, Product)

__all__ = ["CONTENDERS", "Contender"]
