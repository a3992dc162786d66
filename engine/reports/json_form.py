"""A report for programs: the same facts as JSON, sentences in one language beside their keys."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import engine
from engine.projects.export import NOTICE, NOTICE_ZH
from engine.reports.facts import Facts
from engine.reports.methods import methods, references
from engine.reports.words import Words
from engine.reports.writing import limits

FORMAT = 1
# Of the run's record: what stands elsewhere in the file, or draws a page and says nothing else.
LEFT_OUT = ("notes", "points", "support")


def report_json(
    facts: Facts, language: str, hashes: Mapping[str, str] | None = None, now: float | None = None
) -> dict[str, Any]:
    """Everything the report rests on but pictures. `at` is seconds since 1970; probabilities go by `classes`."""
    words = Words(language, facts.cases)
    paragraphs = methods(facts, {}, words)
    return {
        "handful_report": FORMAT,
        "notice": [NOTICE, NOTICE_ZH],
        "handful": engine.__version__,
        "written_at": time.time() if now is None else now,
        "language": language,
        "project": {"id": facts.project.id, "name": facts.project.name, "settings": dict(facts.project.settings)},
        "run": {
            "id": facts.run.id,
            "at": facts.run.at,
            "labels_changed_since": facts.stale,
            **{key: value for key, value in facts.record.items() if key not in LEFT_OUT},
        },
        "cases": [_case(each) for each in facts.cases.values()],
        "labelled": [
            {"case": each.case, "label": each.label, "reader": each.reader, "at": each.at, "pointed": each.pointed}
            for each in facts.labelled
        ],
        "predictions": [{"case": case, **raw} for case, raw in facts.predictions.items()],
        "warnings": [{**each, "text": words.note(each)} for each in facts.record.get("notes", ())],
        "methods": paragraphs,
        "references": references(paragraphs),
        "limits": limits(facts, words),
        "weights_sha256": dict(hashes or {}),
        "audit_newest": facts.audit_hash,
    }


def _case(each) -> dict[str, Any]:
    case = each.case
    return {
        "case": case.id,
        "number": each.number,
        "kind": case.kind,
        "modality": case.modality,
        "shape": list(case.shape),
        "spacing_mm": list(case.geometry.spacing_mm) if case.geometry.measured else None,
        "patient": case.patient,
        "site": case.site,
        "kept": dict(case.kept),
        "notes": [note.to_json() for note in case.notes],
    }
