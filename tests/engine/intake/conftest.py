"""Fixtures of the way in; what they are made of is in made_series."""

from tests.engine.intake.made_series import in_process, take  # noqa: F401
