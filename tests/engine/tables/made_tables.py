"""Made tables, workbooks and records of known content, and the reader without its process."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.intake.limits import Limits
from engine.tables import Table, first_table, reading
from engine.tables.child import TableReaders

KEY = b"tests keep patients secret with this"[:32]


class InThisProcess:
    """Stands in for the bounded process: the same operations, without its second of start."""

    def __init__(self, limits: Limits, cancelled: Any = None, *, readers: str = "") -> None:
        self.readers = TableReaders(limits)

    def __enter__(self) -> InThisProcess:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def ask(self, op: str, *, seconds: float, **request: Any) -> dict[str, Any]:
        return json.loads(json.dumps(self.readers.answer(json.loads(json.dumps({"op": op, **request})))))


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "Bounded", InThisProcess)


def read_text(folder: Path, text: str, encoding: str = "utf-8", name: str = "made.csv") -> Table:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return first_table(path)


def table_of(units: dict[str, str] | None = None, **columns: Any) -> Table:
    """A table of these columns, without a file."""
    frame = pd.DataFrame(columns)
    for name in frame.columns:
        if frame[name].dtype.kind in "iub":
            frame[name] = frame[name].astype("float64")
    return Table("made", frame, np.arange(2, len(frame) + 2), units or {})


def notes_of(table: Table, key: str) -> list[dict[str, Any]]:
    return [dict(note.values) for note in table.notes if note.key == f"table.{key}"]


def workbook(path: Path, sheets: dict[str, list[list[str]]], hidden: tuple[str, ...] = ()) -> Path:
    """A minimal .xlsx (ECMA-376). A cell is raw XML of a <c> element's inside, or "" for none; see `text`, `value`."""
    with zipfile.ZipFile(path, "w") as book:
        kinds = "".join(
            f'<Override PartName="/xl/worksheets/sheet{i}.xml" ContentType="application/vnd.openxmlformats-'
            f'officedocument.spreadsheetml.worksheet+xml"/>'
            for i in range(1, len(sheets) + 1)
        )
        book.writestr(
            "[Content_Types].xml",
            '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            '<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.'
            f'spreadsheetml.sheet.main+xml"/>{kinds}</Types>',
        )
        office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
        package = "http://schemas.openxmlformats.org/package/2006/relationships"
        main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
        book.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{package}"><Relationship Id="r1" Type="{office}/officeDocument" '
            'Target="xl/workbook.xml"/></Relationships>',
        )
        listed, links = "", ""
        for i, (name, rows) in enumerate(sheets.items(), start=1):
            state = ' state="hidden"' if name in hidden else ""
            listed += f'<sheet name="{name}" sheetId="{i}"{state} r:id="r{i}"/>'
            links += f'<Relationship Id="r{i}" Type="{office}/worksheet" Target="worksheets/sheet{i}.xml"/>'
            body = ""
            for r, row in enumerate(rows, start=1):
                cells = "".join(f'<c r="{chr(65 + c)}{r}"{cell}</c>' for c, cell in enumerate(row) if cell)
                body += f'<row r="{r}">{cells}</row>'
            book.writestr(
                f"xl/worksheets/sheet{i}.xml", f'<worksheet xmlns="{main}"><sheetData>{body}</sheetData></worksheet>'
            )
        book.writestr(
            "xl/workbook.xml", f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>{listed}</sheets></workbook>'
        )
        book.writestr("xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{package}">{links}</Relationships>')
    return path


def text(words: str) -> str:
    return f' t="inlineStr"><is><t>{words}</t></is>'


def value(number: float) -> str:
    return f"><v>{number}</v>"


def formula(what: str, stored: float | None = None) -> str:
    return f"><f>{what}</f>" + ("<v/>" if stored is None else f"<v>{stored}</v>")


def patient(id_: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": id_,
        "gender": "female",
        "birthDate": "1950-01-01",
        "name": [{"family": "Plantedname", "given": ["Secretgiven"]}],
        "deceasedBoolean": False,
        **more,
    }


def observation(id_: str, code: str, name: str, number: float, day: str, unit: str = "mg/dL") -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "subject": {"reference": f"Patient/{id_}"},
        "code": {"coding": [{"system": "http://loinc.org", "code": code, "display": name}]},
        "effectiveDateTime": day,
        "valueQuantity": {"value": number, "unit": unit, "code": unit},
    }


def condition(id_: str, code: str, name: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "subject": {"reference": f"urn:uuid:{id_}"},
        "onsetDateTime": "2019-05-01",
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": code, "display": name}]},
        **more,
    }


def bundle(*resources: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in resources]}
