"""What is known to go wrong with an order, each with its figure and source, and which well-known orders it equals."""

from ordersearch.advice.advise import advise
from ordersearch.advice.catalogue import CATALOGUE, WellKnown, find_reference, well_known
from ordersearch.advice.named_order import NamedOrder
from ordersearch.advice.question import Advice

__all__ = ["CATALOGUE", "Advice", "NamedOrder", "WellKnown", "advise", "find_reference", "well_known"]
