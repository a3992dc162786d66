"""A project as the page finds it, for tests of the steps without a browser."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import streamlit as st

from engine.nouns import Case, Geometry
from engine.projects.store import Store


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A store with one project of eight small cases of eight patients, each ready to be adapted."""
    monkeypatch.setenv("HANDFUL_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("HANDFUL_KEY_FILE", str(tmp_path / "key"))
    # AppTest has no browser and so no cookies; who signs in is the gate's matter and tested there.
    monkeypatch.setattr("dashboard.gate.reader", lambda store, port, cookies: "reader")
    st.cache_resource.clear()
    store = Store(tmp_path / "data" / "handful.db")
    yield store, eight_scans(store, tmp_path / "data")
    st.cache_resource.clear()


def eight_scans(store: Store, data_dir: Path) -> str:
    """A project of eight small cases of eight patients, case0 to case7; returns its id."""
    made = store.create_project("Nodules", ["smooth", "spiculated"])
    for i in range(8):
        case = Case(f"case{i}", "volume", f"case{i}", (4, 16, 16), Geometry(), f"patient{i}", modality="CT", is_hu=True)
        folder = data_dir / "cases" / case.id
        folder.mkdir(parents=True)
        np.save(folder / "voxels.npy", np.zeros(case.shape, np.int16))
        (folder / "case.json").write_text(json.dumps(case.to_json()))
        (folder / "encoding-test.npz").touch()
        store.add_case(made.id, case)
    return made.id
