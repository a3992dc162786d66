"""From a dropped table to predictions with what they rest on, in a real browser: a CSV, FHIR records, molecules."""

from __future__ import annotations

import base64
import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from engine.projects.store import Store
from tests.journeys.conftest import serve
from tests.journeys.walking import adapt, go, new_project

CARD = "article.card[data-ready='true']"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with serve(tmp_path_factory.mktemp("records"), HANDFUL_DEMO="0") as running:
        yield running


@pytest.fixture(scope="module")
def store(served):
    return Store(served.data_dir / "handful.db")


def table_of_patients(path: Path) -> Path:
    """Sixty patients as a German Excel saves them: semicolons, decimal commas, Windows' letters, names."""
    rng = np.random.default_rng(0)
    lines = ["Patienten-Nr;Name;Alter;Kreatinin (mg/dL);Geschlecht;Entlassungsart;Verlauf"]
    for i in range(60):
        worse = i % 2
        creatinine = f"{1.0 + 1.1 * worse + rng.normal(0, 0.45):.2f}".replace(".", ",")
        age, sex = int(rng.normal(62 + 6 * worse, 9)), rng.choice(["m", "w"])
        kind = "verstorben" if worse else "nach Hause"
        lines.append(f"{1000 + i};Müller {i};{age};{creatinine};{sex};{kind};{'schlecht' if worse else 'gut'}")
    path.write_bytes("\r\n".join(lines).encode("cp1252"))
    return path


def records_of_patients(path: Path) -> Path:
    """Thirty FHIR bundles in a zip: who died had a higher lactate, more or less."""
    rng = np.random.default_rng(1)
    with zipfile.ZipFile(path, "w") as out:
        for i in range(30):
            died, who = i % 2 == 1, f"Patient/p{i}"
            entries = [
                {"resourceType": "Patient", "id": f"p{i}", "gender": "female" if i % 3 else "male",
                 "birthDate": f"{1940 + i}-03-01", "deceasedBoolean": died, "name": [{"family": "Secret"}]},
                _observation(who, "2524-7", "Lactate", 1.2 + 0.8 * died + float(rng.normal(0, 0.6)), "mmol/L"),
                _observation(who, "2345-7", "Glucose", float(rng.normal(110, 20)), "mg/dL"),
            ]  # fmt: skip
            if i % 4 == 0:
                entries.append(
                    {"resourceType": "Condition", "subject": {"reference": who},
                     "code": {"coding": [{"system": "http://snomed.info/sct", "code": "44054006",
                                          "display": "Diabetes"}]}}
                )  # fmt: skip
            bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": e} for e in entries]}
            out.writestr(f"p{i}.json", json.dumps(bundle))
    return path


def _observation(who: str, code: str, name: str, value: float, unit: str) -> dict:
    return {
        "resourceType": "Observation", "status": "final", "subject": {"reference": who},
        "effectiveDateTime": "2020-05-04T10:00:00Z",
        "code": {"coding": [{"system": "http://loinc.org", "code": code, "display": name}]},
        "valueQuantity": {"value": round(value, 2), "unit": unit, "code": unit},
    }  # fmt: skip


def acids_and_amines(path: Path) -> Path:
    """Twenty-four small molecules: acids are active here, amines are not."""
    tails = ["C" * n for n in range(1, 9)] + ["c1ccccc1", "CC(C)C", "C1CCCCC1", "CCOC"]
    rows = [f"{tail}C(=O)O,active" for tail in tails] + [f"{tail}CN,inactive" for tail in tails]
    path.write_text("\n".join(["smiles,class", *rows]))
    return path


def drop_table(page, path: Path) -> None:
    page.locator(".st-key-drop input[type=file]").first.set_input_files(str(path))
    page.locator(".columns[data-draft]").wait_for()


def keep(page) -> None:
    page.locator(".st-key-keep button").click()
    page.locator("nav [data-step=label][aria-current=step]").wait_for()
    page.locator(CARD).first.wait_for()


def project_with(store: Store, name: str, method: str) -> str:
    """The project of that name, which will learn by a quick method: how good each is, is measured elsewhere."""
    found = next(p.id for p in store.projects() if p.name == name)
    store.set_project_settings(found, learner=method)
    return found


def explain(page) -> None:
    page.locator(".st-key-see button").click()
    page.locator(".js-plotly-plot .barlayer path").first.wait_for()
    page.locator("table.hf-beside").wait_for()


def test_a_german_csv_becomes_predictions_with_their_reasons(served, store, open_page, picture, tmp_path):
    page = open_page(served.url, theme="Light")
    new_project(page, "Course")
    project = project_with(store, "Course", "protonet")
    drop_table(page, table_of_patients(tmp_path / "patienten.csv"))
    assert page.locator(".column[data-column='Name']").get_attribute("data-role") == "identifier"
    assert page.locator(".column[data-column='Entlassungsart']").get_attribute("data-role") == "leak"
    assert not page.get_by_text("Müller").count()
    role = page.get_by_label("For what: Geschlecht")
    role.focus()
    role.select_option("ignored")
    page.locator(".column[data-column='Geschlecht'][data-role=ignored]").wait_for()
    page.get_by_text("2 columns are learned from").wait_for()
    picture(page, "columns")
    keep(page)
    assert set(store.project(project).classes) == {"gut", "schlecht"}
    assert sum(1 for v in store.labels(project).values() if v) == 20
    page.locator(".chips [data-filter=unlabelled]").click()
    first = page.locator("button.item").first
    case = first.get_attribute("data-case")
    first.click()
    page.locator(f"{CARD}[data-case='{case}']").wait_for()
    picture(page, "label-row")
    page.keyboard.press("2")
    page.get_by_text("Saved.").wait_for()
    assert store.labels(project)[case] == "schlecht"
    adapt(page)
    page.get_by_text(re.compile("rows the table knew the answer")).wait_for()
    picture(page, "adapt-row")
    explain(page)
    assert page.get_by_text("mg/dL").count()
    picture(page, "evidence-row")
    page.get_by_text("What if", exact=True).click()
    slider = page.locator("[data-testid=stSlider] input").first
    slider.wait_for()
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.get_by_text("With 1 value moved").wait_for()
    picture(page, "what-if")
    held = store.latest_run(project).record["held_back"]
    assert held["count"] == 39 and held["right"] > 24  # by luck so many in 1 of 20 tries
    stored = b"".join(p.read_bytes() for p in served.data_dir.rglob("*") if p.is_file() and p.suffix != ".log")
    assert "Müller".encode() not in stored and "Müller".encode("cp1252") not in stored
    assert not page.broke


def test_fhir_records_become_rows_with_measures_and_diagnoses(served, store, open_page, picture, tmp_path):
    page = open_page(served.url, language="zh", theme="Dark")
    page.locator("[data-step=projects]").click()
    page.get_by_label("名称", exact=True).fill("Died")
    page.get_by_role("button", name="创建", exact=True).click()
    page.locator("nav [data-step=gather][aria-current=step]").wait_for()
    project = project_with(store, "Died", "protonet")
    drop_table(page, records_of_patients(tmp_path / "records.zip"))
    assert page.locator(".column[data-column='deceased']").get_attribute("data-role") == "label"
    keep(page)
    body = page.locator(CARD).first
    assert body.get_by_text("Glucose").count() and body.get_by_text("mg/dL").count()
    picture(page, "label-fhir")
    page.locator(".st-key-adapt button").click()
    page.locator(".hf-tiles").wait_for()
    explain(page)
    picture(page, "evidence-fhir")
    assert store.latest_run(project).record["held_back"]["count"] == 10
    assert not page.broke


def test_molecules_are_drawn_and_their_atoms_lit(served, store, open_page, picture, tmp_path):
    page = open_page(served.url, theme="Light")
    new_project(page, "Acids")
    project = project_with(store, "Acids", "protonet")
    drop_table(page, acids_and_amines(tmp_path / "molecules.csv"))
    page.get_by_label("Rows a class that teach").fill("6")
    page.get_by_label("Rows a class that teach").press("Enter")
    page.get_by_text("About 12 rows will teach").wait_for()
    keep(page)
    page.locator("article.card figure svg").wait_for()
    picture(page, "label-molecule")
    adapt(page)
    picture(page, "adapt-molecule")
    explain(page)
    drawn = page.locator(".hf-structure img")
    drawn.wait_for()
    assert b"<circle" in base64.b64decode(drawn.get_attribute("src").split(",")[1])  # halos round atoms
    assert drawn.evaluate("img => img.complete && img.naturalWidth > 0")
    picture(page, "evidence-molecule")
    held = store.latest_run(project).record["held_back"]
    assert held["count"] == 12 and held["right"] >= 10
    go(page, "report")
    assert not page.broke
