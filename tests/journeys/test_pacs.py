"""The PACS round trip in a real browser: studies in from Orthanc, label, adapt, report, results back into Orthanc."""

from __future__ import annotations

import io
import shutil
import subprocess
import zipfile
from urllib.parse import urlsplit

import pypdfium2
import pytest
from pydicom import dcmread

from engine.intake import load_volume
from engine.phantoms.demo import DEMO_FOLDER, demo_series, match_demo
from engine.projects.store import Store
from tests.journeys.conftest import serve
from tests.journeys.walking import adapt, go, label, name_classes, new_project, wait_until_idle
from tests.orthanc import PASSWORD, TITLE, USER, name_patient, orthanc

CLASSES = ("smooth", "spiculated")
A_CLASS = 3
NAMES = ("Mustermann^Erika", "Li^Wei", "Rossi^Anna", "Nowak^Jan", "Garcia^Luis", "Kim^Min")


@pytest.fixture(scope="module")
def pacs(tmp_path_factory):
    """An Orthanc with six patients, three of each class, each with one study that is called by the patient's name."""
    folder = tmp_path_factory.mktemp("orthanc")
    chosen = [s for name in CLASSES for s in [d for d in demo_series() if d.truth.finding == name][:A_CLASS]]
    with orthanc(folder) as running:
        for number, (series, name) in enumerate(zip(chosen, NAMES, strict=True), 1):
            with zipfile.ZipFile(DEMO_FOLDER / series.file) as archive:
                for member in archive.namelist():
                    header = dcmread(io.BytesIO(archive.read(member)))
                    name_patient(header, name, f"P-{number:04d}", "CT Thorax nodule")
                    header.save_as(folder / "one.dcm")
                    running.upload(folder / "one.dcm")
        yield running


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with serve(tmp_path_factory.mktemp("pacs"), HANDFUL_DEMO="0") as running:
        yield running


def tell_address(page, pacs) -> None:
    page.locator(".st-key-pacs-open button").click()
    for key, value in {
        "pacs-web": pacs.web, "pacs-user": USER, "pacs-password": PASSWORD, "pacs-host": "127.0.0.1",
        "pacs-port": str(pacs.port), "pacs-title": TITLE,
    }.items():  # fmt: skip
        page.locator(f".st-key-{key} input").fill(value)
    page.locator(".st-key-pacs-save button").click()
    page.locator(".st-key-pacs-go button").wait_for()


def fetch_all(page, picture) -> None:
    page.locator(".st-key-pacs-description input").fill("thorax")
    page.locator(".st-key-pacs-go button").click()
    page.locator(".st-key-pacs-list").get_by_text("Mustermann Erika").wait_for()
    boxes = page.locator(".st-key-pacs-list [data-testid=stCheckbox]")
    assert boxes.count() == len(NAMES)
    for at in range(len(NAMES)):
        boxes.nth(at).locator("label").click()
    page.get_by_text(f"Fetch {len(NAMES)} studies").wait_for()
    page.locator(".st-key-pacs-keep label").click()
    page.get_by_text("under the patient's own name").wait_for()
    picture(page, "pacs-search")
    page.locator(".st-key-pacs-fetch button").click()
    page.get_by_text(f"{len(NAMES)} cases taken in").wait_for()


def test_scans_come_in_from_the_pacs_and_what_was_learned_goes_back(served, pacs, open_page, picture, tmp_path):
    page = open_page(served.url)
    new_project(page, "Nodules")
    tell_address(page, pacs)
    fetch_all(page, picture)
    wait_until_idle(served)
    picture(page, "pacs-gather")
    go(page, "label")
    name_classes(page, *CLASSES)
    store = Store(served.data_dir / "handful.db")
    project = store.projects()[0].id
    cases = {c.id: c.number for c in store.cases(project)}
    truth = {c: match_demo(load_volume(served.data_dir / "cases" / c)).truth.finding for c in cases}
    for name, key in zip(CLASSES, "12", strict=True):
        for case in [c for c in cases if truth[c] == name][: A_CLASS - 1]:
            label(page, cases[case], key, name)
    adapt(page)
    go(page, "report")
    with page.expect_download() as loading:
        page.locator(".st-key-make-report button").click()
        page.locator(".hf-download", has_text="PDF").click()
    loading.value.save_as(tmp_path / "report.pdf")
    with pypdfium2.PdfDocument(tmp_path / "report.pdf") as pdf:
        first = pdf[0].get_textpage().get_text_bounded()
    assert "Nodules" in first and "Not a medical device" in first and "Mustermann" not in first
    page.get_by_text("2 go under their original identifiers").wait_for()
    page.locator(".st-key-pacs-send button").click()
    page.get_by_text("6 objects of 2 cases arrived").wait_for()
    picture(page, "pacs-report")

    assert not {urlsplit(a).netloc for a in page.asked if a.startswith("http")} - {urlsplit(served.url).netloc}
    assert not page.broke
    predicted = store.predictions(store.latest_run(project).id)
    assert len(predicted) == 2
    ours = [dcmread(pacs.file(instance, tmp_path)) for instance in pacs.ours()]
    assert len(ours) == 6 and {str(each.PatientName) for each in ours} <= set(NAMES)
    assert len(pacs.rest.get("/studies").json()) == len(NAMES)
    assert pacs.modalities().count("SR") == 2
    logs = "".join(p.read_text("utf-8") for p in (served.data_dir / "logs").glob("*.log"))
    assert not [w for w in (*NAMES, "Mustermann", PASSWORD, "P-0001") if w in logs]
    if shutil.which("dciodvfy"):
        for path in tmp_path.glob("*.dcm"):
            said = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, check=False)
            assert "Error -" not in said.stdout + said.stderr
