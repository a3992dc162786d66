"""Jobs for the tests of queue and workers: what `engine.jobs.work` is to the product."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

from engine.jobs import Cancelled
from engine.nouns import Note


class Refusing(ValueError):
    note = Note("jobs.no_room")


def add(args, report, cancelled, checkpoint_dir):
    report(1, 2, {"step": 1})
    return {"sum": args["a"] + args["b"]}


def fail(args, report, cancelled, checkpoint_dir):
    raise RuntimeError("the file of ZHANG SAN is broken")


def refuse(args, report, cancelled, checkpoint_dir):
    raise Refusing("never shown")


def wait(args, report, cancelled, checkpoint_dir):
    for step in range(1000):
        report(step, 1000)
        if cancelled():
            raise Cancelled
        time.sleep(0.02)


def deaf(args, report, cancelled, checkpoint_dir):
    time.sleep(600)


def count(args, report, cancelled, checkpoint_dir):
    """Counts to `to`, a step at a time, and remembers each; writes down the attempts it took."""
    state = checkpoint_dir / "state.json"
    done = json.loads(state.read_text()) if state.exists() else []
    for number in range(len(done), args["to"]):
        done.append([number, os.getpid()])
        making = state.with_suffix(".new")
        making.write_text(json.dumps(done))
        making.replace(state)
        report(number + 1, args["to"], {"number": number})
        time.sleep(0.05)
    return done


def die(args, report, cancelled, checkpoint_dir):
    with Path(args["log"]).open("a") as log:
        log.write("x")
    os.kill(os.getpid(), signal.SIGKILL)


KINDS = {each.__name__: each for each in (add, fail, refuse, wait, deaf, count, die)}
