"""Meta-train where MAML starts over cached embeddings: `python -m engine.training.maml ARCHIVE... --out FILE`.

What is learned (`engine.learners.head.Start`): the rate of each inner step, how far the classifier's rows start
towards the class means, and the weighing of the embedding. It starts as plain logistic regression by gradient descent
and is held there: free metrics learned on few sets hurt on new ones (measured, docs/learners.md), so the weighing is
shrunk towards the identity. Tasks are drawn from labelled sets of pictures: 2 to 5 classes, 1 to 15 cases a class.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from engine.episodes import Archive, episodes
from engine.learners import Support, head
from engine.learners.maml import inner_loop
from engine.learners.starts import save_start

SHOTS = (1, 2, 3, 5, 7, 10, 15)
WAYS = (2, 2, 3, 4, 5)  # two classes are what clinicians ask most
QUERIES = 10


@dataclass(frozen=True)
class Plan:
    """How long and how carefully. `gate_pull` weighs the squared distance of the weighing from the identity."""

    inner_steps: int = 10
    iterations: int = 500
    tasks: int = 4
    rate: float = 0.02
    gate_rate: float = 0.003
    gate_pull: float = 1.0
    learn_gate: bool = True
    first_order: bool = False
    anil: bool = True
    seed: int = 0


@dataclass(frozen=True)
class Labelled:
    """One set: embeddings (n, d) and who is what; `archive` carries labels and groups (its pictures aren't read)."""

    embeddings: Tensor
    archive: Archive


@dataclass(frozen=True)
class Task:
    support: Support
    query: Tensor
    targets: Tensor


def draw_task(sets: Sequence[Labelled], weights: np.ndarray, rng: np.random.Generator) -> Task:
    """One episode of a random set; sets with too few cases for the drawn shots are drawn again with fewer."""
    while True:
        one = sets[int(rng.choice(len(sets), p=weights))]
        shots, ways = int(rng.choice(SHOTS)), int(rng.choice(WAYS))
        try:
            (episode,) = episodes(one.archive, ways, shots, QUERIES, 1, int(rng.integers(2**31)))
        except ValueError:
            continue
        support = Support(
            one.embeddings[episode.support],
            torch.from_numpy(episode.support_targets).long(),
            episode.classes,
            tuple(str(i) for i in episode.support),
        )
        return Task(support, one.embeddings[episode.query], torch.from_numpy(episode.query_targets).long())


class Learned(torch.nn.Module):
    """The numbers that meta-training moves; rates as logarithms, so that they stay positive."""

    def __init__(self, dimensions: int, plan: Plan):
        super().__init__()
        plain = torch.full((plan.inner_steps,), 2 * head.PLAIN_RATE).log()
        self.rows = torch.nn.Parameter(plain.clone())
        self.bias = torch.nn.Parameter(plain.clone() - 2)
        self.moves = torch.nn.Parameter(torch.full((plan.inner_steps,), 0.3).log())
        self.pull = torch.nn.Parameter(torch.tensor(1.0))
        self.gate = torch.nn.Parameter(torch.zeros(dimensions), requires_grad=plan.learn_gate)
        self.anil = plan.anil

    def start(self) -> head.Start:
        moves = torch.zeros_like(self.moves) if self.anil else self.moves.exp()
        rates = {"rows": self.rows.exp(), "bias": self.bias.exp(), "gate": moves}
        return head.Start(self.gate, self.pull, rates, meta_trained=True)


def task_loss(start: head.Start, task: Task, steps: int, second_order: bool = True) -> Tensor:
    """Cross-entropy on the query after adapting to the support (Finn et al. 2017, Algorithm 1)."""
    rates = {name: rate for name, rate in start.rates.items() if bool((rate > 0).any())}
    theta, _ = inner_loop(
        lambda parameters: head.support_loss(parameters, task.support),
        head.parameters_for(start, task.support),
        rates,
        steps,
        second_order=second_order,
    )
    return cross_entropy(head.scores(theta, task.query, task.support.embeddings), task.targets)


def meta_train(
    sets: Sequence[Labelled], plan: Plan, report: Callable[[int, float], None] = lambda i, loss: None
) -> head.Start:
    """Adam on the meta-loss. Larger sets are drawn more often, by the root of their size."""
    rng = np.random.default_rng(plan.seed)
    sizes = np.array([len(s.embeddings) for s in sets], float) ** 0.5
    learned = Learned(sets[0].embeddings.shape[1], plan)
    few = [p for n, p in learned.named_parameters() if n != "gate"]
    optimiser = torch.optim.Adam([{"params": few, "lr": plan.rate}, {"params": [learned.gate], "lr": plan.gate_rate}])
    fade = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, plan.iterations)
    for i in range(plan.iterations):
        tasks = [draw_task(sets, sizes / sizes.sum(), rng) for _ in range(plan.tasks)]
        optimiser.zero_grad()
        start, total = learned.start(), 0.0
        for task in tasks:
            # A task of five classes weighs as one of two: the loss in units of knowing nothing.
            loss = task_loss(start, task, plan.inner_steps, not plan.first_order) / np.log(len(task.support.classes))
            (loss / plan.tasks).backward(retain_graph=True)
            total += float(loss.detach()) / plan.tasks
        if plan.learn_gate:
            (plan.gate_pull * learned.gate.square().mean()).backward()
        torch.nn.utils.clip_grad_norm_(learned.parameters(), 1.0)
        optimiser.step()
        fade.step()
        report(i, total)
    start = learned.start()
    return head.Start(
        start.gate.detach(), start.pull.detach(), {n: r.detach() for n, r in start.rates.items()}, meta_trained=True
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Embed the archives with the shipped encoder, meta-train, write the start."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archives", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--iterations", type=int, default=Plan.iterations)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    from engine.commands.evaluate import embed
    from engine.encoders import load_encoder
    from engine.episodes import open_archive

    encoder, sets = load_encoder(), []
    for path in args.archives:
        archive = open_archive(path)
        sets.append(Labelled(embed(encoder, archive.images), archive))
    plan = Plan(iterations=args.iterations, seed=args.seed)
    start = meta_train(sets, plan, lambda i, loss: print(f"{i:5d} {loss:.3f}") if i % 25 == 0 else None)
    save_start(start, args.out, about(encoder.identity, plan, [s.archive.name for s in sets]))


def about(encoder: str, plan: Plan, names: Sequence[str]) -> dict[str, str]:
    """The header of the weights' file."""
    told: Mapping[str, object] = {"encoder": encoder, "sets": ", ".join(names), **vars(plan)}
    return {key: str(value) for key, value in told.items()}


if __name__ == "__main__":
    main()
