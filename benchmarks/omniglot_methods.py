"""The methods of the Omniglot table: how each is trained for an outer step, and how it answers an episode.

The algorithms are the ones of `engine/learners` (the same functions that run in the product), here on a convolution
net. A method has `module` (what is trained), `gradient(rng)` (one outer step: leaves the gradient in the module) and
`answer(task)` (scores of the query, (m, ways)). Training tasks of gradient methods are half one-shot, half five-shot:
one set of weights serves both columns of the table. Others' code: `benchmarks.omniglot_peers`.

Normalisation: new cases by the statistics of the labelled ones, in training and at test, so that each is judged
alone; `together` is the papers' way (transductive), for comparison.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from benchmarks import convnet
from benchmarks.characters import Characters, Task
from engine.learners import inner_fast, lstm_meta, matching, platipus, reptile
from engine.learners.adam import AdamState
from engine.learners.descent import Loss, Parameters, leaves
from engine.learners.maml import inner_loop
from engine.learners.protocol import class_means
from engine.learners.protonet import squared_distances

WAYS, SHOTS, QUERIES, TASKS = 5, (1, 5), 3, 4


@dataclass(frozen=True)
class Budget:
    """How long a method trains: outer steps, and Adam's rate (cosine to zero) or, for Reptile, its first epsilon."""

    steps: int
    rate: float = 1e-3


class Method:
    module: nn.Module
    budget: Budget
    begins_from: str | None = None  # the method whose trained network it starts from
    plain_steps = False  # the outer step is the gradient times a rate (Reptile), not Adam's

    def __init__(self, characters: Characters, budget: Budget):
        self.characters, self.budget = characters, budget

    def loss(self, rng: np.random.Generator) -> Tensor:
        """Of one outer step."""
        raise NotImplementedError

    def gradient(self, rng: np.random.Generator) -> float:
        """Adds the gradient of one outer step to `module`'s parameters, returns the loss."""
        loss = self.loss(rng)
        loss.backward()
        return float(loss.detach())

    def answer(self, task: Task) -> Tensor:
        raise NotImplementedError

    def ready(self) -> None:
        """Called once before answering: the module holds what was trained."""
        self.module.eval()

    def tasks(self, rng: np.random.Generator) -> list[Task]:
        """As many one-shot as five-shot tasks."""
        return [self.characters.draw(WAYS, SHOTS[i % len(SHOTS)], QUERIES, rng) for i in range(TASKS)]


class OnNetwork(Method):
    """What adapts the whole network: losses of its parameters. `together`: new cases are normalised with each other."""

    def __init__(self, characters: Characters, budget: Budget, together: bool = False, filters: int = convnet.FILTERS):
        super().__init__(characters, budget)
        self.together, self.net = together, convnet.Classifier(WAYS, filters=filters)
        self.module = self.net

    def on_support(self, task: Task) -> Loss:
        def loss(parameters: Parameters) -> Tensor:
            convnet.normalise_by(self.net, None)
            return cross_entropy(functional_call(self.net, parameters, (task.support,)), task.support_targets)

        return loss

    def on_query(self, task: Task) -> Loss:
        return lambda parameters: cross_entropy(self.scores(parameters, task), task.query_targets)

    def scores(self, parameters: Parameters, task: Task) -> Tensor:
        if self.together:
            convnet.normalise_by(self.net, None)
            return functional_call(self.net, parameters, (task.query,))
        known = len(task.support)
        convnet.normalise_by(self.net, known)
        return functional_call(self.net, parameters, (torch.cat([task.support, task.query]),))[known:]


class MAMLMethod(OnNetwork):
    """Finn et al. 2017: inner rate 0.4, one step in training and three at test, as in their Omniglot 5-way."""

    RATE, TRAIN_STEPS, TEST_STEPS = 0.4, 1, 3

    def __init__(self, characters: Characters, budget: Budget, together: bool = False, second_order: bool = True):
        super().__init__(characters, budget, together)
        self.step = inner_fast.meta_gradient if second_order else inner_fast.first_order_
        self.rates = {name: torch.tensor([self.RATE]) for name, _ in self.net.named_parameters()}

    def gradient(self, rng: np.random.Generator) -> float:
        pairs = [(self.on_support(task), self.on_query(task)) for task in self.tasks(rng)]
        return self.step(pairs, dict(self.net.named_parameters()), self.rates, self.TRAIN_STEPS)

    def answer(self, task: Task) -> Tensor:
        start = leaves(dict(self.net.named_parameters()))
        theta, _ = inner_loop(self.on_support(task), start, self.rates, self.TEST_STEPS, second_order=False)
        with torch.no_grad():
            return self.scores(theta, task)


class ANILMethod(OnNetwork):
    """Raghu et al. 2020: only the last layer adapts, so the body runs once a picture."""

    RATE, STEPS = 0.4, 5

    def loss(self, rng: np.random.Generator) -> Tensor:
        return torch.stack([cross_entropy(self.answer(task), task.query_targets) for task in self.tasks(rng)]).mean()

    def answer(self, task: Task) -> Tensor:
        known = len(task.support)
        convnet.normalise_by(self.net, known)
        support, query = self.net.body(torch.cat([task.support, task.query])).tensor_split([known])
        rates = {name: torch.tensor([self.RATE]) for name in ("weight", "bias")}
        targets = task.support_targets
        return inner_fast.head_only(self.net.head, support, targets, query, rates, self.STEPS, cross_entropy)


class ReptileMethod(OnNetwork):
    """Nichol et al. 2018: Adam without momentum on small batches of 10 pictures a class, plain outer steps."""

    plain_steps = True
    RATE, TRAIN_STEPS, BATCH, TRAIN_SHOTS, TEST_STEPS, TASKS = 2e-3, 8, 10, 10, 10, 3

    def __init__(self, characters: Characters, budget: Budget, together: bool = False):
        super().__init__(characters, budget, together)
        self.module = nn.Module()  # with the optimiser's memory, which goes on from task to task
        self.module.net = self.net
        self.module.register_buffer("count", torch.zeros(()))
        for name, parameter in self.net.named_parameters():
            self.module.register_buffer(name.replace(".", "_"), torch.zeros_like(parameter))

    @property
    def state(self) -> AdamState:
        second = {n: getattr(self.module, n.replace(".", "_")) for n, _ in self.net.named_parameters()}
        return AdamState({}, second if self.module.count else {}, int(self.module.count))

    def gradient(self, rng: np.random.Generator) -> float:
        state, ends = self.state, []
        start = dict(self.net.named_parameters())
        for _ in range(self.TASKS):
            task = self.characters.draw(WAYS, self.TRAIN_SHOTS, QUERIES, rng)
            end, state = reptile.inner(self.batches(task, rng), start, self.RATE, self.TRAIN_STEPS, state)
            ends.append(end)
        self.module.count.fill_(state.count)
        for name, second in state.second.items():
            getattr(self.module, name.replace(".", "_")).copy_(second)
        reptile.towards(start, ends).backward()
        with torch.no_grad():
            return float(self.on_query(task)(ends[-1]))

    def batches(self, task: Task, rng: np.random.Generator) -> list[Loss]:
        """Mini-batches of the task's labelled pictures, shuffled again at each round."""
        out: list[Loss] = []
        while len(out) <= self.TRAIN_STEPS:
            for rows in torch.from_numpy(rng.permutation(len(task.support))).split(self.BATCH):
                part = Task(task.support[rows], task.support_targets[rows], task.query, task.query_targets)
                out.append(self.on_support(part))
        return out

    def answer(self, task: Task) -> Tensor:
        start = dict(self.net.named_parameters())
        theta, _ = reptile.inner(self.on_support(task), start, self.RATE, self.TEST_STEPS, self.state)
        with torch.no_grad():
            return self.scores(theta, task)


class LSTMMethod(OnNetwork):
    """Ravi & Larochelle 2017: the rule and the start are learned; 32 filters, as their mini-ImageNet network."""

    RATE, STEPS = 0.1, 5

    def __init__(self, characters: Characters, budget: Budget):
        super().__init__(characters, budget, filters=32)
        self.module = nn.ModuleDict({"net": self.net, "rule": lstm_meta.MetaLSTM(rate=self.RATE)})

    def loss(self, rng: np.random.Generator) -> Tensor:
        return torch.stack([self.on_query(task)(self.adapted(task)) for task in self.tasks(rng)]).mean()

    def adapted(self, task: Task) -> Parameters:
        start = dict(self.net.named_parameters())
        return lstm_meta.unroll(self.on_support(task), start, self.module["rule"], self.STEPS)

    def answer(self, task: Task) -> Tensor:
        with torch.no_grad():
            return self.scores(self.adapted(task), task)


class PlatipusMethod(OnNetwork):
    """Finn, Xu & Levine 2018, from the start that MAML found (its own many steps would cost four times MAML's).

    MAML's rate and steps; `SAMPLES` models drawn at test. KL, summed over 114,000 weights, is weighed down.
    """

    begins_from = "maml"
    KL, SAMPLES, SIGMA = 1e-4, 4, 0.01

    def __init__(self, characters: Characters, budget: Budget):
        super().__init__(characters, budget)
        self.steps = MAMLMethod.TRAIN_STEPS
        self.begin()

    def begin(self) -> None:
        """A narrow distribution round what the network holds now."""
        self.own = platipus.begin(dict(self.net.named_parameters()), MAMLMethod.RATE, sigma=self.SIGMA)
        # Named so that a checkpoint finds them again; the network's own parameters are only a shape from here on.
        self.module = nn.ParameterList([nn.Parameter(tensor) for tensor in self.own.tensors])
        self.own = self.rebuilt()

    def rebuilt(self) -> platipus.Distribution:
        """The distribution made of the module's parameters, in the order of `Distribution.tensors`."""
        names, left = list(self.own.mean), iter(self.module)
        parts = [{name: next(left) for name in names} for _ in range(6)]
        return platipus.Distribution(*parts)

    def noise(self, rng: np.random.Generator) -> Parameters:
        draw = torch.Generator().manual_seed(int(rng.integers(2**31)))
        return {n: torch.randn(t.shape, generator=draw) for n, t in self.own.mean.items()}

    def gradient(self, rng: np.random.Generator) -> float:
        total = 0.0
        for task in self.tasks(rng):
            pair = self.on_support(task), self.on_query(task)
            loss = platipus.objective(self.own, *pair, self.noise(rng), self.steps, self.KL) / TASKS
            loss.backward()
            total += float(loss.detach())
        return total

    def answer(self, task: Task) -> Tensor:
        rng, answers = np.random.default_rng(len(task.support)), []
        for _ in range(self.SAMPLES):
            theta, _ = platipus.sample(self.own, self.on_support(task), self.noise(rng), MAMLMethod.TEST_STEPS)
            with torch.no_grad():
                answers.append(self.scores(theta, task).softmax(1))
        return torch.stack(answers).mean(0).log()


class PrototypeMethod(Method):
    """Snell et al. 2017: trained on 60-way one-shot tasks with 5 queries. Running statistics at test, as theirs."""

    TRAIN_WAYS, TRAIN_QUERIES = 60, 5

    def __init__(self, characters: Characters, budget: Budget):
        super().__init__(characters, budget)
        self.module = self.body = convnet.Body("running")

    def loss(self, rng: np.random.Generator) -> Tensor:
        task = self.characters.draw(self.TRAIN_WAYS, 1, self.TRAIN_QUERIES, rng)
        return cross_entropy(self.scores(task), task.query_targets)

    def features(self, task: Task) -> tuple[Tensor, Tensor]:
        return self.body(torch.cat([task.support, task.query])).tensor_split([len(task.support)])

    def scores(self, task: Task) -> Tensor:
        support, query = self.features(task)
        prototypes = class_means(support, task.support_targets, int(task.support_targets.max()) + 1)
        return -squared_distances(query, prototypes)

    def answer(self, task: Task) -> Tensor:
        with torch.no_grad():
            return self.scores(task)


class MatchingMethod(PrototypeMethod):
    """Vinyals et al. 2016, on 20-way one-shot tasks; with full context embeddings where `context`."""

    TRAIN_WAYS = 20

    def __init__(self, characters: Characters, budget: Budget, context: bool = False):
        super().__init__(characters, budget)
        self.module = nn.ModuleDict({"body": self.body})
        self.module.scale = nn.Parameter(torch.tensor(matching.SCALE))
        if context:
            size = self.body(torch.zeros(2, 1, 28, 28)).shape[1]
            self.module["context"] = matching.FullContext(size)

    def scores(self, task: Task) -> Tensor:
        support, query = self.features(task)
        targets, ways, scale = task.support_targets, int(task.support_targets.max()) + 1, self.module.scale
        if "context" not in self.module:
            return matching.answer(matching.attention(query, support, scale), targets, ways)
        orders = [torch.randperm(len(support))] if self.module.training else matching.orders_of(support)
        return self.module["context"](query, support, targets, ways, scale, orders)


class Untrained(PrototypeMethod):
    """Control: prototypes in a network that learned nothing, normalised by what it sees."""

    def ready(self) -> None:
        self.module.train()  # its running statistics were never set


class Pixels(Method):
    """Control: the nearest labelled picture, pixel by pixel."""

    module = nn.Identity()

    def answer(self, task: Task) -> Tensor:
        apart = squared_distances(task.query.flatten(1), task.support.flatten(1))  # (m, n)
        ways = int(task.support_targets.max()) + 1
        return -torch.stack([apart[:, task.support_targets == k].min(1).values for k in range(ways)], 1)


class FromScratch(OnNetwork):
    """Control: the same network trained on the labelled cases alone, from random weights (Adam 1e-3)."""

    STEPS = 30

    def answer(self, task: Task) -> Tensor:
        torch.manual_seed(int(task.support.sum()))
        fresh = convnet.Classifier(WAYS)
        adam = torch.optim.Adam(fresh.parameters(), 1e-3)
        for _ in range(self.STEPS):
            adam.zero_grad()
            cross_entropy(fresh(task.support), task.support_targets).backward()
            adam.step()
        with torch.no_grad():
            return self.scores(dict(fresh.named_parameters()), task)


METHODS = {
    "pixels": lambda c: Pixels(c, Budget(0)),
    "scratch": lambda c: FromScratch(c, Budget(0)),
    "untrained": lambda c: Untrained(c, Budget(0)),
    "maml": lambda c: MAMLMethod(c, Budget(4000)),
    "maml-together": lambda c: MAMLMethod(c, Budget(4000), together=True),
    "first-order": lambda c: MAMLMethod(c, Budget(4000), second_order=False),
    "anil": lambda c: ANILMethod(c, Budget(4000)),
    "reptile": lambda c: ReptileMethod(c, Budget(3000, 1.0)),
    "prototypes": lambda c: PrototypeMethod(c, Budget(900)),
    "matching": lambda c: MatchingMethod(c, Budget(1300)),
    "matching-context": lambda c: MatchingMethod(c, Budget(600), context=True),
    "lstm": lambda c: LSTMMethod(c, Budget(1500)),
    "platipus": lambda c: PlatipusMethod(c, Budget(300)),
}
