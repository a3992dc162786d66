"""From real CT files to predictions with their evidence, in a real browser. Nothing leaves the machine on the way."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from engine.projects.store import Store
from tests.journeys.conftest import serve
from tests.journeys.walking import adapt, draw_map, drop, go, label, name_classes, new_project


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with serve(tmp_path_factory.mktemp("real"), HANDFUL_DEMO="0") as running:
        yield running


def _cut(source: Path, target: Path, keep: slice, patient: str) -> Path:
    """A part of a real series as a study of its own, so that a handful of patients comes of the few there are."""
    import pydicom

    with zipfile.ZipFile(source) as archive:
        sets = [pydicom.dcmread(io.BytesIO(archive.read(n))) for n in archive.namelist() if not n.endswith("/")]
    sets = sorted((d for d in sets if "PixelData" in d), key=lambda d: float(d.ImagePositionPatient[2]))[keep]
    with zipfile.ZipFile(target, "w") as out:
        for i, each in enumerate(sets):
            each.PatientID, each.SeriesInstanceUID = patient, f"2.25.{abs(hash((patient, keep.start))) % 10**12}"
            raw = io.BytesIO()
            each.save_as(raw)
            out.writestr(f"{i:03d}", raw.getvalue())
    return target


def test_real_ct_goes_in_and_predictions_with_their_evidence_come_out(served, open_page, picture, data, tmp_path):
    cases = data / "cases"
    body = cases / "body_ct_jpeg2000_dicom.zip"
    head = cases / "head_ct_tilted_gantry_dicom.zip"
    files = [
        _cut(body, tmp_path / "b1.zip", slice(0, 7), "B1"),
        _cut(body, tmp_path / "b2.zip", slice(7, 14), "B2"),
        _cut(head, tmp_path / "h1.zip", slice(0, 6), "H1"),
        _cut(head, tmp_path / "h2.zip", slice(6, 12), "H2"),
        cases / "abdomen_ct_3mm_slab.nii.gz",
        data / "dicom" / "ct_tilted_phantom_3_series_no_extension.zip",
    ]
    page = open_page(served.url)
    new_project(page, "Head or body")
    drop(page, *files)
    picture(page, "gather-real")
    page.get_by_text("This is a scout").first.wait_for()
    go(page, "label")
    name_classes(page, "body", "head")
    for number, key, shown in ((1, "1", "body"), (2, "1", "body"), (3, "2", "head"), (4, "2", "head")):
        label(page, number, key, shown)
    picture(page, "label-real")
    adapt(page)
    picture(page, "adapt-real")
    draw_map(page)
    picture(page, "evidence-real")
    foreign = {urlsplit(a).netloc for a in page.asked if a.startswith(("http", "ws"))} - {urlsplit(served.url).netloc}
    assert not foreign
    assert not page.broke

    store = Store(served.data_dir / "handful.db")
    project = store.projects()[0].id
    predictions = store.predictions(store.latest_run(project).id)
    slices = {c.id: c.case.shape[0] for c in store.cases(project)}
    assert all(abs(sum(p["probabilities"]) - 1) < 1e-6 for p in predictions.values())
    # Left to predict: the upper half of the head CT, and thirty slices of somebody else's abdomen. Four labelled cases
    # prove nothing about the second; the first has its own lower half's neighbourhood to be recognised by.
    assert {slices[c] for c in predictions} == {6, 30}
    assert {p["predicted"] for c, p in predictions.items() if slices[c] == 6} == {"head"}
    assert {row.what for row in store.audit_rows(project)} >= {"case.import", "label.set", "adapt"}


def test_a_reload_and_a_second_tab_find_everything(served, open_page):
    store = Store(served.data_dir / "handful.db")
    project = store.projects()[0].id
    labelled = sum(1 for v in store.labels(project).values() if v)
    first = open_page(f"{served.url}/?p={project}&s=label")
    first.get_by_text(f"{labelled} labelled").first.wait_for()
    first.reload()
    first.get_by_text(f"{labelled} labelled").first.wait_for()
    second = open_page(f"{served.url}/?p={project}&s=evidence")
    second.get_by_text("Looks like").wait_for()


def test_predictions_are_taken_along_as_csv(served, open_page):
    store = Store(served.data_dir / "handful.db")
    project = store.projects()[0].id
    page = open_page(f"{served.url}/?p={project}&s=report")
    page.locator(".st-key-make-csv button").click()
    with page.expect_download() as got:
        page.get_by_role("link", name="Download").first.click()
    rows = list(csv.DictReader(Path(got.value.path()).read_text("utf-8-sig").splitlines()))
    predictions = store.predictions(store.latest_run(project).id)
    assert {r["id"]: r["predicted"] for r in rows} == {c: p["predicted"] for c, p in predictions.items()}
    assert any(row.what == "export" for row in store.audit_rows(project))


def test_the_project_opens_on_another_handful_with_its_labels_and_predictions(served, open_page, tmp_path):
    store = Store(served.data_dir / "handful.db")
    project = store.projects()[0].id
    page = open_page(f"{served.url}/?p={project}&s=report")
    page.locator(".st-key-make-project button").click()
    with page.expect_download() as got:
        page.locator(".st-key-export-project").get_by_role("link", name="Download").click()
    file = tmp_path / got.value.suggested_filename
    got.value.save_as(file)
    with serve(tmp_path, HANDFUL_DEMO="0") as elsewhere:
        other = open_page(elsewhere.url)
        other.locator(".st-key-import-project input[type=file]").first.set_input_files(str(file))
        other.locator("nav [data-step=label][aria-current=step]").wait_for()
        opened = Store(elsewhere.data_dir / "handful.db")
        there = opened.projects()[0].id
        assert opened.labels(there) == store.labels(project)
        assert opened.predictions(opened.latest_run(there).id) == store.predictions(store.latest_run(project).id)
