"""start the dashboard: the page server and two workers under one supervisor

Loopback by default; another address needs a password, set once with --set-password or HANDFUL_PASSWORD_HASH.
"""

from __future__ import annotations

import argparse
import dataclasses
import getpass
import os
import sys

from engine.nouns import Note
from engine.sentences import say
from engine.settings import Settings, load_settings

MIN_PASSWORD = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options stand above HANDFUL_* settings."""
    parser.add_argument("--address", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (default 8501)")
    parser.add_argument("--set-password", action="store_true", help="ask for a password, keep its Argon2 hash, and end")


def run(args: argparse.Namespace) -> int:
    """Serves until it is stopped; what keeps it from starting is one sentence and exit status 2."""
    settings = load_settings()
    given = {name: value for name in ("address", "port") if (value := getattr(args, name)) is not None}
    settings = dataclasses.replace(settings, **given)
    return set_password(settings) if args.set_password else serve(settings)


def serve(settings: Settings) -> int:
    """Checks, starts, and watches until SIGTERM or Ctrl+C."""
    from engine.jobs.demo_start import start_demo
    from engine.jobs.housekeeping import tidy
    from engine.jobs.queue import Queue
    from engine.jobs.supervisor import LOOPBACK, Supervisor, check_start, start_logs
    from engine.projects import Store

    language = "zh" if os.environ.get("LC_ALL", os.environ.get("LANG", "")).lower().startswith("zh") else "en"
    has_password = bool(settings.password_hash)
    if not has_password and settings.database.exists():
        has_password = bool(Store(settings.database).get_setting("password_hash"))
    lock = check_start(settings, has_password)
    store = Store(settings.database)  # checks the file and brings it to this version before anything else opens it
    queue = Queue(settings.data_dir)
    start_logs(settings)
    tidy(settings, store, queue)
    start_demo(store, queue, settings)

    def ready() -> None:
        shown = "localhost" if settings.address in ("0.0.0.0", "::") else settings.address
        print(say(Note("serve.ready", {"address": f"http://{shown}:{settings.port}"}), language), flush=True)
        if settings.address not in LOOPBACK and not settings.allowed_hosts:
            print(say(Note("serve.hosts"), language), flush=True)
        print(say(Note("serve.stop"), language), flush=True)

    try:
        return Supervisor(settings).run(ready, lambda: tidy(settings, store, queue))
    finally:
        lock.close()


def set_password(settings: Settings) -> int:
    """Asks twice (or reads one line where there is no terminal), keeps the hash, signs everybody out."""
    from argon2 import PasswordHasher

    from engine.projects import Store

    if sys.stdin.isatty():
        first, second = getpass.getpass("Password: "), getpass.getpass("Once more: ")
    else:
        first = second = sys.stdin.readline().rstrip("\n")
    if first != second:
        raise ValueError("The two passwords differ. Nothing was changed.")
    if len(first) < MIN_PASSWORD:
        raise ValueError(f"A password needs at least {MIN_PASSWORD} characters. Nothing was changed.")
    store = Store(settings.database)
    store.set_setting("password_hash", PasswordHasher().hash(first))
    store.close_all_sessions()
    store.log("password.set")
    print("The password is set. Everybody has to sign in.")
    return 0
