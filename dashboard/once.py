"""A property that is computed once for each object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class once:
    """`functools.cached_property` without its lock, which until Python 3.12 is one for all objects of a class: thirty
    people's pages waited in line for each other's reads of the store. Here a page belongs to one thread."""

    def __init__(self, compute: Callable[[Any], Any]) -> None:
        self.compute, self.__doc__ = compute, compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        value = instance.__dict__[self.name] = self.compute(instance)
        return value
