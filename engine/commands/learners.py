"""List the ways to learn from a handful: name, paper, one line, what they can learn."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from engine.sentences import LANGUAGES, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", metavar="FILE", help="write JSON there; - for standard output")
    parser.add_argument("--language", choices=LANGUAGES, default="en", help="language of the lines")


def run(args: argparse.Namespace) -> int:
    from engine.learners import learners

    listed = [
        {"name": each.name, "paper": each.paper, "line": say(each.about, args.language), "targets": list(each.targets)}
        for each in learners(kind=None)
    ]
    if args.json == "-":
        json.dump(listed, sys.stdout, ensure_ascii=False, indent=1)
        print()
    elif args.json:
        Path(args.json).write_text(json.dumps(listed, ensure_ascii=False, indent=1), "utf-8")
    else:
        wide = max(len(each["name"]) for each in listed)
        for each in listed:
            print(f"{each['name']:{wide}s}  {each['line']} Learns {' or '.join(each['targets'])}.")
            print(f"{'':{wide}s}  {each['paper']}")
    return 0
