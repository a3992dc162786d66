"""One meta-step of a convolution net, ours and others': same tasks, same weights, the same gradient.

28 pixels, four convolutions with max-pooling (as the papers' mini-ImageNet network), 5-way 5-shot, 15 queries a class,
4 tasks, five inner steps of 0.01. `Setting` holds one such step; each function below is one contestant and returns the
gradient it found, by name.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks.peers import peer
from engine.learners import inner_fast
from engine.learners.descent import module_loss

WAYS, SHOTS, QUERIES, TASKS, STEPS, RATE = 5, 5, 15, 4, 5, 0.01
Gradient = dict[str, Tensor]


class Batched(nn.Module):
    """Normalised by the batch at hand, without memory."""

    def __init__(self, channels: int):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.batch_norm(x, None, None, self.weight, self.bias, training=True)


def pooling_net(filters: int) -> nn.Sequential:
    """(n, 1, 28, 28) -> (n, ways): body, then one linear layer."""
    body: list[nn.Module] = []
    for i in range(4):
        body += [nn.Conv2d(filters if i else 1, filters, 3, padding=1, bias=False), Batched(filters), nn.ReLU()]
        body.append(nn.MaxPool2d(2))
    return nn.Sequential(nn.Sequential(*body, nn.Flatten()), nn.Linear(filters, WAYS))


@dataclass(frozen=True)
class Setting:
    net: nn.Sequential
    tasks: list[tuple[Tensor, Tensor, Tensor, Tensor]]  # support, targets, query, targets

    @property
    def gradient(self) -> Gradient:
        """Taken out of the net, which is left without any."""
        out = {name: p.grad.clone() for name, p in self.net.named_parameters()}
        self.net.zero_grad()
        return out

    def pairs(self) -> list:
        return [
            (module_loss(self.net, x, y, cross_entropy), module_loss(self.net, q, z, cross_entropy))
            for x, y, q, z in self.tasks
        ]


def setting(filters: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Setting:
    torch.manual_seed(seed)
    net = pooling_net(filters).to(dtype)
    x, q = torch.arange(WAYS).repeat_interleave(SHOTS), torch.arange(WAYS).repeat_interleave(QUERIES)
    look = torch.randn(TASKS, WAYS, 1, 28, 28, dtype=dtype)  # each class has a look of its own, and noise
    tasks = [
        (
            one[x] + torch.randn(len(x), 1, 28, 28, dtype=dtype),
            x,
            one[q] + torch.randn(len(q), 1, 28, 28, dtype=dtype),
            q,
        )
        for one in look
    ]
    return Setting(net, tasks)


def start_and_rates(at: Setting) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """The network's parameters by name, and one rate for each."""
    start = dict(at.net.named_parameters())
    return start, {name: torch.full((1,), RATE, dtype=p.dtype) for name, p in start.items()}


def ours(at: Setting) -> Gradient:
    start, rates = start_and_rates(at)
    inner_fast.meta_gradient(at.pairs(), start, rates, STEPS)
    return at.gradient


def ours_in_bf16(at: Setting) -> Gradient:
    with torch.autocast("cpu", torch.bfloat16):
        return ours(at)


def ours_first_order(at: Setting) -> Gradient:
    start, rates = start_and_rates(at)
    inner_fast.first_order_(at.pairs(), start, rates, STEPS)
    return at.gradient


def ours_anil(at: Setting) -> Gradient:
    """The body once for support and query, together or apart as MAML would: apart, so that the gradient is the same."""
    body, last = at.net
    for x, y, q, z in at.tasks:
        rates = {name: torch.full((1,), RATE, dtype=x.dtype) for name in ("weight", "bias")}
        scores = inner_fast.head_only(last, body(x), y, body(q), rates, STEPS, cross_entropy)
        (cross_entropy(scores, z) / TASKS).backward()
    return at.gradient


def learn2learn(at: Setting, first_order: bool = False) -> Gradient:
    theirs = peer("learn2learn").MAML(at.net, lr=RATE, first_order=first_order)
    for x, y, q, z in at.tasks:
        copy = theirs.clone()
        for _ in range(STEPS):
            copy.adapt(cross_entropy(copy(x), y))
        (cross_entropy(copy(q), z) / TASKS).backward()
    return at.gradient


def learn2learn_anil(at: Setting) -> Gradient:
    """As their example: features once, their MAML on the last layer."""
    body, last = at.net
    theirs = peer("learn2learn").MAML(last, lr=RATE)
    for x, y, q, z in at.tasks:
        copy, features = theirs.clone(), body(x)
        for _ in range(STEPS):
            copy.adapt(cross_entropy(copy(features), y))
        (cross_entropy(copy(body(q)), z) / TASKS).backward()
    return at.gradient


def higher(at: Setting) -> Gradient:
    optimiser = torch.optim.SGD(at.net.parameters(), lr=RATE)
    for x, y, q, z in at.tasks:
        with peer("higher").innerloop_ctx(at.net, optimiser, copy_initial_weights=False) as (copy, steps):
            for _ in range(STEPS):
                steps.step(cross_entropy(copy(x), y))
            (cross_entropy(copy(q), z) / TASKS).backward()
    return at.gradient


def torchopt(at: Setting) -> Gradient:
    library = peer("torchopt")
    before = library.extract_state_dict(at.net)
    for x, y, q, z in at.tasks:
        inner = library.MetaSGD(at.net, lr=RATE)
        for _ in range(STEPS):
            inner.step(cross_entropy(at.net(x), y))
        (cross_entropy(at.net(q), z) / TASKS).backward()
        library.recover_state_dict(at.net, before)
    return at.gradient


def apart(one: Gradient, other: Gradient) -> float:
    """Relative error of one gradient: |a - b| / |b|, over all numbers."""
    squared = sum(float((one[n] - other[n]).double().square().sum()) for n in other)
    return (squared / sum(float(other[n].double().square().sum()) for n in other)) ** 0.5
