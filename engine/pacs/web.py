"""DICOMweb (PS3.18): search for studies and series (QIDO-RS), fetch their images (WADO-RS), store results (STOW-RS).

Search, metadata and store are dicomweb-client's. Images stream to the disk as they come, one file an instance, bounded
in size and never decoded here: they go through the same door as an upload.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests
from dicomweb_client.api import DICOMwebClient
from pydicom.dataset import Dataset
from requests.adapters import HTTPAdapter

from engine.nouns import Note
from engine.pacs.address import Address
from engine.sentences import Refusal

SECONDS = (10, 120)  # to connect; between two pieces of an answer
MOST_STUDIES = 100  # shown; a narrower search finds the others
MOST_ASKED = 1000  # where the PACS can't tell them apart and we have to
_STUDY_FIELDS = ["StudyDescription", "ModalitiesInStudy", "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances"]
MOST_INSTANCE_BYTES = 4 * 1024**3  # as one file of an upload
_PIECE = 1024**2
_HEAD = 64 * 1024  # of a part of a multipart answer


@dataclass(frozen=True)
class Found:
    """A study as the PACS lists it. Names and dates stand here in memory only and are never kept."""

    uid: str
    patient: str
    patient_id: str
    date: str
    description: str
    modalities: str
    series: int
    instances: int


@dataclass(frozen=True)
class Series:
    """A series of a study."""

    study: str
    uid: str
    modality: str
    description: str
    instances: int


class _PlainStars(HTTPAdapter):
    """Sends "*" as it is, as RFC 3986 allows: Orthanc's plugin 1.7 takes "%2A" for three characters."""

    def send(self, request, *args, **kwargs):
        request.url = request.url.replace("%2A", "*")
        return super().send(request, *args, **kwargs)


class Web:
    """A PACS by its DICOMweb address. Every method raises Refusal with a sentence where the PACS does not do it."""

    def __init__(self, address: Address) -> None:
        if not address.web:
            raise Refusal(Note("pacs.no_address"))
        session = requests.Session()
        session.trust_env = False  # no proxy stands between a hospital's machines, and no .netrc speaks for a person
        session.max_redirects = 0
        for scheme in ("http://", "https://"):
            session.mount(scheme, _PlainStars())
        if address.user:
            session.auth = (address.user, address.password)
        self._session, self._root = session, address.web.rstrip("/")
        self._client = DICOMwebClient(self._root, session=session, timeout=SECONDS)
        self._client.set_http_retry_params(retry=False)

    def search(self, patient: str = "", date: str = "", description: str = "") -> list[Found]:
        """Studies by patient's name or number, date (YYYYMMDD or a range "A-B") and description, newest first.

        A word matches anywhere in its field, upper case or not; all fields empty lists the newest. What a PACS may
        read wrongly in an address (Chinese, spaces) is asked for with a wildcard and looked for here.
        """
        filters = {"StudyDate": date} if date else {}
        if description.strip():
            filters["StudyDescription"] = _anywhere(description)
        asked = [filters]
        if patient.strip():
            asked = [{**filters, "PatientName": _anywhere(patient)}, {**filters, "PatientID": _anywhere(patient)}]
        found: dict[str, Found] = {}
        with saying():
            for each in asked:
                rows = self._client.search_for_studies(search_filters=each, limit=MOST_ASKED, fields=_STUDY_FIELDS)
                for row in rows:
                    study = _found(Dataset.from_json(row))
                    if _has(study.description, description) and _has(f"{study.patient}\n{study.patient_id}", patient):
                        found.setdefault(study.uid, study)
        return sorted(found.values(), key=lambda s: s.date, reverse=True)[:MOST_STUDIES]

    def series(self, study: str) -> list[Series]:
        """The series of a study."""
        with saying():
            rows = self._client.search_for_series(study, fields=["SeriesDescription", "NumberOfSeriesRelatedInstances"])
        found = []
        for row in rows:
            each = Dataset.from_json(row)
            count = int(each.get("NumberOfSeriesRelatedInstances") or 0)
            found.append(
                Series(
                    study, str(each.SeriesInstanceUID), _text(each, "Modality"), _text(each, "SeriesDescription"), count
                )
            )
        return found

    def headers(self, series: Series) -> list[Dataset]:
        """The headers of all images of a series, without pixels."""
        with saying():
            rows = self._client.retrieve_series_metadata(series.study, series.uid)
        return [Dataset.from_json(row, bulk_data_uri_handler=lambda *_: b"") for row in rows]

    def instances(self, series: Series) -> list[str]:
        """The instance UIDs of a series."""
        with saying():
            rows = self._client.search_for_instances(series.study, series.uid)
        return [str(Dataset.from_json(row).SOPInstanceUID) for row in rows]

    def fetch(self, series: Series, instance: str, into: Path, cancelled: Callable[[], bool] = lambda: False) -> int:
        """One image as the PACS keeps it, streamed to the file `into`; returns its bytes."""
        url = f"{self._root}/studies/{_uid(series.study)}/series/{_uid(series.uid)}/instances/{_uid(instance)}"
        accept = 'multipart/related; type="application/dicom"; transfer-syntax=*'
        with saying(), self._session.get(url, headers={"Accept": accept}, stream=True, timeout=SECONDS) as answer:
            answer.raise_for_status()
            boundary = _boundary(answer.headers.get("Content-Type", ""))
            size = 0
            with into.open("wb") as out:
                for piece in only_part(answer.iter_content(_PIECE), boundary):
                    size += len(piece)
                    if size > MOST_INSTANCE_BYTES:
                        raise Refusal(Note("pacs.too_large", {"limit": MOST_INSTANCE_BYTES // 1024**3}))
                    if cancelled():
                        break
                    out.write(piece)
        return size

    def store(self, objects: Sequence[Dataset], study: str) -> None:
        """Sends objects into a study. Raises Refusal where the PACS takes fewer than all."""
        with saying():
            answer = self._client.store_instances(list(objects), study)
        taken = len(answer.get("ReferencedSOPSequence") or ())
        if taken != len(objects):
            raise Refusal(Note("pacs.not_all_taken", {"taken": taken, "total": len(objects)}))


def only_part(pieces: Iterator[bytes], boundary: bytes) -> Iterator[bytes]:
    """The body of the first part of a multipart stream (RFC 2046 5.1), piece by piece.

    Raises Refusal where there is no such part or the stream ends before its boundary.
    """
    end, held, begun = b"\r\n--" + boundary, b"\r\n", False
    for piece in pieces:
        held += piece
        if not begun:
            start = held.find(end)
            head = held.find(b"\r\n\r\n", start) if start >= 0 else -1
            if head < 0:
                if len(held) > _HEAD:
                    break
                continue
            held, begun = held[head + 4 :], True
        if (stop := held.find(end)) >= 0:
            yield held[:stop]
            return
        # What may be the beginning of the boundary waits for the next piece.
        keep = len(end) - 1
        yield held[: max(0, len(held) - keep)]
        held = held[max(0, len(held) - keep) :]
    raise Refusal(Note("pacs.answer_broken"))


@contextmanager
def saying() -> Iterator[None]:
    """What can go wrong on the way, as a sentence; without the address, the names and the numbers that errors quote."""
    try:
        yield
    except requests.exceptions.SSLError as error:
        raise Refusal(Note("pacs.certificate")) from error
    except requests.exceptions.Timeout as error:
        raise Refusal(Note("pacs.slow")) from error
    except requests.exceptions.HTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        key = {401: "pacs.password", 403: "pacs.password", 404: "pacs.not_found"}.get(status, "pacs.said_no")
        raise Refusal(Note(key, {"status": status} if key == "pacs.said_no" else {})) from error
    except requests.exceptions.RequestException as error:
        raise Refusal(Note("pacs.not_reached")) from error
    except (KeyError, ValueError, TypeError, AttributeError) as error:  # an answer that is no DICOM JSON
        if isinstance(error, Refusal):
            raise
        raise Refusal(Note("pacs.answer_broken")) from error


def _found(row: Dataset) -> Found:
    modalities = row.get("ModalitiesInStudy") or ""
    return Found(
        str(row.StudyInstanceUID),
        _text(row, "PatientName").replace("^", " ").strip(),
        _text(row, "PatientID"),
        _text(row, "StudyDate"),
        _text(row, "StudyDescription"),
        modalities if isinstance(modalities, str) else " ".join(modalities),
        int(row.get("NumberOfStudyRelatedSeries") or 0),
        int(row.get("NumberOfStudyRelatedInstances") or 0),
    )


def _text(row: Dataset, keyword: str) -> str:
    return str(row.get(keyword) or "")


def _anywhere(word: str) -> str:
    """A word as a wildcard of letters and digits alone: some PACS do not undo the escapes of an address."""
    return re.sub(r"[^A-Za-z0-9.-]+", "*", f"*{word.strip()}*")


def _has(text: str, word: str) -> bool:
    return " ".join(word.lower().replace("^", " ").split()) in " ".join(text.lower().split(" "))


def _uid(uid: str) -> str:
    if not re.fullmatch(r"[0-9.]{1,64}", uid):
        raise Refusal(Note("pacs.answer_broken"))
    return uid


def _boundary(content_type: str) -> bytes:
    found = re.search(r'boundary="?([^";,]+)"?', content_type)
    if found is None:
        raise Refusal(Note("pacs.answer_broken"))
    return found.group(1).strip().encode("ascii", "replace")
