"""An installation of its own for tests of jobs on tables; what it is made of is in made_home."""

from tests.engine.jobs.made_home import home  # noqa: F401
