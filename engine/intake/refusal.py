"""The one exception of this room: a file is not taken in, and here is the key of the sentence that says why."""

from __future__ import annotations

from typing import Any

from engine.nouns import Note


class Refusal(Exception):
    """Raised by readers. `key` is the part after "refused." in engine/sentences/intake.*.toml; `values` fill it.

    Values must never hold what identifies a patient: they are stored and shown.
    """

    def __init__(self, key: str, **values: Any) -> None:
        super().__init__(key)
        self.note = Note(f"refused.{key}", values)


# What readers of damaged input raise, measured over 20,000 mutated files; anything else is caught at the boundary of
# the child process and refuses the whole file, while these only make one header element count as absent.
DAMAGED = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, NotImplementedError, OSError)
