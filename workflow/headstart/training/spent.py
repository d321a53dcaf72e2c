"""What an epoch takes."""

from __future__ import annotations

from dataclasses import dataclass

from headstart.common.memory_size import peak


@dataclass
class Spent:
    """Time and memory that an epoch took.

    Attributes:
        computing: Seconds in which the network was trained.
        waiting: Seconds in which it waited for its batch.
        validating: Seconds in which it was measured.
        memory: Peak of the process's memory so far, GB.
        gpu_memory: Peak of the GPU's memory so far, GB; 0 without a GPU.
    """

    computing: float = 0.0
    waiting: float = 0.0
    validating: float = 0.0
    memory: float = 0.0
    gpu_memory: float = 0.0

    @property
    def seconds(self) -> float:
        """All of its time."""
        return self.computing + self.waiting + self.validating

    def measure_memory(self) -> None:
        """Look at the peaks."""
        import torch  # a model card is read without it

        self.memory = peak() / 1e9
        if torch.cuda.is_initialized():
            self.gpu_memory = torch.cuda.max_memory_allocated() / 1e9
