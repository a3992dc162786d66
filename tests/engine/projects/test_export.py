"""A project as one file: opens elsewhere as it was, and a file that somebody tampered with does not open."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from engine.nouns import Place
from engine.projects import UNSURE, Store, StoreError
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
    "label of no class": lambda m: _about(m, lambda a: a["labels"].update(case0="lumpy")),
    "labels are a list": lambda m: _about(m, lambda a: a.update(labels=[1])),
    "place without a centre": lambda m: _about(m, lambda a: a["places"].update(case0=[{"shape": "point"}])),
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
