"""The process that touches foreign bytes: one JSON request a line on stdin, one JSON answer a line on stdout.

It runs under limits that it sets on itself before the first request (address space, file size, no core dumps) and is
killed by its parent (`bounded`) when it takes too long. It imports no torch. Start it with
`python -m engine.intake.child MEMORY FILE_SIZE`.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.intake.limits import Limits
from engine.intake.refusal import Refusal
from engine.nouns import Note

Request = dict[str, Any]
Answer = dict[str, Any]


class Readers:
    """The operations, with the file that was read last kept open between requests. `limits` bound each of them."""

    def __init__(self, limits: Limits) -> None:
        import pydicom

        from engine.intake import archive, dicom_pixels

        pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
        self.limits = limits
        self.opened = dicom_pixels.Opened()
        self.archive = archive.Opened()

    def answer(self, request: Request) -> Answer:
        """The answer to one request. Never raises for what a file holds: that becomes {"refused": note}."""
        operation: Callable[[Request], Answer] = getattr(self, f"do_{request['op']}")
        try:
            return operation(request)
        except Refusal as refusal:
            return {"refused": refusal.note.to_json()}
        except MemoryError:
            return {"refused": Note("refused.memory").to_json(), "tired": True}
        except RecursionError:
            return {"refused": Note("refused.nested", {"limit": self.limits.depth}).to_json(), "tired": True}
        except Exception as error:  # one boundary: decoders raise anything on damaged input (safety study, fact 4)
            if getattr(error, "errno", None) in (28, 122):  # no space left, quota exceeded: not the file's fault
                return {"failed": "no_space"}
            return {"refused": Note("refused.unreadable", {"detail": type(error).__name__}).to_json()}

    def do_look(self, request: Request) -> Answer:
        """What a file is, and the header that grouping needs."""
        from engine.intake import pictures, sniff

        path = Path(request["path"])
        kind = sniff.kind_of(path)
        if kind in ("dicom", "bare"):
            from engine.intake.dicom_header import read_header

            return {"kind": "dicom", "header": read_header(path, self.limits).to_json()}
        if kind == "dicomdir":
            from engine.intake.dicom_header import listed_files

            return {"kind": kind, "listed": listed_files(path, self.limits)}
        if kind == "picture":
            return {"kind": kind, **pictures.look(path, self.limits)}
        return {"kind": kind}

    def do_elements(self, request: Request) -> Answer:
        """Names of all top-level elements of a DICOM file."""
        from engine.intake.dicom_header import read_header

        return {"elements": read_header(Path(request["path"]), self.limits, list_elements=True).elements}

    def do_zip_list(self, request: Request) -> Answer:
        return self.archive.list(Path(request["path"]), self.limits)

    def do_zip_member(self, request: Request) -> Answer:
        return self.archive.unpack(Path(request["path"]), request["member"], Path(request["out"]), self.limits)

    def do_create(self, request: Request) -> Answer:
        from engine.intake import voxels

        voxels.create(Path(request["out"]), tuple(request["shape"]), request["dtype"])
        return {}

    def do_slice(self, request: Request) -> Answer:
        """Decode one DICOM slice, write it at its place, and say its facts."""
        from engine.intake import dicom_pixels, finish, voxels

        plan = request["plan"]
        ds = self.opened.open(Path(request["path"]), self.limits)
        stored = dicom_pixels.stored_values(ds, request["frame"], *plan["size"])
        turn = {"hu": dicom_pixels.to_hu, "grey": dicom_pixels.to_grey, "colour": dicom_pixels.to_colour}[plan["how"]]
        values, told = turn(stored, plan)
        if request.get("middle") and plan["how"] == "hu":
            told["darkest"] = finish.darkest(values)
        if request["out"]:
            voxels.write_slice(Path(request["out"]), tuple(request["shape"]), plan["dtype"], request["index"], values)
        return voxels.facts_of(values, told)

    def do_picture(self, request: Request) -> Answer:
        from engine.intake import pictures, voxels

        values, told = pictures.read(Path(request["path"]), request["frame"], request["plan"], self.limits)
        if request["out"]:
            shape, dtype = tuple(request["shape"]), request["plan"]["dtype"]
            voxels.write_slice(Path(request["out"]), shape, dtype, request["index"], values)
        return voxels.facts_of(values, told)

    def do_whole(self, request: Request) -> Answer:
        """Read a NIfTI or NRRD file at once: one file is one volume."""
        from engine.intake import whole

        out = Path(request["out"]) if request["out"] else None
        return whole.read(Path(request["path"]), request["kind"], out, self.limits)

    def do_fill(self, request: Request) -> Answer:
        from engine.intake import finish

        finish.fill(Path(request["out"]), request["index"], request["below"], request["above"])
        return {}

    def do_finish(self, request: Request) -> Answer:
        from engine.intake import finish

        return finish.finish(Path(request["out"]), Path(request["thumb"]), request)


def limit_self(memory: int, file_size: int) -> None:
    """Bound this process: address space, size of a written file, no core dump with patients' pixels in it."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    limits = Limits(**json.loads(sys.argv[1]))
    limit_self(limits.memory, limits.volume_bytes + (1 << 20))
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)  # decoders print; the answers must stay clean
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    readers = Readers(limits)
    for line in sys.stdin:
        answer = readers.answer(json.loads(line))
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
        if answer.get("tired"):  # after memory ran out nothing can be trusted: the parent starts a fresh child
            return


if __name__ == "__main__":
    main()
