"""Others' implementations as methods of the Omniglot table: same network, tasks, steps and test, their algorithm.

Only what the library does is theirs: the inner loop (learn2learn, TorchOpt), or features to scores (easyfsl).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, nll_loss

from benchmarks import convnet
from benchmarks.characters import Characters, Task
from benchmarks.omniglot_methods import TASKS, Budget, MAMLMethod, Method, OnNetwork, PrototypeMethod
from benchmarks.peers import peer


def scores_of(net: nn.Module, task: Task) -> Tensor:
    """Of the new cases, normalised by the labelled ones."""
    known = len(task.support)
    convnet.normalise_by(net, known)
    return net(torch.cat([task.support, task.query]))[known:]


class Learn2learnMAML(OnNetwork):
    RATE, TRAIN_STEPS, TEST_STEPS = MAMLMethod.RATE, MAMLMethod.TRAIN_STEPS, MAMLMethod.TEST_STEPS

    def __init__(self, characters: Characters, budget: Budget):
        super().__init__(characters, budget)
        self.theirs = peer("learn2learn").MAML(self.net, lr=self.RATE)

    def adapted(self, task: Task, steps: int, first_order: bool) -> nn.Module:
        copy = self.theirs.clone(first_order=first_order)
        for _ in range(steps):
            convnet.normalise_by(copy, None)
            copy.adapt(cross_entropy(copy(task.support), task.support_targets))
        return copy

    def gradient(self, rng: np.random.Generator) -> float:
        total = 0.0
        for task in self.tasks(rng):
            copy = self.adapted(task, self.TRAIN_STEPS, False)
            loss = cross_entropy(scores_of(copy, task), task.query_targets) / TASKS
            loss.backward()
            total += float(loss.detach())
        return total

    def answer(self, task: Task) -> Tensor:
        return scores_of(self.adapted(task, self.TEST_STEPS, True), task).detach()


class Learn2learnANIL(OnNetwork):
    RATE, STEPS = 0.4, 5

    def __init__(self, characters: Characters, budget: Budget):
        super().__init__(characters, budget)
        self.theirs = peer("learn2learn").MAML(self.net.head, lr=self.RATE)

    def loss(self, rng: np.random.Generator) -> Tensor:
        return torch.stack([cross_entropy(self.answer(task), task.query_targets) for task in self.tasks(rng)]).mean()

    def answer(self, task: Task) -> Tensor:
        known, copy = len(task.support), self.theirs.clone()
        convnet.normalise_by(self.net, known)
        support, query = self.net.body(torch.cat([task.support, task.query])).tensor_split([known])
        for _ in range(self.STEPS):
            copy.adapt(cross_entropy(copy(support), task.support_targets))
        return copy(query)


class TorchOptMAML(OnNetwork):
    def gradient(self, rng: np.random.Generator) -> float:
        total = 0.0
        for task in self.tasks(rng):
            with self.adapted(task, MAMLMethod.TRAIN_STEPS):
                loss = cross_entropy(scores_of(self.net, task), task.query_targets) / TASKS
                loss.backward()
            total += float(loss.detach())
        return total

    def adapted(self, task: Task, steps: int) -> Restored:
        restored = Restored(self.net)
        inner = restored.torchopt.MetaSGD(self.net, lr=MAMLMethod.RATE)
        for _ in range(steps):
            convnet.normalise_by(self.net, None)
            inner.step(cross_entropy(self.net(task.support), task.support_targets))
        return restored

    def answer(self, task: Task) -> Tensor:
        with self.adapted(task, MAMLMethod.TEST_STEPS):
            return scores_of(self.net, task).detach()


class Restored:
    """TorchOpt adapts the module itself: this puts back what was there."""

    def __init__(self, net: nn.Module):
        self.torchopt, self.net = peer("torchopt"), net
        self.before = self.torchopt.extract_state_dict(net)

    def __enter__(self) -> Restored:
        return self

    def __exit__(self, *_: object) -> None:
        self.torchopt.recover_state_dict(self.net, self.before)


class EasyfslPrototypes(PrototypeMethod):
    """Their scores are the negative distance, not squared as in the paper."""

    def __init__(self, characters: Characters, budget: Budget):
        super().__init__(characters, budget)
        self.module = self.theirs = peer("easyfsl").PrototypicalNetworks(nn.Identity())
        self.module.backbone = self.body

    def scores(self, task: Task) -> Tensor:
        self.theirs.process_support_set(task.support, task.support_targets)
        return self.theirs(task.query)


class EasyfslMatching(EasyfslPrototypes):
    """With full context embeddings, always; as many looks as labelled cases."""

    TRAIN_WAYS = 20

    def __init__(self, characters: Characters, budget: Budget):
        PrototypeMethod.__init__(self, characters, budget)
        size = self.body(torch.zeros(2, 1, 28, 28)).shape[1]
        theirs = peer("easyfsl matching").MatchingNetworks
        self.module = self.theirs = theirs(self.body, feature_dimension=size)

    def loss(self, rng: np.random.Generator) -> Tensor:
        task = self.characters.draw(self.TRAIN_WAYS, 1, self.TRAIN_QUERIES, rng)
        return nll_loss(self.scores(task), task.query_targets)


# name: (the method of ours it stands beside, the library, how to make it). Budgets are those of ours.
PEERS: dict[str, tuple[str, str, type[Method]]] = {
    "learn2learn-maml": ("maml", "learn2learn", Learn2learnMAML),
    "torchopt-maml": ("maml", "torchopt", TorchOptMAML),
    "learn2learn-anil": ("anil", "learn2learn", Learn2learnANIL),
    "easyfsl-prototypes": ("prototypes", "easyfsl", EasyfslPrototypes),
    "easyfsl-matching": ("matching-context", "easyfsl matching", EasyfslMatching),
}
