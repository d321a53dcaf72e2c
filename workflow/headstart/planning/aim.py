"""What a study is to learn."""

from __future__ import annotations

from dataclasses import dataclass

from headstart.planning.label_columns import Column


@dataclass(frozen=True)
class Aim:
    """What is to be learnt.

    Attributes:
        task: Name of the task.
        target: The label, or one of `IMAGES`.
        column: The label; None for an image.
    """

    task: str
    target: str
    column: Column | None = None

    @property
    def is_number(self) -> bool:
        """Whether it is a label that is a number."""
        return self.column is not None and self.column.number
