"""Train a part of the engine from a config (engine/training/configs); a killed run goes on where it was."""

from __future__ import annotations

import argparse
import sys
import tomllib
from pathlib import Path

import torch

CONFIGS = Path(__file__).resolve().parents[1] / "training" / "configs"


def add_arguments(sub: argparse.ArgumentParser) -> None:
    known = ", ".join(sorted(p.stem for p in CONFIGS.glob("*.toml")))
    sub.add_argument("config", type=Path, help=f"a TOML file, or the name of one that ships: {known}")
    sub.add_argument("--out", type=Path, help="folder for what is made, checkpoints and weights (default scratch/NAME)")
    sub.add_argument("--data", type=Path, help="folder of the picture sets (instead of the config's)")
    sub.add_argument("--steps", type=int, help="train this many steps (instead of the config's)")
    sub.add_argument(
        "--ship",
        action="store_true",
        help="learners, records, record-starts: weights and cards go into assets/weights too",
    )
    sub.add_argument("--workers", type=int, default=1, help="processes, GPUs or machines that share it (needs Ray)")
    sub.add_argument("--threads", type=int, default=1, help="processor threads (default 1)")


def run(args: argparse.Namespace) -> int:
    torch.set_num_threads(args.threads)
    shipped = CONFIGS / f"{args.config.name}.toml"
    path = args.config if args.config.exists() or not shipped.exists() else shipped
    if not path.exists():
        raise FileNotFoundError(f"there is no config {args.config}")
    config = tomllib.loads(path.read_text("utf-8"))
    out = args.out or Path("scratch") / path.stem
    if args.data:
        config.setdefault("data", {})["corpus"] = str(args.data)
    what = config.get("what", "")
    if what == "pooling":
        from engine.training.pooling import train

        if args.steps:
            config["train"]["steps"] = args.steps
        print(train(config, out, _print_progress))
    elif what == "encoder":
        from engine.training.encoder import train as train_encoder

        config["train"]["steps"] = args.steps or config["train"]["steps"]
        print(train_encoder(config, out, _print_progress, args.workers))
    elif what == "proposer":
        from engine.training.proposer import train as train_proposer

        config["folder"] = str(out)
        config["real_folder"] = str(args.data or config["real_folder"])
        config["steps"] = args.steps or config["steps"]
        print(train_proposer(config))
    elif what == "learners":
        from engine.training.learners import ship
        from engine.training.learners import train as train_learners

        files = train_learners(config, out, _print_progress, steps=args.steps)
        print(*(ship(files) if args.ship else files), sep="\n")
    elif what == "records":
        from engine.training.records import ship as ship_records
        from engine.training.records import train as train_records

        files = train_records(config, out, _print_progress, steps=args.steps)
        print(*(ship_records(files) if args.ship else files), sep="\n")
    elif what == "record-starts":
        from engine.training.record_starts import ship as ship_starts
        from engine.training.record_starts import train as train_starts

        files = train_starts(config, out, _print_progress, steps=args.steps)
        print(*(ship_starts(files) if args.ship else files), sep="\n")
    elif what == "molecules":
        from engine.training.molecules import train as train_molecules

        config["train"]["steps"] = args.steps or config["train"]["steps"]
        print(train_molecules(config, out, _print_progress))
    else:
        raise ValueError(
            f'{path.name}: what = "{what}" is not known; '
            "encoder, learners, molecules, pooling, proposer, record-starts and records are"
        )
    return 0


def _print_progress(done: int, total: int, text: str) -> None:
    print(f"{done}/{total} {text}", file=sys.stderr, flush=True)
