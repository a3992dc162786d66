"""Ten short lessons that run the real learners on small data: `plan` says what each can be asked, `run` answers.

Each lesson is a file with `compute(settings) -> JSON`, a pure function of its settings (the seed among them), so that
what one browser asked need not be computed for the next one. What the page says a lesson shows is held by a test in
tests/engine/lessons. This package imports no torch; the lessons' own files do.
"""
