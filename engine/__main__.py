"""`python -m engine COMMAND`: the engine without a page. Each command is a module of `engine.commands`."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys

import engine
from engine import commands


def parser() -> argparse.ArgumentParser:
    """One sub-command per module of `engine.commands`: its docstring is the help, `add_arguments` its options."""
    top = argparse.ArgumentParser(prog="python -m engine", description=engine.__doc__)
    top.add_argument("--version", action="version", version=f"Handful {engine.__version__}")
    subs = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for info in pkgutil.iter_modules(commands.__path__):
        module = importlib.import_module(f"engine.commands.{info.name}")
        lines = (module.__doc__ or info.name).strip().splitlines()
        sub = subs.add_parser(info.name, help=lines[0], description=module.__doc__)
        module.add_arguments(sub)
        sub.set_defaults(run=module.run)
    return top


def main(argv: list[str] | None = None) -> int:
    """Run one command; a mistake in the input ends in one sentence on stderr and exit status 2."""
    args = parser().parse_args(argv)
    try:
        return args.run(args) or 0
    except (ValueError, FileNotFoundError) as error:
        print(f"handful: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
