"""An expression that is added to the driver's own: it comes and goes without a jump."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_EASE = 0.2
"""Seconds in which a face makes an expression: slower looks lazy, faster like a cut."""

_NONE: Mapping[str, float] = MappingProxyType({})


class Expression:
    """Values of the backend's editor, eased over time.

    `want` may be called by any thread; `step` is called by the one that follows the driver.
    """

    def __init__(self) -> None:
        """Nothing is added."""
        self._wanted = self._target = self._from = self._last = _NONE
        self._since: float | None = None

    @property
    def wanted(self) -> Mapping[str, float]:
        """The values that are wanted now; empty: none."""
        return self._wanted

    @property
    def moving(self) -> bool:
        """Whether the next step may give other values than the last one."""
        return self._since is not None or self._wanted is not self._target

    def want(self, values: Mapping[str, float] | None) -> None:
        """Ease to these values, from where the face is.

        Args:
            values: of the editor's sliders by their names; None: to the driver's own expression.
        """
        self._wanted = MappingProxyType(dict(values)) if values else _NONE

    def step(self, seconds: float) -> Mapping[str, float]:
        """The values now; empty where nothing is added.

        Args:
            seconds: when, on the steady clock.
        """
        wanted = self._wanted
        if wanted is not self._target:
            self._target, self._from, self._since = wanted, self._last, seconds
        if self._since is None:
            return self._last
        share = min(max((seconds - self._since) / _EASE, 0.0), 1.0)
        if share >= 1:
            self._since, self._last = None, self._target
            return self._last
        share *= share * (3 - 2 * share)
        names = {*self._from, *self._target}
        start, end = self._from, self._target
        self._last = {
            name: start.get(name, 0.0) + share * (end.get(name, 0.0) - start.get(name, 0.0))
            for name in names
        }
        return self._last
