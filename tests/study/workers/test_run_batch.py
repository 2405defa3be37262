"""What a trial's exception makes of it."""

import pytest
import torch

from regimens.study.workers.run_batch import is_out_of_memory


def test_memory_that_torch_cannot_get_is_told_from_other_errors() -> None:
    with pytest.raises(RuntimeError) as much:
        torch.empty(10**15)
    with pytest.raises(RuntimeError) as wrong:
        torch.ones(2) @ torch.ones(3)
    assert is_out_of_memory(much.value)
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(torch.OutOfMemoryError())
    assert not is_out_of_memory(wrong.value)
