"""Omniglot, 5-way one- and five-shot, every method beside the paper and a peer's code: `make bench-models` runs it.

    python -m benchmarks.omniglot                             train what isn't, test, print the table (an hour)
    python -m benchmarks.omniglot table                       print what was tested so far
    python -m benchmarks.omniglot agree                       train ours and each peer's MAML alike, compare weights
    python -m benchmarks.omniglot train maml --seconds 300    a turn of training; call again to go on
    python -m benchmarks.omniglot test maml                   600 episodes at 1 and 5 shots

What is trained lies under --folder (default scratch/omniglot), never in the product. Split: `benchmarks.characters`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from benchmarks import characters
from benchmarks.omniglot_methods import METHODS, QUERIES, SHOTS, WAYS, MAMLMethod, Method
from benchmarks.omniglot_peers import PEERS
from benchmarks.peers import missing, peer
from benchmarks.turns import SEED, Turn

EPISODES = 600
FEWER = {"scratch": 120, "lstm": 200, "platipus": 200, "reptile": 200}  # what takes longest to answer
Z = 1.96  # 95 % of a normal distribution

# Accuracy of the papers at 1 and 5 shots, on their split with nine times the classes and 50 to 250 times the tasks.
PUBLISHED = {
    "maml-together": (98.7, 99.9),
    "first-order": (98.3, 99.2),
    "reptile": (95.39, 98.90),
    "prototypes": (98.8, 99.7),
    "matching": (98.1, 98.9),
}


def make(name: str) -> Method:
    """Ours by its name, or a peer's with the budget of ours that it stands beside."""
    taught = characters.training()
    torch.manual_seed(SEED)
    if name in METHODS:
        return METHODS[name](taught)
    ours, _, theirs = PEERS[name]
    budget = METHODS[ours](taught).budget
    torch.manual_seed(SEED)  # the same first weights
    return theirs(taught, budget)


def turn(name: str, folder: Path) -> Turn:
    """The method with what was trained so far."""
    method = make(name)
    if method.begins_from and not (folder / name / "checkpoint.safetensors").exists():
        first = turn(method.begins_from, folder).method
        method.net.load_state_dict(first.module.state_dict())
        method.begin()
    return Turn(method, folder / name)


def test(name: str, folder: Path) -> None:
    """Writes {"1": [accuracy, half width of the 95 % interval, episodes], "5": ...} on characters never seen."""
    trained, unseen, out = turn(name, folder), characters.testing(), {}
    method = trained.method
    method.ready()
    kinds = {"": method}
    if name.startswith("maml"):  # the same weights, normalised the other way
        other = MAMLMethod(method.characters, method.budget, together=not method.together)
        other.net = other.module = method.net
        kinds["-alone" if method.together else "-together"] = other
    for kind, each in kinds.items():
        for shots in SHOTS:
            rng = np.random.default_rng([SEED, shots])  # every method answers the same episodes
            right = []
            for _ in range(FEWER.get(name, EPISODES)):
                task = unseen.draw(WAYS, shots, QUERIES, rng)
                right.append(float((each.answer(task).argmax(1) == task.query_targets).float().mean()))
            half = Z * float(np.std(right, ddof=1)) / len(right) ** 0.5
            out[f"{shots}{kind}"] = [float(np.mean(right)), half, len(right)]
            print(f"{name}{kind} {shots}-shot {100 * np.mean(right):.1f} +- {100 * half:.1f}", flush=True)
    out["steps"], out["seconds"] = trained.step, trained.seconds
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "test.json").write_text(json.dumps(out))


def table(folder: Path) -> None:
    """What was tested, the papers' figures beside it."""
    print("| method | 1-shot | 5-shot | paper | outer steps | CPU-s | new cases are normalised |")
    print("|---|---|---|---|---|---|---|")
    for name in (*METHODS, *PEERS):
        file = folder / name / "test.json"
        if not file.exists():
            print(f"| {name} | not tested | | | | | |")
            continue
        told = json.loads(file.read_text())
        for kind in ("", "-alone", "-together"):
            if f"1{kind}" not in told:
                continue
            cells = [f"{100 * told[f'{s}{kind}'][0]:.1f} ± {100 * told[f'{s}{kind}'][1]:.1f}" for s in SHOTS]
            paper = " / ".join(str(v) for v in PUBLISHED.get(name, ())) if not kind else ""
            together = kind == "-together" or (name in ("maml-together", "untrained") and not kind)
            how = "with each other" if together else "each alone"
            spent = f"{told['steps']} | {told['seconds']:.0f}"
            print(f"| {name}{kind} | {cells[0]} | {cells[1]} | {paper} | {spent} | {how} |")


def agree(steps: int = 20) -> None:
    """Same gradient, so the same training: ours and theirs after `steps` outer steps from the same weights."""
    for name in ("learn2learn-maml", "torchopt-maml", "learn2learn-anil"):
        if peer(PEERS[name][1]) is None:
            print(missing(PEERS[name][1]))
            continue
        ends = []
        for each in (PEERS[name][0], name):
            method = make(each)
            adam = torch.optim.Adam(method.net.parameters(), method.budget.rate)
            for step in range(steps):
                adam.zero_grad()
                method.gradient(np.random.default_rng([SEED, step]))
                adam.step()
            ends.append(torch.cat([p.detach().flatten() for p in method.net.parameters()]))
        apart = float((ends[0] - ends[1]).norm() / ends[1].norm())
        print(f"{name} and ours: weights differ by {apart:.1e} after {steps} outer steps", flush=True)
    same_answers()


def same_answers(episodes: int = 100) -> None:
    """easyfsl's prototypes answer by distance, ours by its square, as the paper: on one network the same class."""
    if peer("easyfsl") is None:
        print(missing("easyfsl"))
        return
    ours, theirs, alike, asked = make("prototypes"), make("easyfsl-prototypes"), 0, 0
    theirs.body.load_state_dict(ours.body.state_dict())
    ours.ready(), theirs.ready()
    for episode in range(episodes):
        task = characters.testing().draw(WAYS, SHOTS[episode % 2], QUERIES, np.random.default_rng(episode))
        alike += int((ours.answer(task).argmax(1) == theirs.answer(task).argmax(1)).sum())
        asked += len(task.query)
    print(f"easyfsl's prototypes and ours, same weights: the same class in {alike} of {asked} answers")


def everything(folder: Path) -> None:
    for name in (*METHODS, *PEERS):
        if name in PEERS and peer(PEERS[name][1]) is None:
            print(missing(PEERS[name][1]))
            continue
        if not (folder / name / "test.json").exists():
            turn(name, folder).train(float("inf"))
            test(name, folder)
    table(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "do", nargs="?", choices=("everything", "train", "test", "table", "agree"), default="everything"
    )
    parser.add_argument("names", nargs="*")
    parser.add_argument("--folder", type=Path, default=Path("scratch/omniglot"))
    parser.add_argument("--seconds", type=float, default=float("inf"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.do == "everything":
        everything(args.folder)
    elif args.do == "table":
        table(args.folder)
    elif args.do == "agree":
        agree()
    for name in args.names:
        if args.do == "train":
            turn(name, args.folder).train(args.seconds)
        elif args.do == "test":
            test(name, args.folder)


if __name__ == "__main__":
    main()
