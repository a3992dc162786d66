"""`python -m engine COMMAND`: the engine without a page. Each command is a module of `engine.commands`."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys

import engine
from engine import commands
from engine.nouns import Note
from engine.sentences import say


def parser(only: str | None = None) -> argparse.ArgumentParser:
    """One sub-command per module of `engine.commands`: its docstring is the help, `add_arguments` its options.

    `only`: the one command that was asked for; the others are not imported then, which keeps every start quick.
    """
    top = argparse.ArgumentParser(prog="python -m engine", description=engine.__doc__)
    top.add_argument("--version", action="version", version=f"Handful {engine.__version__}")
    subs = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    names = {info.name for info in pkgutil.iter_modules(commands.__path__)}
    for info in pkgutil.iter_modules(commands.__path__):
        if info.name.startswith("_") or (only in names and info.name != only):  # _x: parts of commands
            continue
        module = importlib.import_module(f"engine.commands.{info.name}")
        lines = (module.__doc__ or info.name).strip().splitlines()
        sub = subs.add_parser(info.name, help=lines[0], description=module.__doc__)
        module.add_arguments(sub)
        sub.set_defaults(run=module.run)
    return top


def main(argv: list[str] | None = None) -> int:
    """Run one command; a mistake in the input ends in one sentence on stderr and exit status 2."""
    argv = sys.argv[1:] if argv is None else argv
    args = parser(only=argv[0] if argv else None).parse_args(argv)
    try:
        return args.run(args) or 0
    except (ValueError, FileNotFoundError) as error:
        note = getattr(error, "note", None)
        text = say(note, getattr(args, "language", "en")) if isinstance(note, Note) else error
        print(f"handful: {text}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
