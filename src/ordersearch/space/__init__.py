"""Search spaces: which orders a search chooses from, as values that an Optuna trial can be asked for."""

from ordersearch.space.role_space import ListedRole, PermutedRole, RoleSpace
from ordersearch.space.search_space import Reference, SearchSpace, shipped_spaces

__all__ = ["ListedRole", "PermutedRole", "Reference", "RoleSpace", "SearchSpace", "shipped_spaces"]
