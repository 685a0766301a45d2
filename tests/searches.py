"""Small real searches that several tests look at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ordersearch.data import Dataset, dataset_from_arrays, load_dataset
from ordersearch.networks import find_network
from ordersearch.space import SearchSpace
from ordersearch.study import Search
from ordersearch.training.settings import TrainingSettings

SMALL_SPACE = """
roles:
  conv:
    order: [weight > activation > pool, weight > pool > activation]
    norm_placement: [none, after_weight]
    weight: [conv]
    norm: [batch_norm]
    activation: [relu]
    pool: [max_pool]
nuisance:
  lr: [0.003, 0.01]
references:
  - name: convention
    source: a test
    conv: conv > batch_norm > relu > max_pool
"""
"""Four orders, two distinct networks, four settings."""


def small_digits(n: int = 120) -> Dataset:
    """The first ``n`` of scikit-learn's digits."""
    digits = load_dataset("digits")
    return dataset_from_arrays(digits.x[:n], digits.y[:n], name="digits", input="image")


def small_space(folder: Path, text: str = SMALL_SPACE) -> SearchSpace:
    """A space that is searched through in a second."""
    path = folder / "small.yaml"
    path.write_text(text)
    return SearchSpace.load(path)


def small_search(space: SearchSpace, **changes: Any) -> Search:
    """A search of two epochs a trial on the first digits."""
    search = Search("small", space, small_digits(), find_network("cnn"), TrainingSettings(max_epochs=2, batch_size=32))
    return replace(search, **changes)
