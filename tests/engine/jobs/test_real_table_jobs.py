"""Real tables, records and molecules through the whole door: read, kept, sampled, adapted. Skips without the data."""

from __future__ import annotations

import subprocess
import sys

import pandas as pd

from engine.jobs.work.row_data import held_back

BYTES_2_GB = 2 * 1000**3
SAMPLE = """
import os, resource, sys
from pathlib import Path
from engine.jobs.work import KINDS, rooms
from engine.projects.uploads import Announced, Uploads
source, checkpoint = Path(sys.argv[1]), Path(sys.argv[2])
store = rooms.store()
project = store.create_project("Readmission").id
uploads = Uploads(store, rooms.settings().uploads_dir)
upload = uploads.begin(project, "s", [Announced(source.name, source.stat().st_size)])
uploads.part(upload.id, 0).write_bytes(source.read_bytes())
uploads.finish(upload.id)
job = lambda kind, **args: KINDS[kind](args, lambda *_: None, lambda: False, checkpoint)
print(job("take_in", project=project, upload=upload.id)["drafts"])
draft = max(store.drafts(project), key=lambda d: d.rows)
result = job("keep_table", project=project, draft=draft.id, dictionary=draft.dictionary, label_from="readmitted",
             teach=10, most=400)
children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(draft.rows, draft.columns, result["cases"], result["labelled"], len(result["classes"]))
print(1024 * max(children, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
"""


def test_a_hundred_thousand_admissions_are_read_proposed_and_sampled_within_two_gigabytes(data, home):
    assert home.store  # the folder that the process opens
    source = data / "records" / "diabetes130_full.csv.zip"
    done = subprocess.run(
        [sys.executable, "-c", SAMPLE, str(source), str(home.checkpoint)], capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stderr[-2000:]
    numbers = [int(n) for n in done.stdout.split()]
    assert numbers[1:3] == [101_766, 50] and 400 <= numbers[3] <= 500 and numbers[4:6] == [30, 3]
    assert numbers[6] < BYTES_2_GB


def test_patients_of_a_fhir_export_become_rows_that_can_be_learned_from(data, home):
    project = home.store.create_project("Records").id
    source = data / "records" / "fhir" / "synthea_r4_bundles.zip"
    result = home.drop(project, {source.name: source.read_bytes()})
    assert result["drafts"] == 1
    (draft,) = home.store.drafts(project)
    asked = [e for e in draft.dictionary["entries"] if e["kind"] == "yes_no" and len(e["counts"]) == 2]
    label = max(asked, key=lambda e: min(e["counts"]))["name"]
    made = home.run(
        "keep_table", project=project, draft=draft.id, dictionary=draft.dictionary, label_from=label, teach=3, most=200
    )
    assert made["cases"] == draft.rows and len(made["classes"]) == 2
    run = home.store.run(home.run("adapt", project=project, learner="protonet", seed=0)["run"])
    assert run.record["held_back"]["count"] == len(held_back(made["table"], project)) > 0


def test_molecules_of_a_real_assay_are_sampled_and_told_apart_better_than_by_chance(data, home):
    frame = pd.read_csv(data / "records" / "molecules" / "bbbp.csv.gz")
    text = frame.to_csv(index=False).encode()
    project = home.store.create_project("Assay").id
    home.drop(project, {"bbbp.csv": text})
    (draft,) = home.store.drafts(project)
    molecule = next(e["name"] for e in draft.dictionary["entries"] if e["role"] == "molecule")
    label = next(c for c in frame.columns if frame[c].nunique() == 2 and c != molecule)
    made = home.run(
        "keep_table", project=project, draft=draft.id, dictionary=draft.dictionary, label_from=label, teach=10, most=150
    )
    assert {c.case.kind for c in home.store.cases(project)} == {"molecule"} and made["cases"] == 150
    run = home.store.run(home.run("adapt", project=project, learner="protonet", seed=0)["run"])
    assert run.record["held_back"]["low"] > 0.5
