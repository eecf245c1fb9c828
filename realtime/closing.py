"""What is closed at the end of a `with` block."""

from __future__ import annotations

from abc import abstractmethod
from types import TracebackType
from typing import Protocol, Self


class Closing(Protocol):
    """A thing with a `close`, for `with`; to be inherited from.

    A protocol, so that other protocols can ask for the same of things that do not inherit from it.
    """

    @abstractmethod
    def close(self) -> None:
        """Let go of what is held; safe to call twice."""
        ...

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close, whatever happened."""
        self.close()
