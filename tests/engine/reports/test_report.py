"""A run on paper: what stands in the report is what the run filed, it opens offline, and it says what it is not."""

from __future__ import annotations

import hashlib
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pypdfium2
import pytest
import torch
from PIL import Image

from engine.evidence import judge
from engine.evidence.saliency import Saliency
from engine.intake import load_volume
from engine.jobs.work import KINDS, rooms
from engine.jobs.work.report import METHOD
from engine.learners import Support, learner
from engine.nouns import Case, Geometry, Note
from engine.projects.database import StoreError
from engine.projects.digest import marks_digest
from engine.projects.export import NOTICE, NOTICE_ZH
from engine.reports.fonts import MISSING, printable
from engine.reports.pictures import RING, map_picture, near_picture

LABELLED, ASKED = 6, 3
SPACING = (5.0, 2.0, 2.0)
A4_POINTS = (595, 842)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty data folder that the jobs open instead of the one opened before."""
    monkeypatch.setenv("HANDFUL_DATA_DIR", str(tmp_path / "data"))
    for each in (rooms.settings, rooms.store, rooms.queue):
        each.cache_clear()
    yield tmp_path / "data"
    for each in (rooms.settings, rooms.store, rooms.queue):
        each.cache_clear()


def put_case(project: str, name: str, kind: str, home) -> None:
    """A case in the store, with voxels and a map already drawn where it has a picture."""
    shape = (4, 40, 40) if kind == "volume" else (5,)
    kept = {} if kind == "volume" else {"table": "t", "row": 1, "title": f"Row {name}"}
    measured = Geometry(spacing_mm=SPACING) if kind == "volume" else Geometry(measured=False)
    case = Case(name, kind, name, shape, measured, f"patient-{name}", modality="CT", is_hu=True, kept=kept,
                notes=(Note("warning.derived"),) if name == "q0" else ())  # fmt: skip
    if kind == "volume":
        folder = home / "cases" / name
        folder.mkdir(parents=True)
        voxels = np.random.default_rng(0).integers(-900, 100, shape).astype(np.int16)
        np.save(folder / "voxels.npy", voxels)
        (folder / "case.json").write_text(json.dumps(case.to_json()))
    rooms.store().add_case(project, case)


def put_map(run: str, case: str, home) -> None:
    marks = np.zeros((4, 8, 8), np.float32)
    marks[2, 2, 5] = 1
    geometry = Geometry(spacing_mm=(SPACING[0], 10.0, 10.0), origin_mm=(4.0, 4.0, 0.0))
    saliency = Saliency(marks, geometry, (0, 1, 2, 3), (2,), METHOD, "a", None, None, Note("evidence.map_sound"))
    (home / "overlays").mkdir(exist_ok=True)
    saliency.save(home / "overlays" / f"{run}-{case}-{METHOD}.npz")


def a_run(home, kind: str = "volume", classes: tuple[str, str] = ("a", "b")):
    """Six labelled cases and three asked about, judged by prototypes over numbers."""
    store, ids, asked = rooms.store(), [f"s{i}" for i in range(LABELLED)], [f"q{i}" for i in range(ASKED)]
    project = store.create_project("Nodules 结节", list(classes)).id
    for name in (*ids, *asked):
        put_case(project, name, kind, home)
    for i, case in enumerate(ids):
        store.set_label(project, case, classes[i % 2], reader="AB" if i < 3 else "CD")
    embeddings = torch.from_numpy(np.random.default_rng(1).normal(size=(LABELLED + ASKED, 8)).astype(np.float32))
    support = Support(embeddings[:LABELLED], torch.arange(2).repeat(3), classes, tuple(ids))
    judged, _ = judge(learner("protonet"), support, ids, embeddings[LABELLED:], asked, asked)
    raw = judged.to_json()
    predictions = {p["case"]: {**p, "places": []} for p in raw.pop("predictions")}
    marks = marks_digest(store.labels(project), {}, {})
    told = [{"case": c, "label": classes[i % 2], "at_mm": None} for i, c in enumerate(ids)]
    record = {**raw, "seed": 0, "look": "whole", "asked_look": "whole", "marks": marks, "support": told,
              "split": {"same_patient": []}, "versions": {"handful": "1", "torch": "2", "python": "3"},
              "hashes": {"encoder": "e1"}, "seconds": {"predictions": 0.5}}  # fmt: skip
    run = store.file_run(project, record, predictions)
    if kind == "volume":
        for case in asked:
            put_map(run.id, case, home)
    return run


def written(run, home, language: str = "en") -> dict[str, bytes]:
    result = KINDS["report"](
        {"project": run.project_id, "language": language, "reader": "AB"}, lambda *_: None, lambda: False, home
    )
    return {f["what"]: (home / "downloads" / f["download"] / f["name"]).read_bytes() for f in result["files"]}


def pages(pdf: bytes) -> list[str]:
    with pypdfium2.PdfDocument(pdf) as document:
        sizes = [document.get_page_size(i) for i in range(len(document))]
        assert all(np.allclose(size, A4_POINTS, atol=1) for size in sizes)
        return [page.get_textpage().get_text_bounded() for page in document]


def squeezed(text: str) -> str:
    """Without the breaks that laying out puts in."""
    return re.sub(r"\s+", "", text)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_pdf_says_what_it_is_not_on_every_page_and_every_prediction_with_its_range(home, language):
    run = a_run(home)
    texts = pages(written(run, home, language)["pdf"])
    notice = squeezed({"en": NOTICE, "zh": NOTICE_ZH}[language])
    assert len(texts) > 1 and all(notice in squeezed(text) for text in texts)
    whole = squeezed("".join(texts))
    for raw in rooms.store().predictions(run.id).values():
        at = raw["classes"].index(raw["predicted"])
        probability, low, high = (f"{raw[k][at]:.2f}" for k in ("probabilities", "low", "high"))
        assert f"{raw['predicted']}{probability}{low}–{high}" in whole
        assert f"{probability}({low}–{high})" in whole  # beside its picture
    assert squeezed("Nodules 结节") in whole and "AB" in whole and "CD" in whole
    assert squeezed({"en": "one patient left out", "zh": "逐一留出患者"}[language]) in whole


def test_the_pdf_carries_its_fonts_and_reaches_for_nothing(home):
    pdf = written(a_run(home), home, "zh")["pdf"]
    assert pdf.count(b"/FontFile2") >= 2 and b"STSong" not in pdf
    for way_out in (b"/URI", b"/JavaScript", b"/Launch", b"/GoToR", b"/EmbeddedFile"):
        assert way_out not in pdf
    assert len(pdf) < 2_000_000


def test_the_pdf_names_the_hash_of_the_json_beside_it(home):
    files = written(a_run(home), home)
    assert hashlib.sha256(files["json"]).hexdigest() in squeezed("".join(pages(files["pdf"])))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def test_the_html_holds_everything_itself_and_runs_nothing_whatever_a_class_is_called(home):
    run = a_run(home, classes=("<script>alert(1)</script>", "b|*"))
    files = written(run, home)
    reader = _Reader()
    reader.feed(files["html"].decode())
    assert "script" not in {tag for tag, _ in reader.tags}
    sources = [a["src"] for _, a in reader.tags if "src" in a]
    assert len(sources) == 4 * ASKED and all(s.startswith("data:image/jpeg;base64,") for s in sources)
    assert not [a["href"] for _, a in reader.tags if "href" in a]
    assert "\\<script\\>" in files["card"].decode() and "b\\|\\*" in files["card"].decode()
    assert "<script>alert(1)</script>" in "".join(squeezed(t) for t in pages(files["pdf"]))


def test_the_json_is_the_run_itself(home):
    run = a_run(home)
    raw = json.loads(written(run, home)["json"])
    assert {p["case"]: p for p in raw["predictions"]} == rooms.store().predictions(run.id)
    assert [each["label"] for each in raw["labelled"]] == ["a", "b"] * 3
    assert [each["reader"] for each in raw["labelled"]] == ["AB"] * 3 + ["CD"] * 3
    assert raw["run"]["tested"] == rooms.store().run(run.id).record["tested"] and raw["run"]["id"] == run.id
    assert raw["audit_newest"] in {row.hash for row in rooms.store().audit_rows()}
    assert raw["notice"] == [NOTICE, NOTICE_ZH] and not raw["run"]["labels_changed_since"]


def test_a_report_of_earlier_labels_says_so(home):
    run = a_run(home)
    rooms.store().set_label(run.project_id, "q0", "a", reader="AB")
    files = written(run, home)
    assert json.loads(files["json"])["run"]["labels_changed_since"]
    assert "Labelshavechangedsincethisrun." in squeezed("".join(pages(files["pdf"])))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_rows_of_a_table_are_reported_without_pictures(home, language):
    files = written(a_run(home, kind="record"), home, language)
    whole = squeezed("".join(pages(files["pdf"])))
    assert {"en": "Rowq0", "zh": "第q0行"}[language] in whole and b"/DCTDecode" not in files["pdf"]


def test_a_number_stands_with_its_unit_and_interval(home):
    run = a_run(home, kind="record")
    store = rooms.store()
    told = [{**each, "label": 20 + i} for i, each in enumerate(run.record["support"])]
    near = [{"case": "s0", "label": 20, "distance": 1.0}]
    numbers = {
        "q0": {"case": "q0", "value": 23.456, "low": 20.5, "high": 26.5, "unit": "mmol/L", "neighbours": near},
        "q1": {"case": "q1", "value": 21.0, "low": None, "high": None, "unit": "mmol/L", "neighbours": []},
    }
    held = {"count": 40, "mae": 2.5, "inside": 22, "low": 0.385, "high": 0.707}
    record = {**run.record, "support": told, "classes": [], "notes": [], "held_back": held}
    later = store.file_run(run.project_id, record, numbers)
    whole = squeezed("".join(pages(written(later, home)["pdf"])))
    assert "23.46mmol/L20.5–26.5mmol/L" in whole and "21mmol/L–" in whole
    assert squeezed("22 of these 40 lay in their 80 % interval") in whole


def test_without_a_run_the_job_says_so(home):
    project = rooms.store().create_project("X", ["a", "b"])
    with pytest.raises(StoreError):
        KINDS["report"]({"project": project.id, "language": "en"}, lambda *_: None, lambda: False, home)


def test_the_model_card_holds_test_limits_and_the_notice(home):
    run = a_run(home)
    card = written(run, home)["card"].decode()
    tested = run.record["tested"]
    assert f"{tested['right']} / {tested['count']}" in card and "Not for diagnosis" in card and NOTICE in card
    assert "Snell J, Swersky K" in card


def test_a_mark_lies_over_the_voxel_it_belongs_to_and_the_ring_around_the_place(home):
    run = a_run(home)
    volume = load_volume(home / "cases" / "q0")
    saliency = Saliency.load(home / "overlays" / f"{run.id}-q0-{METHOD}.npz")
    place = (54.0, 24.0, 10.0)  # x, y, z in mm: the map's one mark, row 2 and column 5 of 10 mm from 4 mm on
    jpeg, at = map_picture(volume, saliency, None)
    drawn = np.asarray(Image.open(io.BytesIO(jpeg))).astype(int)
    assert at == 2
    warmth = drawn[..., 0] - drawn[..., 2]
    row, column = np.unravel_index(warmth.argmax(), warmth.shape)
    scale = drawn.shape[1] / (40 * SPACING[2])
    assert np.allclose((column / scale, row / scale), (place[0] + 1, place[1] + 1), atol=3)
    close = np.asarray(Image.open(io.BytesIO(near_picture(volume, place)))).astype(int)
    middle = close.shape[0] // 2
    ring = np.flatnonzero(np.abs(close[middle] - np.array(RING)).sum(1) < 120)
    assert len(ring) >= 2 and np.allclose(np.abs(ring - middle), 50, atol=4)  # 15 mm of 90 in 300 pixels


def test_a_character_that_the_fonts_lack_is_shown_as_a_box_not_left_out():
    assert printable("肺结节 smooth ± 5 µm") == "肺结节 smooth ± 5 µm"
    assert printable("a\U0001f600b\U00020000") == f"a{MISSING}b{MISSING}"
