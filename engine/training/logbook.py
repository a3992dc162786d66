"""What a training run writes down: a CSV that anything reads, and TensorBoard's files where it is installed."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from types import TracebackType


class Logbook:
    """`log(step, {"loss": 1.2})` appends to FOLDER/log.csv (seconds, step, name, value) and to FOLDER/tensorboard.

    A resumed run goes on in the same files. `tensorboard --logdir FOLDER` draws the curves
    (`pip install -r engine/training/extras/tensorboard.txt`); without it the CSV alone is written.
    """

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / "log.csv"
        fresh = not self.file.exists()
        self._out = self.file.open("a", newline="", encoding="utf-8")
        self._csv, self._began = csv.writer(self._out), time.monotonic()
        if fresh:
            self._csv.writerow(["seconds", "step", "name", "value"])
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            self._board = None
        else:
            self._board = SummaryWriter(str(folder / "tensorboard"))

    def __call__(self, step: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            self._csv.writerow([f"{time.monotonic() - self._began:.1f}", step, name, f"{value:.6g}"])
            if self._board:
                self._board.add_scalar(name, value, step)
        self._out.flush()

    def close(self) -> None:
        self._out.close()
        if self._board:
            self._board.close()

    def __enter__(self) -> Logbook:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
