"""What a page run knows: the store, the open project, its cases and labels, the step, the case looked at.

The address carries project, step, case and what of a step is shown (`?p=..&s=..&c=..&v=..`), so that a reload, a
bookmark or a second tab comes back to the same place; everything else is read from the store on each run, which is a
few milliseconds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import streamlit as st

from dashboard import gate
from dashboard.once import once
from dashboard.predicted import Predicted
from dashboard.records import Records, kept_records, number_text, yes_or_no
from dashboard.words import LANGUAGES, Words
from engine.jobs.queue import Job, Queue
from engine.projects.blind import is_blind
from engine.projects.digest import marks_digest
from engine.projects.records import UNSURE, Project, ProjectCase, Run
from engine.projects.split import Split, split_cases
from engine.projects.store import Store
from engine.settings import Settings, load_settings

RUNS_BACK = 20  # how far back a comparison is looked for: each choice of a method since is a run
TELLING, IN_SHORT = 12, 3  # columns ranked, and values of a row shown where there is little room
ROW_KINDS = ("record", "molecule")
FINDING = ("adapt", "test", "compare", "learning_curve", "readers")  # jobs whose end changes what a step shows
STEPS = ("gather", "label", "adapt", "evidence", "report")
ASIDE = ("projects", "lessons")  # pages that need no project


@st.cache_resource
def _rooms() -> tuple[Settings, Store, Queue]:
    settings = load_settings()
    return settings, Store(settings.database), Queue(settings.data_dir)


def language() -> str:
    """A person's choice (cookie set by the header), else the browser's own language, else English."""
    chosen = st.session_state.get("language") or st.context.cookies.get("handful_language")
    if chosen in LANGUAGES:
        return chosen
    return "zh" if (st.context.locale or "").lower().startswith("zh") else "en"


@dataclass
class Page:
    """One run of the page. Reads are lazy and kept for the run."""

    settings: Settings
    store: Store
    queue: Queue
    words: Words
    step: str
    project: Project | None
    reader: str
    begun: frozenset[str] = frozenset()  # jobs that were alive before anything else was read
    stood: tuple = ()  # how the project stood then
    gone: bool = False  # the address asks for a project that was deleted
    _seen: dict = field(default_factory=dict)

    def under_way(self, job: Job | None) -> bool:
        """True while a job is alive, or was when this run of the page began: what it wrote at its end may be missing
        from what was read before it, so whoever watches it draws the page once more."""
        return job is not None and (job.alive or job.id in self.begun)

    @once
    def cases(self) -> list[ProjectCase]:
        return list(self.store.cases(self.project.id)) if self.project else []

    @once
    def by_id(self) -> dict[str, ProjectCase]:
        return {c.id: c for c in self.cases}

    @property
    def blind(self) -> bool:
        """True while each reader sees, and Adapt learns from, their own labels alone."""
        return self.project is not None and is_blind(self.project.settings)

    @property
    def nameless(self) -> bool:
        """True where a blind project is open and nobody has said who is reading: then nothing can be labelled."""
        return self.blind and not self.reader

    @property
    def own(self) -> str | None:
        """Whose labels count here: this reader's where the project is read blind, else everybody's."""
        return self.reader if self.blind else None

    @once
    def labels(self) -> dict[str, str]:
        """case id -> class name or "unsure"; a case without a label is not in it."""
        given = self.store.labels(self.project.id, reader=self.own)
        return {k: v for k, v in given.items() if v is not None and k in self.by_id}

    @once
    def places(self) -> dict:
        return self.store.places(self.project.id, reader=self.own)

    @once
    def regions(self) -> dict:
        return self.store.regions(self.project.id, reader=self.own)

    @once
    def split(self) -> Split:
        return split_cases(self.cases, self.labels, self.classes)

    @once
    def run(self) -> Run | None:
        return self.store.latest_run(self.project.id, taught_by=self.own)

    @property
    def stale(self) -> bool:
        """True if a label, place or region changed since the newest run."""
        return self.run is not None and self.run.record["marks"] != self.marks

    @once
    def marks(self) -> str:
        """One digest of all that was said of the cases."""
        return marks_digest(self.labels, self.places, self.regions)

    @once
    def predictions(self) -> dict[str, Predicted]:
        """case id -> what the newest run predicted; empty before the first. Without cases removed since, and without
        those among what an answer rests on."""
        raw = self.store.predictions(self.run.id) if self.run else {}
        return {case: self._predicted(each).among(self.by_id) for case, each in raw.items() if case in self.by_id}

    def _predicted(self, raw: Mapping[str, Any]) -> Predicted:
        """With a unit that is a word in this page's language."""
        return Predicted.from_json({**raw, "unit": self.words.unit(raw["unit"])} if raw.get("unit") else raw)

    @once
    def comparison(self) -> Mapping[str, Any] | None:
        """All methods on the same cases, looked at the same way, as the newest run: kept with it or one before it."""
        if self.run is None:
            return None

        def same(run: Run) -> bool:
            return all(run.record.get(k) == self.run.record.get(k) for k in ("marks", "look", "seed"))

        if "comparison" in self.run.record:
            return self.run.record["comparison"]
        runs = self.store.runs(self.project.id, limit=RUNS_BACK, taught_by=self.own)
        return next((r.record["comparison"] for r in runs if "comparison" in r.record and same(r)), None)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.project.classes

    @property
    def labelled(self) -> list[ProjectCase]:
        return [c for c in self.cases if self.labels.get(c.id) not in (None, UNSURE)]

    @property
    def case_id(self) -> str | None:
        """The case looked at: the address's, else the first."""
        chosen = st.query_params.get("c")
        if chosen in self.by_id:
            return chosen
        return self.cases[0].id if self.cases else None

    @property
    def numeric(self) -> bool:
        """True where the project learns a number and not a class."""
        return self.project is not None and self.project.settings.get("target") == "number"

    @property
    def of_rows(self) -> bool:
        """True where the project's cases are rows of a table (patients or molecules) and not scans."""
        return bool(self.cases) and all(c.case.kind in ROW_KINDS for c in self.cases)

    def is_row(self, case_id: str) -> bool:
        return self.by_id[case_id].case.kind in ROW_KINDS

    def row(self, case_id: str) -> int:
        """Where a row stands in its kept table."""
        return int(self.by_id[case_id].case.kept["row"])

    def records(self, case_id: str) -> Records | None:
        """The kept table of a row, its cells in this page's language; None where it is gone."""
        return self.records_of(str(self.by_id[case_id].case.kept["table"]))

    def records_of(self, table: str) -> Records | None:
        """A kept table by its id."""
        if table not in self._seen:
            found = kept_records(self.settings.data_dir / "tables" / table)
            said = (self.words("record.yes"), self.words("record.no"), self.words("record.date_moved"))
            self._seen[table] = found.named(said, self.words.language) if found else None
        return self._seen[table]

    @once
    def telling(self) -> dict[str, list[str]]:
        """By table: the columns that part the labelled rows best, which stand for a row where there is little room."""
        by_table: dict[str, dict[int, Any]] = {}
        for case in self.cases:
            if case.case.kind in ROW_KINDS:
                labels = by_table.setdefault(str(case.case.kept["table"]), {})
                label = self.labels.get(case.id)
                if label not in (None, UNSURE):
                    labels[self.row(case.id)] = label
        found = {}
        for table, labels in by_table.items():
            records = self.records_of(table)
            found[table] = records.telling(labels, TELLING) if records else []
        return found

    def in_short(self, case_id: str) -> list[str]:
        """A row in a few words: the values that tell most, "glucose 148 mg/dL"; what is missing makes room."""
        records, row = self.records(case_id), self.row(case_id)
        if records is None:
            return []
        said = []
        for name in self.telling[str(self.by_id[case_id].case.kept["table"])]:
            cell = records.cell(name, row)
            if not cell.missing:
                said.append(f"{records.called(name)} {cell.said}")
        return said[:IN_SHORT]

    def yes_no(self, level: str) -> str:
        """What a coded yes or no is called, as on the card; other words stay as they are."""
        said = yes_or_no(level)
        return level if said is None else self.words("record.yes" if said else "record.no")

    def structure_of(self, case_id: str) -> str:
        """The SMILES of a molecule, "" for a row without structures."""
        records = self.records(case_id)
        column = records.molecule if records else None
        return records.cell(column, self.row(case_id)).text if column else ""

    def said(self, label: Any) -> str:
        """A label in words: its class, or its number with the project's unit."""
        if isinstance(label, float):
            return f"{number_text(label)} {self.unit}".strip()
        return self.words("app.unsure") if label == UNSURE else str(label)

    @once
    def held_back(self) -> Mapping[str, str | float]:
        """Case id -> the answer that came with the table and was kept aside; shown once the case is predicted."""
        table = str(self.project.settings.get("table") or "")
        path = self.settings.data_dir / "tables" / table / f"held-{self.project.id}.json"
        return json.loads(path.read_text("utf-8")) if table and path.is_file() else {}

    def amount(self, value: float) -> str:
        """A number of the predicted kind, with its unit."""
        return f"{number_text(value)} {self.unit}".strip()

    @property
    def unit(self) -> str:
        """The unit of what is predicted, where that is a number."""
        return self.words.unit(str(self.project.settings.get("unit") or "")) if self.project else ""

    def title(self, case_id: str) -> str:
        case = self.by_id[case_id]
        if case.case.kind in ROW_KINDS:
            return self.words("record.row" if case.case.kind == "record" else "record.molecule", number=case.case.name)
        return self.words("app.case", number=case.number)

    def note(self, note: Mapping[str, Any]) -> str:
        """The sentence of a note, with a case called by its number and a method by its name, not by their ids."""
        values = dict(note["values"])
        if values.get("case") in self.by_id:
            values["case"] = self.title(values["case"])
        for who in ("method", "best", "simplest"):
            if f"adapt.learner_{values.get(who)}" in self.words:
                values[who] = self.words(f"adapt.learner_{values[who]}")
        return self.words.note({**note, "values": values})

    def is_there(self, download: str) -> bool:
        """Whether a file that a job wrote to be taken along is still there: they go after a day."""
        return (self.settings.data_dir / "downloads" / download).is_dir()

    def case_dir(self, case_id: str) -> Path:
        return self.settings.cases_dir / case_id

    def ready(self, case_id: str) -> bool:
        """True once the engine has looked at the case, so that Adapt can use it; a row needs no looking."""
        return self.is_row(case_id) or any(self.case_dir(case_id).glob("encoding-*.npz"))


def open_page() -> Page:
    settings, store, queue = _rooms()
    params = st.query_params
    begun = frozenset(job.id for job in queue.jobs(kinds=FINDING, alive=True))
    projects = {p.id: p for p in store.projects()}
    asked = params.get("p", "")
    gone = bool(asked) and asked not in projects
    project = None if gone else projects.get(asked) or next(iter(projects.values()), None)
    stood = store.stands_at(project.id) if project else ()
    step = params.get("s", "")
    if step not in (*STEPS, *ASIDE):
        step = "label" if project and store.cases(project.id) else "gather"
    if project is None and step not in ASIDE:
        step = "projects"
    words = Words(language())
    reader = gate.reader(store, settings.port, st.context.cookies)
    return Page(settings, store, queue, words, step, project, reader, begun, stood, gone)


def go(
    step: str | None = None, *, project: str | None = None, case: str | None = None, view: str | None = None
) -> None:
    """Change the address; the next run draws it. Only what is given changes."""
    if project is not None:
        st.query_params["p"] = project
        st.query_params.pop("c", None)
    if step is not None:
        st.query_params["s"] = step
    if case is not None:
        st.query_params["c"] = case
    if view is not None:
        st.query_params["v"] = view
