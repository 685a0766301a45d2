"""The lines of code that an objective needs once a space is attached to its study."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from keyword import iskeyword
from urllib.parse import urlsplit

from ordersearch.errors import without_password


@dataclass(frozen=True)
class AttachedCode:
    """A program that goes on with a study, save what its objective trains.

    Attributes:
        study: The study's name.
        location: Of its storage: a URL, a journal's path, or a proxy's address.
        space: What ``SearchSpace.load`` takes.
        roles: Of the blocks.
        prefix: Put before the names of the space's parameters.
        own: The names of the objective's own parameters.
        nuisance: Those of the space's nuisance parameters that are not among them.
        in_groups: Whether trials lack parameters, so that the sampler is to model them in groups.
        n_objectives: Of the study; several are not ranked.
    """

    study: str
    location: str
    space: str
    roles: Sequence[str]
    prefix: str
    own: Sequence[str]
    nuisance: Sequence[str]
    in_groups: bool
    n_objectives: int = 1

    def lines(self) -> Iterator[str]:
        """The program, line by line.

        Example:
            >>> code = AttachedCode("mine", "sqlite:///mine.db", "dense", ["dense"], "", ["lr", "width"], [], False)
            >>> for line in code.lines():
            ...     print(line)
            import optuna
            import torch
            from ordersearch import SearchSpace, build_block
            from ordersearch.attach import begin_run, ranked
            <BLANKLINE>
            SPACE = SearchSpace.load('dense')
            <BLANKLINE>
            <BLANKLINE>
            def objective(trial):
                ...  # first, as before, what is your own: lr, width
                run = begin_run(trial, SPACE)
                torch.manual_seed(run.seed)
                dense = build_block(run.blocks['dense'], 64, 64)  # in your network, 64 inputs to 64 outputs
                ...  # train as before and return the value
            <BLANKLINE>
            <BLANKLINE>
            study = optuna.load_study(study_name='mine', storage='sqlite:///mine.db')
            study.optimize(objective, n_trials=40)
            for order in ranked(study):
                print(order)
        """
        imports, storage = self._storage()
        yield "import optuna"
        yield "import torch"
        yield from imports
        yield "from ordersearch import SearchSpace, build_block"
        yield f"from ordersearch.attach import begin_run{', ranked' * self._is_ranked}"
        yield from ("", f"SPACE = SearchSpace.load({self.space!r})", "", "")
        yield from self._objective()
        yield from ("", "")
        yield f"study = optuna.load_study(study_name={self.study!r}, storage={storage})"
        if self.in_groups:
            yield "study.sampler = optuna.samplers.TPESampler(multivariate=True, group=True)"
        yield "study.optimize(objective, n_trials=40)"
        if self._is_ranked:
            yield "for order in ranked(study):"
            yield "    print(order)"
        else:
            yield "for trial in study.best_trials:"
            yield "    print(trial.values, trial.params)"

    @property
    def _is_ranked(self) -> bool:
        return self.n_objectives == 1

    def _storage(self) -> tuple[list[str], str]:
        """The storage as Optuna opens it: what to import, and the expression."""
        url = repr(without_password(self.location))
        if "://" not in self.location:
            imports = ["from optuna.storages import JournalStorage"]
            imports.append("from optuna.storages.journal import JournalFileBackend")
            return imports, f"JournalStorage(JournalFileBackend({url}))"
        if self.location.startswith("grpc://"):
            at = urlsplit(self.location)
            opened = f"GrpcStorageProxy(host={at.hostname!r}, port={at.port or 13000})"
            return ["from optuna.storages import GrpcStorageProxy"], opened
        return [], url

    def _objective(self) -> Iterator[str]:
        prefix = f", prefix={self.prefix!r}" if self.prefix else ""
        yield "def objective(trial):"
        yield f"    ...  # first, as before, what is your own{': ' if self.own else ''}{', '.join(self.own)}"
        yield f"    run = begin_run(trial, SPACE{prefix})"
        yield "    torch.manual_seed(run.seed)"
        for role in self.roles:
            name = role if role.isidentifier() and not iskeyword(role) else "layer"
            yield f"    {name} = build_block(run.blocks[{role!r}], 64, 64)  # in your network, 64 inputs to 64 outputs"
        given = " and ".join(f"run.nuisance[{name!r}]" for name in self.nuisance)
        value = "value" if self._is_ranked else "values"
        yield f"    ...  # train as before{f', with {given},' * bool(given)} and return the {value}"
