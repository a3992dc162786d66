"""The queue and the processes that work it off; what the jobs do stands in `engine.jobs.work`."""

from engine.jobs.queue import INTAKE, LEARN, Cancelled, Job, Queue

__all__ = ["INTAKE", "LEARN", "Cancelled", "Job", "Queue"]
