from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ordersearch.data.tensors import TensorSplit
from ordersearch.errors import DataError
from ordersearch.training.augment import Augmentation, require_images
from ordersearch.training.fit import FitResult, fit
from ordersearch.training.settings import TrainingSettings

CPU = torch.device("cpu")


def drawn(
    augment: str, n: int = 40, shape: tuple[int, ...] = (2, 17, 24), seed: int = 0, epoch: int = 0
) -> Augmentation:
    return Augmentation.drawn(augment, n, shape, seed=seed, epoch=epoch, device=CPU)


def images(n: int = 40, shape: tuple[int, ...] = (2, 17, 24)) -> Tensor:
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(1))


def by_hand(x: Tensor, augmentation: Augmentation) -> Tensor:
    """The same with numpy: padded by reflection, cut out, turned."""
    (most_down, most_right), found = (size // 8 for size in x.shape[2:]), []
    for number, image in enumerate(x.numpy()):
        padded = np.pad(image, ((0, 0), (most_down, most_down), (most_right, most_right)), mode="reflect")
        down, right = (0, 0) if augmentation.shifts is None else augmentation.shifts[number].tolist()
        top, left = most_down - down, most_right - right
        cut = padded[:, top : top + x.shape[2], left : left + x.shape[3]]
        turned = augmentation.flips is not None and bool(augmentation.flips[number])
        found.append(cut[:, :, ::-1] if turned else cut)
    return torch.from_numpy(np.stack(found))


@pytest.mark.parametrize("augment", ["flip", "crop", "flip,crop"])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_images_are_cut_out_of_their_reflection_and_turned(augment: str, layout: torch.memory_format) -> None:
    x, augmentation = images().contiguous(memory_format=layout), drawn(augment)
    found = augmentation(x, 0)
    assert torch.equal(found, by_hand(x, augmentation))
    assert found.stride() == x.stride()
    assert not torch.equal(found, x)


def test_a_batch_is_augmented_as_the_epoch_has_it() -> None:
    x, augmentation = images(), drawn("flip,crop")
    parts = [augmentation(x[:7], 0), augmentation(x[7:8], 7), augmentation(x[8:], 8)]
    assert torch.equal(torch.cat(parts), augmentation(x, 0))


def test_draws_are_even_and_bounded() -> None:
    augmentation = drawn("flip,crop", n=5000)
    assert augmentation.flips is not None
    assert augmentation.shifts is not None
    # Binomial(5000, 0.5): standard deviation 35. Five and seven shifts: 1000 and 714 of each, deviations under 30.
    assert abs(int(augmentation.flips.sum()) - 2500) < 180
    for axis, most in ((0, 2), (1, 3)):
        shifts, counts = np.unique(augmentation.shifts[:, axis].numpy(), return_counts=True)
        assert shifts.tolist() == list(range(-most, most + 1))
        assert np.abs(counts - 5000 / (2 * most + 1)).max() < 150


def test_draws_follow_seed_and_epoch_alone() -> None:
    first = drawn("flip,crop").flips
    torch.rand(5)
    assert first is not None
    for augment in ("flip", "flip,crop"):
        assert torch.equal(first, drawn(augment).flips)  # type: ignore[arg-type]
    for other in (drawn("flip", seed=1), drawn("flip", epoch=1)):
        assert other.flips is not None
        assert not torch.equal(first, other.flips)


def test_small_images_are_not_shifted() -> None:
    x = images(shape=(1, 7, 8))
    shifts = drawn("crop", shape=(1, 7, 8)).shifts
    assert shifts is not None
    assert set(shifts[:, 0].tolist()) == {0}
    assert set(shifts[:, 1].tolist()) == {-1, 0, 1}
    assert torch.equal(drawn("crop", shape=(1, 7, 7))(x[..., :7], 0), x[..., :7])


@pytest.mark.parametrize("shape", [(13,), (2, 40), (1, 9, 9, 9)])
def test_only_images_are_augmented(shape: tuple[int, ...]) -> None:
    require_images("", shape)
    require_images("flip", (3, 9, 9))
    with pytest.raises(DataError, match=r"^Got augment='flip', but only images .* a sample here has shape \("):
        require_images("flip", shape)
    with pytest.raises(DataError, match="Leave augment out"):
        trained(nn.Flatten(), "crop", shape=shape)


def trained(first: nn.Module, augment: str, *, shape: tuple[int, ...] = (1, 8, 8), seed: int = 0) -> FitResult:
    x, y = images(shape=shape), torch.arange(40) % 2
    data = TensorSplit(x[:30], y[:30], x[30:], y[30:], x[30:], y[30:], "classification")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(first, nn.Flatten(), nn.Linear(data.x_train[0].numel(), 2))
    settings = TrainingSettings(max_epochs=2, batch_size=16, augment=augment)
    return fit(model, data, settings=settings, learning_rate=1e-2, seed=seed)


class Watch(nn.Module):
    """Keeps what it is given, in training and in evaluation."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[bool, list[Tensor]] = {True: [], False: []}

    def forward(self, x: Tensor) -> Tensor:
        self.seen[self.training].append(x.clone())
        return x


def test_training_images_alone_are_augmented_anew_in_every_epoch() -> None:
    plain, augmented = Watch(), Watch()
    trained(plain, "")
    trained(augmented, "flip,crop")
    assert torch.equal(torch.cat(plain.seen[False]), torch.cat(augmented.seen[False]))
    epochs = [torch.cat(augmented.seen[True][start : start + 2]) for start in (0, 2)]
    order = [torch.cat(plain.seen[True][start : start + 2]) for start in (0, 2)]
    for epoch in (0, 1):
        augmentation = drawn("flip,crop", n=30, shape=(1, 8, 8), epoch=epoch)
        assert torch.equal(epochs[epoch], augmentation(order[epoch], 0))


def test_orders_with_other_noise_see_the_same_images() -> None:
    one, other = Watch(), Watch()
    trained(nn.Sequential(one, nn.Dropout(0.5)), "flip,crop")
    trained(nn.Sequential(nn.Identity(), other), "flip,crop")
    assert torch.equal(torch.cat(one.seen[True]), torch.cat(other.seen[True]))
