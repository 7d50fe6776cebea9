"""Models in memory that several pipelines draw with, for as long as one of them does."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import WeakSet

M = TypeVar("M")


class SharedModels(Generic[M]):
    """What is loaded once for all its users, and let go of when the last of them leaves.

    A user that is gone, without having left, is none any more.

    Attributes:
        loaded: what is in memory, None if nobody uses it.
    """

    def __init__(self) -> None:
        self.loaded: M | None = None
        self._users: WeakSet[object] = WeakSet()

    def of(self, user: object) -> M | None:
        """Return what is loaded, None if this is none of its users."""
        return self.loaded if user in self._users else None

    def use(self, user: object, load: Callable[[], M]) -> M:
        """Return what is loaded, now or earlier, for one more user."""
        if self.loaded is None:
            self.loaded = load()
        self._users.add(user)
        return self.loaded

    def leave(self, user: object) -> None:
        """Let go of what is loaded, unless others use it."""
        self._users.discard(user)
        if not self._users:
            self.loaded = None
        gc.collect()
