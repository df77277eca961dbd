"""One thread for torch: pictures are few, and threads that wait for each other cost more than they bring."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)
