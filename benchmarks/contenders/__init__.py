"""Who is measured. The order is the order of the turns."""

from .bare import Bare
from .base import Contender
from .fastapi import FastApi, FastApiLean
from .product import Product, Small
from .tutorial import Tutorial

CONTENDERS: tuple[type[Contender], ...] = (Tutorial, FastApi, FastApiLean, Bare, Small, Product)

__all__ = ["CONTENDERS", "Contender", "Small"]
