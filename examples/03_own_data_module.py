"""Search on the samples of a LightningDataModule of your own.

On the command line the same is ``python -m ordersearch my_data:Waves``. The loaders are read once; what they give is
kept, and each split is drawn from that and normalised.
"""

import torch
from optuna.storages import InMemoryStorage
from pytorch_lightning import LightningDataModule
from torch.utils.data import DataLoader, TensorDataset

from ordersearch import Search, SearchSpace, load_dataset
from ordersearch.networks import find_network
from ordersearch.study.outputs import verdict
from ordersearch.training.settings import TrainingSettings


class Waves(LightningDataModule):
    """Noisy signals of two channels: the second waves with the first, or behind it."""

    def __init__(self, n: int = 300, n_steps: int = 32) -> None:
        super().__init__()
        self.n, self.n_steps = n, n_steps

    def setup(self, stage: str) -> None:
        """Make the samples of ``fit`` or ``test``; with a generator of one's own they are the same every time."""
        generator = torch.Generator().manual_seed({"fit": 0, "test": 1}[stage])
        y = torch.arange(self.n) % 2
        start = 6 * torch.rand(self.n, 1, generator=generator)
        steps = torch.arange(self.n_steps) / 3 + start
        x = torch.stack([steps.sin(), (steps - 1.5 * y[:, None]).sin()], 1)
        self.samples = TensorDataset(x + 0.7 * torch.randn(x.shape, generator=generator), y)

    def train_dataloader(self) -> DataLoader:
        """What trains and validates; a ``val_dataloader`` would be the validation part of every split."""
        return DataLoader(self.samples, batch_size=50)

    test_dataloader = train_dataloader


def main() -> None:
    dataset = load_dataset("__main__:Waves")
    print(*dataset.describe(), sep="\n")
    search = Search("waves", SearchSpace.load("conv"), dataset, find_network("cnn"), TrainingSettings(max_epochs=4))
    result = search.run(search.open_study(InMemoryStorage()), n_trials=10)
    print(verdict(search, result))


if __name__ == "__main__":
    main()
