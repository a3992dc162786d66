"""Fixtures of tables; what they are made of is in made_tables."""

from tests.engine.tables.made_tables import in_process  # noqa: F401
