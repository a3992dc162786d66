"""The demo projects of the first start: synthetic studies that walk in through the same door as a real upload."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.intake import patient_key, take_in
from engine.jobs.work import rooms
from engine.jobs.work.encode import file_encode
from engine.nouns import Note, Place
from engine.phantoms import demo_folder, demo_truth

# What each demo asks: its name in both languages, its classes, and which finding shows which class.
QUESTIONS = (
    ("Lung nodules · demo", {"smooth": "smooth", "spiculated": "spiculated"}),
    (
        "Chest findings · demo",
        {"smooth": "nodule", "spiculated": "nodule", "ground_glass": "ground-glass", "normal": "normal"},
    ),
)
TAUGHT_A_CLASS = 3  # labelled by us, so that Adapt can be pressed at once; the visitor labels more
READER = "demo"


def demo(args: dict[str, Any], report: Callable, cancelled: Callable[[], bool], checkpoint_dir: Path) -> dict[str, Any]:
    """Read the shipped studies and make the demo projects around them, with a few labels and clicks from the truth."""
    store, settings = rooms.store(), rooms.settings()
    settings.cases_dir.mkdir(parents=True, exist_ok=True)

    def tell(done: int, total: int, name: str) -> None:
        report(done, total, Note("work.reading", {"done": done, "total": total}).to_json())

    taken = take_in(
        demo_folder(), settings.cases_dir, key=patient_key(settings.key_file), report=tell, cancelled=cancelled
    )
    truth = demo_truth()
    return {}
