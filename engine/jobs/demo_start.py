"""The demo projects of a first start: made empty at once, so that the page has them; a job then brings their scans."""

from __future__ import annotations

from engine.jobs.queue import INTAKE, Queue
from engine.projects.store import Store
from engine.settings import Settings

READER = "demo"
# Name, and which finding of a synthetic scan is which class; a finding that is not there is shown without a label.
QUESTIONS: tuple[tuple[str, dict[str, str]], ...] = (
    ("Lung nodules · demo", {"smooth": "smooth", "spiculated": "spiculated"}),
    (
        "Chest findings · demo",
        {"smooth": "nodule", "spiculated": "nodule", "ground_glass": "ground-glass", "normal": "normal"},
    ),
)


def start_demo(store: Store, queue: Queue, settings: Settings) -> None:
    """Make the demo projects and ask for their scans, once in the life of a data folder."""
    if not settings.demo or store.get_setting("demo") or store.projects():
        return
    made = [
        store.create_project(name, list(dict.fromkeys(classes.values())), demo=True, reader=READER).id
        for name, classes in QUESTIONS
    ]
    store.set_setting("demo", made)
    for project in made:
        queue.file("demo", {"project": project}, lane=INTAKE)
