"""The verdict in a few sentences, and what it holds for."""

from __future__ import annotations

from collections.abc import Sequence

from ordersearch.identities import cost
from ordersearch.ranking import Comparison, Decision, pairs_needed
from ordersearch.study.confirmation import Confirmation
from ordersearch.study.finalists import AS_WRITTEN, TUNED, Finalist

MANY_PAIRS = 500
LIKELY = 0.1
"""Below this probability of being the best, a lower cost does not recommend an order."""


def cost_of(confirmation: Confirmation, finalist: Finalist) -> float:
    """What a finalist's blocks cost, on the scale of ``identities.cost``."""
    dims = confirmation.search.dataset.dims or 2
    return sum(cost(spec, dims=dims) for spec in finalist.setting.blocks.values())


def better_than_baseline(confirmation: Confirmation, decision: Decision) -> list[Comparison]:
    """The comparisons that show a class to be better than the baseline; the classes that may be the best come first."""
    sign = 1 if confirmation.search.direction == "minimize" else -1
    better = [found for found in decision.comparisons if found.is_believed and sign * found.difference < 0]
    place = {order: n for n, order in enumerate(decision.together)}
    return sorted(better, key=lambda found: (place.get(found.order, len(place)), sign * found.difference, found.order))


def verdict_text(confirmation: Confirmation, decision: Decision, recommended: Finalist | None) -> str:
    """The verdict in a few sentences, which claim no more than the runs show."""
    return " ".join(_Telling(confirmation, decision, recommended).sentences())


class _Telling:
    """Puts a decision into words."""

    def __init__(self, confirmation: Confirmation, decision: Decision, recommended: Finalist | None) -> None:
        self.confirmation, self.decision, self.recommended = confirmation, decision, recommended
        self.metric = confirmation.search.training.metric
        self.baseline = confirmation.baseline
        self.finalists = {finalist.order: finalist for finalist in confirmation.finalists}
        self.compared = {found.order: found for found in decision.comparisons}

    def sentences(self) -> list[str]:
        best = self.decision.best
        failed = self._failed()
        if best is None:
            return [*failed, self._no_best()]
        if self.baseline.order in self.decision.failed:
            told = [f"Of the others, {self._named(best)} has the best {self.metric}, {self._mean(best)}."]
            told += self._possible_best([best])
        elif best == self.baseline.order:
            told = self._baseline_is_best()
        elif better := better_than_baseline(self.confirmation, self.decision):
            told = self._better(better[0], best)
        else:
            told = self._cannot_tell(self.compared[best])
        return [*failed, *told, *self._so_far()]

    def _named(self, order: str) -> str:
        return f"'{self.finalists[order].trained}'"

    def _yours(self) -> str:
        return f"your order '{self.baseline.trained}'"

    def _mean(self, order: str) -> str:
        return f"{self.decision.means[order]:.4g}"

    def _failed(self) -> list[str]:
        failed = [order for order in self.finalists if order in self.decision.failed]
        others = [order for order in failed if order != self.baseline.order]
        told = [f"{self._named(order)} failed to train in some pair and is out." for order in others]
        if self.baseline.order in failed:
            told.append(f"Y{self._yours()[1:]} failed to train in some pair, so nothing can be compared with it.")
        return told

    def _no_best(self) -> str:
        left = [order for order in self.finalists if order not in self.decision.failed]
        if not self.decision.is_final:
            first = min(self.decision.wanted.values())
            return f"Too few pairs for a verdict: the first look is after {first}. The same command goes on."
        if not left:
            return "No order trained in every pair, so there is no verdict."
        return f"Only {self._named(left[0])} is left, so there is nothing to compare it with."

    def _baseline_is_best(self) -> list[str]:
        others = [order for order in self.decision.means if order != self.baseline.order]
        found = self.compared[self._closest(others)]
        if all(self.compared[order].is_believed for order in others):
            whom = "the other" if len(others) == 1 else f"all {len(others)} others"
            shown = f"it was shown to be better than {whom}"
        elif len(self.decision.together) == 1:
            shown = "no other is among the possible best"
        else:
            shown = "nothing was shown to be better"
        if self.decision.is_final:
            first = f"Keep {self._yours()}: {shown}."
        else:
            first = f"So far, {self._yours()} has the best {self.metric}, {self._mean(self.baseline.order)}; {shown}."
        closest = f"The closest, {self._named(found.order)}, differs in {self.metric} by {_interval(found)}"
        return [first, f"{closest} over {found.n_pairs} pairs.", *self._cheaper(), *self._advice(found)]

    def _closest(self, others: Sequence[str]) -> str:
        """The other with the best mean of those that may be the best, else with the smallest difference."""
        together = [order for order in self.decision.together if order in others]
        return together[0] if together else min(others, key=lambda order: abs(self.compared[order].difference))

    def _better(self, found: Comparison, best: str) -> list[str]:
        means = f"{self.metric} {found.means[0]:.4g} against {found.means[1]:.4g}"
        told = [
            f"{self._named(found.order)} is better than {self._yours()}: {means}, difference {_interval(found)} over "
            f"{found.n_pairs} pairs."
        ]
        if found.order != best:
            told.append(
                f"{self._named(best)} has the best mean, {self._mean(best)}, but was not told from your order: the "
                f"difference is {_interval(self.compared[best])}."
            )
        return told + self._possible_best([found.order, best])

    def _cannot_tell(self, found: Comparison) -> list[str]:
        told = (
            f"Cannot tell {self._named(found.order)} from {self._yours()} with {found.n_pairs} pairs: the difference "
            f"in {self.metric} is {_interval(found)}."
        )
        kept = self.decision.is_final and self.recommended is self.baseline
        return [told, *(["So keep yours."] if kept else []), *self._cheaper(), *self._advice(found)]

    def _cheaper(self) -> list[str]:
        """What costs less than the baseline and may be the best, once no more pairs come."""
        decision = self.decision
        own = cost_of(self.confirmation, self.baseline)
        cheaper = [
            finalist
            for finalist in (self.finalists[order] for order in decision.together)
            if decision.probabilities[finalist.order] >= LIKELY and cost_of(self.confirmation, finalist) < own
        ]
        if not decision.is_final or self.recommended is not self.baseline or not cheaper:
            return []
        cheapest = min(cheaper, key=lambda finalist: cost_of(self.confirmation, finalist))
        return [f"'{cheapest.trained}' costs less and could not be told from it."]

    def _possible_best(self, mentioned: Sequence[str]) -> list[str]:
        """Who else may be the best, and what is recommended of them."""
        together, n = self.decision.together, len(self.decision.means)
        told = []
        if len(together) > 1:
            told.append(f"{len(together)} of the {n} orders may be the best.")
        elif n > len({*mentioned, self.baseline.order} & set(self.decision.means)):
            told.append("No other is among the possible best.")
        return told + self._recommendation(mentioned[0])

    def _recommendation(self, lead: str) -> list[str]:
        """What is recommended, where that is not what the text is about and more than one may be the best."""
        decision, recommended = self.decision, self.recommended
        if not decision.is_final or recommended is None or recommended.order == lead or len(decision.together) == 1:
            return []
        found = self.compared.get(recommended.order)
        if found is None or not found.is_believed:
            return [f"'{recommended.trained}' is the cheapest of those with a fair chance."]
        costs = [cost_of(self.confirmation, finalist) for finalist in (recommended, self.finalists[lead])]
        less = ", and costs less" if costs[0] < costs[1] else ""
        return [f"'{recommended.trained}' was shown to be better than yours, too{less}."]

    def _advice(self, found: Comparison) -> list[str]:
        """How many pairs would tell the two apart; nothing while more pairs come, or where they are told apart."""
        confirmation = self.confirmation
        if not self.decision.is_final or found.is_believed or found.order not in self.decision.together:
            return []
        if confirmation.anytime:
            return [f"More pairs may tell: --confirm {2 * confirmation.max_pairs} goes on with this test."]
        needed = pairs_needed(found, n_comparisons=len(confirmation.finalists) - 1)
        if needed > MANY_PAIRS:
            return [f"If that is the true difference, more than {MANY_PAIRS} pairs would be needed to tell."]
        n = max(int(needed), confirmation.max_pairs + 1)
        return [
            f"If that is the true difference, about {n} pairs would tell; ask for them with --confirm {n}: a new test, "
            "on fresh pairs."
        ]

    def _so_far(self) -> list[str]:
        if self.decision.is_final:
            return []
        most = self.confirmation.rule.looks[-1]
        return [f"That is after {self.decision.n_pairs} of at most {most} pairs; the same command goes on."]


def _interval(found: Comparison) -> str:
    return f"{found.difference:+.3g} (95 % interval {found.low:+.3g} to {found.high:+.3g})"


def scope_text(confirmation: Confirmation) -> str:
    """What the verdict holds for."""
    search, baseline = confirmation.search, confirmation.baseline
    training, dataset = search.training, search.dataset
    drawn = "retraining" if dataset.has_own_validation else "retraining and resplitting"
    fixed = " (its validation part is fixed)" if dataset.has_own_validation else ""
    has_batches = baseline.setting.batch_size is not None
    batches = "" if has_batches else f", batches of {training.batch_size}"
    rates = "learning rate, batch size and dropout rate" if has_batches else "learning rate and dropout rate"
    whose = "Each order" if baseline.rates not in (TUNED, AS_WRITTEN) else "Each other order"
    return (
        f"{dataset.name}, over {drawn}{fixed}; network {search.network.name}, {training.max_epochs} epochs{batches}. "
        f"{whose} at the {rates} that were best in the search;{_written(baseline)} all else is held fixed."
    )


def _written(baseline: Finalist) -> str:
    """How a baseline that the search did not train got its rates."""
    setting = baseline.setting
    what = f"a learning rate of {setting.learning_rate:g}"
    what += "" if setting.batch_size is None else f" and batches of {setting.batch_size}"
    if baseline.rates == TUNED:
        return f" yours as written, at {what}, the best of one run each;"
    return f" yours as written, at {what}, not tuned;" if baseline.rates == AS_WRITTEN else ""
