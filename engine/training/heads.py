"""What meta-training moves, a module a method: `loss(tasks)` for the optimiser, `start()` for the learner.

Each begins at the plain method and has little to learn, because a handful of numbers learned on some fifty sets
carries over to the next and a free metric does not (docs/learners.md). A task of five classes weighs as one of two:
losses are in units of knowing nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from engine.learners import head, lstm_meta, matching, platipus, reptile, span
from engine.learners.maml import inner_loop
from engine.training.tasks import Task

Tasks = Sequence[Task]
TEMPERATURES = tuple(1.1**k for k in range(-12, 31))  # 0.3 to 17


def units(task: Task) -> float:
    return math.log(len(task.support.classes))


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


class Learned(nn.Module):
    """What the methods' modules share."""

    def settle(self, tasks: Tasks) -> None:
        """Called once after training, for what is measured rather than learned."""


class LearnedMAML(Learned):
    """Rates of each step as logarithms, so that they stay positive, and `pull`. The weighing starts at the identity and
    adapts within the task. First order: the inner gradients count as constants, for the rates too."""

    def __init__(self, steps: int, rates: dict[str, float], first_order: bool = False):
        super().__init__()
        self.logs = nn.ParameterDict({n: torch.full((steps,), math.log(r)) for n, r in rates.items()})
        self.pull, self.steps, self.first_order = nn.Parameter(torch.tensor(1.0)), steps, first_order

    def start(self, dimensions: int = 0) -> head.Start:
        rest = torch.zeros(self.steps)
        rates = {n: self.logs[n].exp() if n in self.logs else rest for n in ("rows", "bias", "gate")}
        return head.Start(torch.zeros(dimensions), self.pull, rates, meta_trained=True)

    def loss(self, tasks: Tasks) -> Tensor:
        start = self.start(tasks[0].query.shape[1])
        return torch.stack([task_loss(start, t, self.steps, not self.first_order) / units(t) for t in tasks]).mean()


class LearnedANIL(LearnedMAML):
    """Rows and biases alone adapt: all tasks of a step in one batch."""

    def loss(self, tasks: Tasks) -> Tensor:
        batch = span.batch([(t.support, t.query, t.targets) for t in tasks])
        losses = span.query_losses(batch, *span.descend(batch, self.pull, self.start().rates, self.steps))
        return (losses / losses.new_tensor([units(t) for t in tasks])).mean()


class LearnedReptile(Learned):
    """`pull`, and the optimiser's second moments, which go on from task to task (in buffers: they are no gradients)."""

    def __init__(self, rate: float, steps: int):
        super().__init__()
        plain = reptile.PLAIN
        self.pull, self.rate, self.steps = nn.Parameter(torch.tensor(1.0)), rate, steps
        self.register_buffer("rows", plain.second["rows"].clone())
        self.register_buffer("bias", plain.second["bias"].clone())
        self.register_buffer("pulls", plain.second["pull"].clone())
        self.register_buffer("count", torch.tensor(float(plain.count)))
        self.temperature = 1.0

    def start(self) -> reptile.ReptileStart:
        second = {"rows": self.rows, "bias": self.bias, "pull": self.pulls}
        fixed = (int(self.count), self.rate, self.steps, self.temperature)
        return reptile.ReptileStart(self.pull.detach().clone(), second, *fixed)

    def settle(self, tasks: Tasks) -> None:
        """The temperature at which the answers to the tasks' queries have the least log-loss."""
        learner, answers = reptile.Reptile(self.start()), []
        for task in tasks:
            adapted = learner.adapt(task.support)
            with torch.no_grad():
                answers.append(adapted.logits(task.query))

        def loss(temperature: float) -> float:
            each = [cross_entropy(a / temperature, t.targets) / units(t) for a, t in zip(answers, tasks, strict=True)]
            return float(torch.stack(each).mean())

        self.temperature *= min(TEMPERATURES, key=loss)

    def loss(self, tasks: Tasks) -> Tensor:
        ends = []
        for task in tasks:
            dimensions = task.query.shape[1]
            theta, state = reptile.task_parameters(self.start(), len(task.support.classes), dimensions)
            end, state = reptile.inner(reptile.head_loss(task.support), theta, self.rate, self.steps, state)
            ends.append({"pull": end["pull"]})
            self.rows, self.bias = state.second["rows"].mean() * dimensions, state.second["bias"].mean()
            self.pulls, self.count = state.second["pull"], torch.tensor(float(state.count))
        return reptile.towards({"pull": self.pull}, ends)


class LearnedLSTM(Learned):
    """The rule and where the classifier starts."""

    def __init__(self, steps: int):
        super().__init__()
        plain = lstm_meta.plain_lstm_start()
        self.rule, self.steps = plain.rule.requires_grad_(True), steps
        self.pull = nn.Parameter(torch.tensor(1.0))

    def start(self) -> lstm_meta.LSTMStart:
        return lstm_meta.LSTMStart(self.rule, self.pull, self.steps)

    def loss(self, tasks: Tasks) -> Tensor:
        losses = []
        for task in tasks:
            theta = lstm_meta.adapt_head(self.start(), task.support)
            answers = head.scores(theta, task.query, task.support.embeddings)
            losses.append(cross_entropy(answers, task.targets) / units(task))
        return torch.stack(losses).mean()


class LearnedPlatipus(Learned):
    """A distribution of a dozen numbers; the noise of each task is drawn anew."""

    def __init__(self, steps: int, rates: dict[str, float], weight: float):
        super().__init__()
        plain = platipus.plain_distribution()
        self.pull, self.steps, self.weight = nn.Parameter(torch.tensor(1.0)), steps, weight
        self.logs = nn.ParameterDict({n: torch.full((steps,), math.log(r)) for n, r in rates.items()})
        self.variance = nn.ParameterDict({n: t.clone() for n, t in plain.log_variance.items()})
        self.variance_q = nn.ParameterDict({n: t.clone() for n, t in plain.log_variance_q.items()})
        self.gamma_p = nn.ParameterDict({n: t.clone() for n, t in plain.gamma_p.items()})
        self.gamma_q = nn.ParameterDict({n: t.clone() for n, t in plain.gamma_q.items()})

    def start(self) -> platipus.Distribution:
        parts = (dict(p.items()) for p in (self.variance, self.variance_q))
        gammas = (dict(p.items()) for p in (self.gamma_p, self.gamma_q))
        return platipus.Distribution(
            {"pull": self.pull}, *parts, {n: log.exp() for n, log in self.logs.items()}, *gammas
        )

    def loss(self, tasks: Tasks) -> Tensor:
        losses = []
        for task in tasks:
            rest = task.query.new_zeros(task.query.shape[1])
            asked = head.place(rest, task.query, task.support.embeddings)

            def query(theta, asked=asked, task=task) -> Tensor:
                answers = head.linear(asked, theta)
                return cross_entropy(answers.flatten(0, -2), task.targets.repeat(answers[..., 0, 0].numel()))

            noise = platipus.noise_of(task.support, 1, int(torch.randint(2**31, ())))
            noise = {n: t[0] for n, t in noise.items()}
            value = platipus.objective(
                platipus.of_task(self.start(), task.support),
                platipus.head_loss(task.support),
                query,
                noise,
                self.steps,
                self.weight / len(task.support.targets),
            )
            losses.append(value / units(task))
        return torch.stack(losses).mean()


class LearnedMatching(Learned):
    """The scale of the cosines; with `projection` (k, d) full context embeddings too, whose say (`mix`) starts at 0."""

    def __init__(self, projection: Tensor | None = None, looks: int = 3):
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(matching.SCALE).log())
        self.mix = nn.Parameter(torch.zeros(()), requires_grad=projection is not None)
        self.register_buffer("projection", projection)
        self.context = None if projection is None else matching.FullContext(len(projection), looks)

    def start(self) -> matching.MatchingStart:
        return matching.MatchingStart(self.log_scale.exp(), self.mix, self.projection, self.context)

    def loss(self, tasks: Tasks) -> Tensor:
        losses = []
        for task in tasks:
            orders = [torch.randperm(len(task.support.targets))]  # shuffled: no order may be learned
            answers = matching.class_scores(self.start(), task.query, task.support, orders)
            losses.append(-answers.gather(1, task.targets[:, None]).mean() / units(task))
        return torch.stack(losses).mean()
