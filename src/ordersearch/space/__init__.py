"""Search spaces: which orders a search chooses from, as values that an Optuna trial can be asked for."""

from ordersearch.space.references import Reference
from ordersearch.space.role_space import ListedRole, PermutedRole, RoleSpace
from ordersearch.space.search_space import SearchSpace
from ordersearch.space.shipped import shipped_spaces

__all__ = ["ListedRole", "PermutedRole", "Reference", "RoleSpace", "SearchSpace", "shipped_spaces"]
