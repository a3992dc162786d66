"""check the audit log: every row carries the hash of the one before, so a change breaks the chain

Prints the newest hash. Noted elsewhere and given to --expect later, it also shows a log that was written anew.
"""

from __future__ import annotations

import argparse
import json

from engine.settings import load_settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the log is and what it must contain."""
    parser.add_argument("--expect", metavar="HASH", help="a newest hash noted earlier, which must still be in the log")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Exit status 0 for a whole chain, 1 for a broken one."""
    from engine.projects import Store

    settings = load_settings()
    if not settings.database.exists():
        raise FileNotFoundError(f"There is no database in {settings.data_dir}. Nothing was checked.")
    verdict = Store(settings.database).verify_audit(args.expect)
    if args.json:
        print(
            json.dumps(
                {"rows": verdict.rows, "newest_hash": verdict.newest_hash, "broken_at": verdict.broken_at,
                 "expected_found": verdict.expected_found, "whole": verdict.whole}
            )
        )  # fmt: skip
    elif verdict.broken_at is not None:
        print(f"The log was changed: row {verdict.broken_at} does not follow from the row before. {verdict.rows} rows.")
    elif not verdict.expected_found:
        print(f"The log was written anew: the hash given is not in it. {verdict.rows} rows.")
    else:
        print(f"The log is whole: {verdict.rows} rows. Newest hash: {verdict.newest_hash}")
    return 0 if verdict.whole else 1
