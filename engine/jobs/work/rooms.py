"""The rooms that a job steps into: settings, store, queue, encoder; each opened once in a worker's life."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from engine.encoders import Encoder, load_encoder
from engine.jobs.queue import Queue
from engine.projects.store import Store
from engine.settings import Settings, load_settings


@cache
def settings() -> Settings:
    return load_settings()


@cache
def store() -> Store:
    return Store(settings().database)


@cache
def queue() -> Queue:
    return Queue(settings().data_dir)


@cache
def encoder() -> Encoder:
    shared = load_encoder(settings().device)
    shared.speed_up()
    return shared


def case_dir(case_id: str) -> Path:
    return settings().cases_dir / case_id
