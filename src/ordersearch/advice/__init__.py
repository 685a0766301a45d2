"""What is known to go wrong with an order, each with its figure and source, and which well-known orders it equals."""

from ordersearch.advice.advise import advise
from ordersearch.advice.catalogue import WellKnown, well_known
from ordersearch.advice.question import Advice

__all__ = ["Advice", "WellKnown", "advise", "well_known"]
