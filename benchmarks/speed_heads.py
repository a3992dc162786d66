"""Inner loops over small things, all tasks at once, beside learn2learn's one task at a time, at the same gradient.

Two of them: a classifier's rows over cached embeddings (`engine.learners.span`), and a network the size of a record's
or a sinusoid's, with weights of its own for every task (`engine.lessons.waves`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss

from benchmarks.peers import peer
from engine.learners import Support, head, inner_fast, span
from engine.learners.protocol import class_means
from engine.lessons.waves import draw_curves, expand, network, points, squared

TASKS, WAYS, SHOTS, QUERIES, STEPS, DIMENSIONS = 25, 3, 5, 10, 10, 2000
CURVE_SHOTS = 10


def head_tasks(dtype: torch.dtype) -> list[tuple[Support, Tensor, Tensor]]:
    draw = torch.Generator().manual_seed(0)
    out = []
    for _ in range(TASKS):
        centres = torch.randn(WAYS, DIMENSIONS, generator=draw, dtype=dtype)
        y, z = torch.arange(WAYS).repeat_interleave(SHOTS), torch.arange(WAYS).repeat_interleave(QUERIES)
        x = centres[y] + 3 * torch.randn(len(y), DIMENSIONS, generator=draw, dtype=dtype)
        q = centres[z] + 3 * torch.randn(len(z), DIMENSIONS, generator=draw, dtype=dtype)
        out.append((Support(x, y, tuple("abc"), tuple(str(i) for i in range(len(y)))), q, z))
    return out


def head_numbers(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """What is meta-learned in this comparison: how far rows start towards the class means, and one rate."""
    return tuple(torch.tensor(v, dtype=dtype, requires_grad=True) for v in (0.5, 0.8))


def heads_at_once(tasks: list) -> dict[str, Tensor]:
    pull, rate = head_numbers(tasks[0][1].dtype)
    batch = span.batch(tasks)
    rates = {"rows": rate[None], "bias": rate[None]}
    span.query_losses(batch, *span.descend(batch, pull, rates, STEPS)).mean().backward()
    return {"pull": pull.grad, "rate": rate.grad}


def heads_by_learn2learn(tasks: list) -> dict[str, Tensor]:
    pull, rate = head_numbers(tasks[0][1].dtype)
    rest = torch.zeros(DIMENSIONS, dtype=pull.dtype)
    for support, query, asked in tasks:
        x, q = (head.place(rest, new, support.embeddings) for new in (support.embeddings, query))
        means = class_means(x, support.targets, WAYS)
        linear = nn.Linear(DIMENSIONS, WAYS, dtype=pull.dtype)
        nn.init.zeros_(linear.bias)
        with torch.no_grad():
            linear.weight.copy_(pull * means)
        copy = peer("learn2learn").MAML(linear, lr=rate).clone()
        for _ in range(STEPS):
            copy.adapt(cross_entropy(copy(x), support.targets))
        (cross_entropy(copy(q), asked) / len(tasks)).backward()
        by_hand = (linear.weight.grad * means).sum()  # rows start at pull * means
        pull.grad = by_hand if pull.grad is None else pull.grad + by_hand
    return {"pull": pull.grad, "rate": rate.grad}


def curve_tasks(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    x, y = points(draw_curves(TASKS, draw), 2 * CURVE_SHOTS, draw)
    return x.to(dtype), y.to(dtype)


def curves_at_once(tasks: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    x, y = tasks
    start = {n: t.detach().to(x.dtype).requires_grad_() for n, t in network().items()}
    rates = {n: torch.tensor([0.01], dtype=x.dtype) for n in start}
    on_support = squared(x[:, :CURVE_SHOTS], y[:, :CURVE_SHOTS])
    theta = inner_fast.adapt(on_support, expand(start, TASKS), rates, STEPS)
    (squared(x[:, CURVE_SHOTS:], y[:, CURVE_SHOTS:])(theta) / TASKS).backward()
    return {n: t.grad for n, t in start.items()}


def curves_by_learn2learn(tasks: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    x, y = tasks
    start = network()
    layers = []
    for i in range(3):
        linear = nn.Linear(*start[f"w{i}"].shape[1:], dtype=x.dtype)
        with torch.no_grad():
            linear.weight.copy_(start[f"w{i}"][0].T)
            linear.bias.copy_(start[f"b{i}"][0, 0])
        layers += [linear, nn.ReLU()]
    net = nn.Sequential(*layers[:-1])
    theirs = peer("learn2learn").MAML(net, lr=0.01)
    for a, b in zip(x, y, strict=True):
        copy = theirs.clone()
        for _ in range(STEPS):
            copy.adapt(mse_loss(copy(a[:CURVE_SHOTS]), b[:CURVE_SHOTS]))
        (mse_loss(copy(a[CURVE_SHOTS:]), b[CURVE_SHOTS:]) / len(x)).backward()
    found = {}
    for i, linear in enumerate(layers[0:5:2]):
        found[f"w{i}"], found[f"b{i}"] = linear.weight.grad.T[None], linear.bias.grad[None, None]
    return found
