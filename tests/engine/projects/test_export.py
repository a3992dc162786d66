"""A project as one file: opens elsewhere as it was, and a file that somebody tampered with does not open."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from engine.nouns import Place
from engine.projects import UNSURE, Store, StoreError, blind
from tests.engine.projects.conftest import make_case, write_case


@pytest.fixture
def cases_dir(tmp_path):
    folder = tmp_path / "cases"
    for number in range(6):
        write_case(folder, make_case(number))
    np.savez(folder / "case0" / "encoding-ab12.npz", embedding=np.ones(4, np.float32))
    (folder / "case0" / "secret.txt").write_text("stays here")
    return folder


@pytest.fixture
def exported(store, project, cases_dir, tmp_path):
    store.set_label(project.id, "case0", "smooth")
    store.set_label(project.id, "case2", UNSURE)
    store.set_place(project.id, "case0", Place((1, 2, 3)))
    store.set_place(project.id, "case0", Place((4, 5, 6)), add=True)
    store.set_region(project.id, "case1", Place((0, 0, 0), (9, 9, 9), "box"))
    store.file_run(project.id, {"learner": "protonet"}, {"case3": {"smooth": 0.75}})
    return store.export_project(project.id, tmp_path / "nodules.handful", cases_dir)


@pytest.fixture
def elsewhere(tmp_path):
    return Store(tmp_path / "elsewhere" / "handful.db")


def test_a_project_opens_elsewhere_as_it_was(store, project, cases_dir, exported, elsewhere, tmp_path):
    there = tmp_path / "elsewhere" / "cases"
    opened = elsewhere.import_project(exported, there)
    assert elsewhere.project(opened).classes == project.classes
    assert [c.case for c in elsewhere.cases(opened)] == [c.case for c in store.cases(project.id)]
    assert elsewhere.labels(opened) == {"case0": "smooth", "case2": UNSURE}
    assert elsewhere.places(opened) == store.places(project.id)
    assert elsewhere.regions(opened) == store.regions(project.id)
    assert elsewhere.predictions(elsewhere.latest_run(opened).id) == {"case3": {"smooth": 0.75}}
    for number in range(6):
        name = f"case{number}/voxels.npy"
        assert (there / name).read_bytes() == (cases_dir / name).read_bytes()
    assert (there / "case0" / "encoding-ab12.npz").exists()
    assert not (there / "case0" / "secret.txt").exists()
    assert [p for p in there.iterdir() if p.name.startswith(".")] == []


def test_every_readers_words_travel_also_what_was_said_before_the_blind_was_lifted(
    store, project, cases_dir, elsewhere, tmp_path
):
    """Three readers, an undo, a cleared label, a class renamed and one removed: all is there as it is here."""
    for i in range(6):
        for name, at in (("AB", 0), ("CD", i % 2), ("EF", 1)):
            store.set_label(project.id, f"case{i}", project.classes[at], reader=name)
    store.set_place(project.id, "case0", Place((1, 2, 3)), reader="AB")
    store.set_place(project.id, "case0", Place((7, 8, 9)), reader="CD")
    store.set_region(project.id, "case1", Place((0, 0, 0), (9, 9, 9), "box"), reader="EF")
    blind.begin(store, project.id, reader="AB")
    store.set_label(project.id, "case5", UNSURE, reader="CD")
    store.undo(project.id, reader="CD")
    store.set_label(project.id, "case4", None, reader="EF")
    blind.lift(store, project.id, reader="AB")
    store.set_label(project.id, "case3", "smooth", reader="EF")  # after they have talked
    store.rename_class(project.id, "spiculated", "spiky")
    file = store.export_project(project.id, tmp_path / "read.handful", cases_dir)
    opened = elsewhere.import_project(file, tmp_path / "elsewhere" / "cases", reader="GH")
    until = blind.lifted(elsewhere.project(opened).settings)
    assert until == blind.lifted(store.project(project.id).settings)
    assert elsewhere.readers(opened) == store.readers(project.id)
    for name in (None, "AB", "CD", "EF"):
        for when in (None, until):
            own = {"reader": name, "until": when}
            assert elsewhere.labels(opened, **own) == store.labels(project.id, **own)
        assert elsewhere.places(opened, reader=name) == store.places(project.id, reader=name)
        assert elsewhere.regions(opened, reader=name) == store.regions(project.id, reader=name)
    assert elsewhere.undo(opened).value == store.undo(project.id).value == "spiky"
    assert elsewhere.verify_audit().whole


def test_numbers_of_two_readers_travel(store, cases_dir, elsewhere, tmp_path):
    measured = store.create_project("Volumes", settings={"target": "number", "unit": "mL"}).id
    store.add_case(measured, make_case(0))
    store.set_number(measured, "case0", 3.5, reader="AB")
    store.set_number(measured, "case0", 4.0, reader="CD")
    file = store.export_project(measured, tmp_path / "volumes.handful", cases_dir)
    opened = elsewhere.import_project(file, tmp_path / "elsewhere" / "cases")
    assert [elsewhere.labels(opened, reader=name)["case0"] for name in ("AB", "CD")] == [3.5, 4.0]


def test_a_file_of_an_earlier_handful_opens_with_its_newest_labels(store, project, exported, elsewhere, tmp_path):
    earlier = _rewritten(exported, tmp_path / "earlier.handful", lambda m: _earlier(m, lambda about: None))
    opened = elsewhere.import_project(earlier, tmp_path / "elsewhere" / "cases", reader="GH")
    assert elsewhere.labels(opened, reader="GH") == {"case0": "smooth", "case2": UNSURE}
    assert elsewhere.places(opened) == store.places(project.id)


def test_opening_where_the_cases_are_already_makes_a_second_project_of_the_same_cases(store, exported, cases_dir):
    opened = store.import_project(exported, cases_dir)
    assert len(store.projects()) == 2
    assert len(store.cases(opened)) == 6


def test_a_patient_known_here_stays_one_patient(exported, elsewhere, tmp_path):
    """Elsewhere codes differ: case0 came in there too, as patient "q". case1 of the file is of the same patient."""
    own = elsewhere.create_project("own")
    elsewhere.add_case(own.id, make_case(0, "q"))
    write_case(tmp_path / "elsewhere" / "cases", make_case(0, "q"))
    opened = elsewhere.import_project(exported, tmp_path / "elsewhere" / "cases")
    patients = {each.id: each.patient for each in elsewhere.cases(opened)}
    assert patients["case0"] == patients["case1"] == "q"
    assert patients["case2"] == patients["case3"] == "p1"


def _rewritten(source: Path, target: Path, change) -> Path:
    """The file with its members changed by `change(name -> bytes)`."""
    with zipfile.ZipFile(source) as packed:
        members = {name: packed.read(name) for name in packed.namelist()}
    change(members)
    with zipfile.ZipFile(target, "w") as packed:
        for name, raw in members.items():
            packed.writestr(name, raw)
    return target


def _about(members, edit):
    about = json.loads(members["project.json"])
    edit(about)
    members["project.json"] = json.dumps(about).encode()


def _earlier(members, edit):
    """As an earlier Handful wrote it: the newest of all readers and no marks of each."""
    _about(members, lambda about: (about.pop("marks"), edit(about)))


CHANGES = {
    "no description": lambda m: m.pop("project.json"),
    "description is no JSON": lambda m: m.update({"project.json": b"{"}),
    "description is a list": lambda m: m.update({"project.json": b"[]"}),
    "newer": lambda m: _about(m, lambda a: a.update(handful_project=99)),
    "voxels changed": lambda m: m.update({"cases/case0/voxels.npy": b"x" * len(m["cases/case0/voxels.npy"])}),
    "voxels missing": lambda m: m.pop("cases/case0/voxels.npy"),
    "voxels not announced": lambda m: _about(m, lambda a: a["files"].pop("cases/case0/voxels.npy")),
    "climbs out": lambda m: _about(m, lambda a: a["files"].update({"cases/../../x.npz": {"bytes": 1, "sha256": ""}})),
    "id climbs out": lambda m: _about(m, lambda a: a["cases"][0].update(id="../x")),
    "unknown kind of file": lambda m: _about(
        m, lambda a: a["files"].update({"cases/case0/run.py": {"bytes": 1, "sha256": ""}})
    ),
    "too large": lambda m: _about(m, lambda a: a["files"]["cases/case0/voxels.npy"].update(bytes=10**15)),
    "other shape": lambda m: _about(m, lambda a: a["cases"][0].update(shape=[9, 9, 9])),
    "label of no class": lambda m: _earlier(m, lambda a: a["labels"].update(case0="lumpy")),
    "labels are a list": lambda m: _earlier(m, lambda a: a.update(labels=[1])),
    "place without a centre": lambda m: _earlier(m, lambda a: a["places"].update(case0=[{"shape": "point"}])),
    "mark of no class": lambda m: _about(m, lambda a: a["marks"][0].update(value="lumpy")),
    "mark of another kind": lambda m: _about(m, lambda a: a["marks"][0].update(kind="verdict")),
    "mark takes back a later one": lambda m: _about(m, lambda a: a["marks"][0].update(undoes=1)),
    "mark without a time": lambda m: _about(m, lambda a: a["marks"][0].update(at="yesterday")),
    "reader is a page": lambda m: _about(m, lambda a: a["marks"][0].update(reader="x" * 500)),
    "place is a number": lambda m: _about(m, lambda a: a["marks"][2].update(value=3)),
    "note nobody knows": lambda m: _about(m, lambda a: a["cases"][0].update(notes=[{"key": "evil", "values": {}}])),
    "flat geometry": lambda m: _about(m, lambda a: a["cases"][0]["geometry"].update(spacing_mm=[0, 0, 0])),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_file_that_was_tampered_with_opens_nothing(exported, elsewhere, tmp_path, change):
    there = tmp_path / "elsewhere" / "cases"
    with pytest.raises(StoreError) as caught:
        elsewhere.import_project(_rewritten(exported, tmp_path / "changed.handful", change), there)
    assert caught.value.note.key.startswith(("project_file.", "store.class_unknown"))
    assert elsewhere.projects() == []
    assert not there.exists() or list(there.iterdir()) == []


def test_a_pickle_in_place_of_voxels_is_not_loaded(exported, elsewhere, tmp_path):
    import hashlib
    import io

    raw = io.BytesIO()
    np.save(raw, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    told = {"bytes": len(raw.getvalue()), "sha256": hashlib.sha256(raw.getvalue()).hexdigest()}

    def change(members):
        members["cases/case0/voxels.npy"] = raw.getvalue()
        _about(members, lambda a: a["files"].update({"cases/case0/voxels.npy": told}))

    with pytest.raises(StoreError, match="damaged"):
        elsewhere.import_project(_rewritten(exported, tmp_path / "c.handful", change), tmp_path / "elsewhere" / "cases")


def test_something_else_than_a_project_file_is_refused(elsewhere, tmp_path):
    path = tmp_path / "holiday.jpg"
    path.write_bytes(b"\xff\xd8 not a zip")
    with pytest.raises(StoreError, match=r"holiday\.jpg is not a project"):
        elsewhere.import_project(path, tmp_path / "cases")
