"""In-context learning for records: a network that was meta-trained on a few hundred thousand small tables reads the
labelled rows and answers for others at once; nothing is fitted (Mueller et al. 2022, arXiv 2112.10510; Hollmann et al.
2025, Nature 637). The network is `cells.py`, the guesses that it starts from are `guesses.py` and `forest.py`.

What is answered is the mean of the network and of two straight lines (`lines.py`), so that a table unlike all that was
trained on costs little: the lines read every column, the network those that say most.

Several classes are asked one against the rest each, so any number goes. The answer is made symmetric: the mean of
asking for a class and, with the signs turned, for its opposite.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from engine.learners.cells import CellNet, Memory
from engine.learners.lines import class_lines, number_lines
from engine.learners.numbers import NumberFit, NumberSupport
from engine.learners.protocol import CLASSES, NUMBER, Adapted, Learner, OnStep, Support, SupportError, Trace
from engine.learners.rows import are_records, own_numbers
from engine.nouns import Note

LINES = 0.4  # the share of the lines in an answer (docs/records.md)
MOST_COLUMNS = 60  # read; those that say most of the target. Trained with up to 32
ASKED_AT_ONCE = 128  # rows


class InContext(Learner):
    """The network over the row's own numbers. `net`: its weights; without any the mean of its guesses answers.

    `side`: two classes are asked as +1 against -1 and the other way round (0), or in one of these ways alone (1, -1),
    for half the work.
    """

    name = "incontext"
    paper = "Hollmann et al. 2025, Accurate predictions on small data with a tabular foundation model, Nature 637"
    targets = (CLASSES, NUMBER)
    records_only = True

    def __init__(self, net: CellNet | None = None, side: int = 0):
        self._trained, self._side = net is not None, side
        with torch.random.fork_rng([]):
            torch.manual_seed(0)
            self.net = net if net is not None else CellNet().eval().requires_grad_(False)

    @property
    def _notes(self) -> tuple[Note, ...]:
        return () if self._trained else (Note("learners.plain_start"),)

    def resampling(self, draw: int) -> Learner:
        return InContext(self.net if self._trained else None, 1 if draw % 2 else -1)

    def adapt(
        self, support: Support, *, steps: int | None = None, seed: int = 0, on_step: OnStep | None = None
    ) -> Adapted:
        rows, count = read_numbers(support.embeddings), len(support.classes)
        asked = [1] if count == 2 else list(range(count))
        turned = (self._side or 1) if count == 2 else 1
        paired = count == 2 and not self._side
        signs = turned * torch.stack([2.0 * (support.targets == c) - 1 for c in asked]).to(rows)  # (k, n)
        columns = telling(rows, signs)
        memory = remember(self.net, rows[:, columns], signs, False, paired)
        lines = class_lines(replace(support, embeddings=rows))

        def answers(embeddings: Tensor) -> tuple[Tensor, Tensor]:
            """(m, d) -> (k, m) logits of each asked class, (m, k * width) where likeness is measured."""
            parts = [ask(self.net, memory, part[:, columns], paired) for part in _portions(read_numbers(embeddings))]
            return turned * torch.cat([p[0] for p in parts], 1), torch.cat([p[1] for p in parts], 0)

        def score(embeddings: Tensor) -> Tensor:
            logits = answers(embeddings)[0].T
            logits = torch.cat([-logits / 2, logits / 2], 1) if count == 2 else logits
            return (1 - LINES) * logits.log_softmax(1) + LINES * lines(read_numbers(embeddings))

        trace = Trace(on_step)
        with torch.no_grad():
            trace.add(0, float(cross_entropy(score(support.embeddings), support.targets)))
        return Adapted(
            self.name,
            support.classes,
            score,
            lambda e: answers(e)[1],
            None,
            tuple(trace.steps),
            support.notes + self._notes,
        )

    def fit_number(self, support: NumberSupport, steps: int | None, seed: int, trace: Trace) -> NumberFit:
        rows, targets = read_numbers(support.embeddings), support.standard[None].float()
        columns = telling(rows, targets)
        memory = remember(self.net, rows[:, columns], targets, True, True)
        lines = number_lines(replace(support, embeddings=rows), steps, seed)

        def answers(embeddings: Tensor) -> tuple[Tensor, Tensor]:
            parts = [ask(self.net, memory, part[:, columns], True) for part in _portions(read_numbers(embeddings))]
            return torch.cat([p[0] for p in parts], 1)[0], torch.cat([p[1] for p in parts], 0)

        def predict(embeddings: Tensor) -> Tensor:
            return (1 - LINES) * answers(embeddings)[0] + LINES * lines(read_numbers(embeddings))

        with torch.no_grad():
            trace.add(0, float((predict(support.embeddings) - targets[0]).square().mean()))
        return NumberFit(predict, lambda e: answers(e)[1], self._notes)


@torch.no_grad()
def remember(net: CellNet, support: Tensor, targets: Tensor, number: bool, paired: bool) -> Memory:
    """(n, d), (k, n) targets of k questions: the labelled rows are read once; `paired`: a single question with its
    opposite.

    Two classes so answer alike in either order. With three and more every class asks its own question anyway, and
    opposites brought nothing (AUROC 0.740 with and without, eight tables of 3 and 4 classes) for twice the time.
    """
    signs = torch.cat([targets, -targets]) if paired else targets
    return net.remember(support.expand(len(signs), -1, -1), signs, number)


def ask(net: CellNet, memory: Memory, query: Tensor, paired: bool) -> tuple[Tensor, Tensor]:
    """(m, d) -> (k, m) answers, (m, k * width) of the rows' last tokens; differentiable in the rows asked about.

    `paired`: one question was remembered, with its opposite.
    """
    answers, last = net.ask(memory, query.expand(len(memory.mean), -1, -1))
    if paired:
        answers, last = (answers[:1] - answers[1:]) / 2, last[:1]
    return answers, last.transpose(0, 1).flatten(1)


def read(net: CellNet, support: Tensor, targets: Tensor, query: Tensor, number: bool) -> tuple[Tensor, Tensor]:
    """(n, d), (k, n) targets of k questions, (m, d) -> as `ask`."""
    paired = len(targets) == 1
    return ask(net, remember(net, support, targets, number, paired), query, paired)


def read_numbers(embeddings: Tensor) -> Tensor:
    """The row's own numbers of records' embeddings. Raises SupportError for embeddings of anything else."""
    if not are_records(embeddings):
        raise SupportError(Note("learners.records_only"))
    return own_numbers(embeddings)


def telling(rows: Tensor, targets: Tensor) -> Tensor:
    """(n, d), (k, n) -> which columns are read: those that differ among the labelled rows, and of many the
    MOST_COLUMNS whose correlation with some question's target is largest."""
    centred = rows - rows.mean(0)
    spread = centred.square().mean(0).sqrt()
    known = targets - targets.mean(1, keepdim=True)
    said = ((known @ centred).abs() / spread.clamp(min=1e-6) / known.norm(dim=1, keepdim=True).clamp(min=1e-6)).amax(0)
    said = torch.where(spread > 1e-5, said, -1.0)
    count = max(1, min(MOST_COLUMNS, int((said >= 0).sum())))
    return said.topk(count).indices.sort().values


def _portions(rows: Tensor) -> tuple[Tensor, ...]:
    return rows.split(ASKED_AT_ONCE) if len(rows) else (rows,)
