from __future__ import annotations

import torch

from ordersearch.training.threads import suited_threads


def test_small_samples_take_one_thread_and_large_ones_what_the_process_has() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with suited_threads((1, 8, 8)):
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 3
        with suited_threads((1, 28, 28)):
            assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
