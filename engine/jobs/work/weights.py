"""Which weights a run was made with, and a sentence where what is drawn of it now comes from others.

A run keeps what it learned from, not its model: that is made again when its evidence is asked for. Where the weights
that ship have changed in between, the model made again is another one, and a person has to know.
"""

from __future__ import annotations

from engine.encoders import tabular
from engine.jobs.work import rooms
from engine.learners.starts import start_identity
from engine.nouns import Note
from engine.projects.records import Run


def weights_now(method: str, of_rows: bool) -> dict[str, str | None]:
    """{"encoder", "learner"}: what makes embeddings of scans or rows, and what the method starts from (None: plain)."""
    encoder = tabular.identity() if of_rows else rooms.encoder().identity
    return {"encoder": encoder, "learner": start_identity(method, records=of_rows)}


def same_encoder(run: Run) -> bool:
    """Whether embeddings made now belong with those that the run kept."""
    return run.record["hashes"]["encoder"] == weights_now(run.record["learner"], run.record["look"] == "row")["encoder"]


def other_weights(run: Run) -> list[Note]:
    """What there is to say of a run whose model is made again: nothing where all weights are those it had."""
    had, now = run.record["hashes"], weights_now(run.record["learner"], run.record["look"] == "row")
    if had["encoder"] != now["encoder"] or had.get("learner", now["learner"]) != now["learner"]:
        return [Note("work.other_weights")]
    return [Note("work.weights_not_noted")] if "learner" not in had and now["learner"] else []
