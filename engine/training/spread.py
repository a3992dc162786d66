"""One training run on several processes, GPUs or machines, through Ray (see engine/training/extras/ray.txt).

Every worker holds the module and draws its own batch from the stream (seed, step, worker); the mean of their gradients
makes the step here, so the same number of workers gives the same run. A machine more: `ray start --address HEAD:PORT`
there, `ray start --head` here first; without a cluster Ray starts one on this machine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from engine.training.loop import Losses, backward, step_stream

Prepared = tuple[nn.Module, Losses]
Prepare = Callable[[], Prepared]


class Workers:
    """`Workers(prepare, seed, count)` is a `Gradients` for `Run.train`. `prepare()` is called once on every worker and
    gives the module and its loss; it must be importable there. ValueError where Ray is not installed."""

    def __init__(self, prepare: Prepare, seed: int, count: int):
        try:
            import ray
        except ImportError:
            raise ValueError(
                "Training on several workers needs Ray: pip install -r engine/training/extras/ray.txt, or leave "
                "--workers out."
            ) from None
        self._ray = ray
        if not ray.is_initialized():
            ray.init(include_dashboard=False, log_to_driver=False)
        gpus = 1 if ray.cluster_resources().get("GPU", 0) >= count else 0
        remote = ray.remote(num_cpus=1, num_gpus=gpus)(_Worker)
        self._workers = [remote.remote(prepare, seed, index + 1) for index in range(count)]

    def __call__(self, module: nn.Module, step: int) -> float:
        """Leave the mean gradients in `module`'s parameters; the mean loss."""
        weights = self._ray.put({k: v.detach().cpu() for k, v in module.state_dict().items()})
        answers = self._ray.get([w.gradients.remote(weights, step) for w in self._workers])
        for name, parameter in module.named_parameters():
            parts = [a[1][name] for a in answers if name in a[1]]
            parameter.grad = torch.stack(parts).sum(0).div(len(answers)).to(parameter) if parts else None
        return sum(a[0] for a in answers) / len(answers)

    def close(self) -> None:
        for worker in self._workers:
            self._ray.kill(worker)
        self._ray.shutdown()


class _Worker:
    """One copy of the module, somewhere."""

    def __init__(self, prepare: Prepare, seed: int, index: int):
        torch.set_num_threads(1)
        self.module, self.loss = prepare()
        self.module.to("cuda" if torch.cuda.is_available() else "cpu")
        self.seed, self.index = seed, index

    def gradients(self, weights: dict[str, Tensor], step: int) -> tuple[float, dict[str, Any]]:
        """(loss, gradient by name) of one batch at these weights."""
        self.module.load_state_dict(weights)
        self.module.train()
        value = backward(self.module, self.loss, step_stream(self.seed, step, self.index), step)
        return value, {n: p.grad.cpu() for n, p in self.module.named_parameters() if p.grad is not None}
