"""The processes that touch foreign bytes. They import no torch.

`python -m engine.intake.child LIMITS MODULE:CLASS` imports the decoders of one class of readers once and then forks a
worker whenever its parent (`bounded`) hands it a pair of pipes, so that a fresh worker after a crash costs milliseconds
instead of half a second. A worker sets limits on itself (address space, file size, no core dumps), then answers one
JSON request a line with one JSON answer a line, until it is killed for taking too long or its pipe closes.
"""

from __future__ import annotations

import errno
import importlib
import json
import logging
import os
import resource
import signal
import socket
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.intake.limits import Limits
from engine.intake.refusal import Refusal
from engine.nouns import Note

FULL_DISK = (errno.ENOSPC, errno.EDQUOT)  # not the file's fault
Request = dict[str, Any]
Answer = dict[str, Any]


class Readers:
    """The operations, with the file that was read last kept open between requests. `limits` bound each of them."""

    LIMITS = Limits

    def __init__(self, limits: Limits) -> None:
        import pydicom

        from engine.intake import archive, dicom_pixels, finish, pictures, sniff, voxels  # noqa: F401  (before forking)

        for module in ("gdcm", "openjpeg", "rle", "jpeg_ls", "PIL.TiffImagePlugin"):
            importlib.import_module(module)

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
            if getattr(error, "errno", None) in FULL_DISK:
                return {"failed": "no_space"}
            return {"refused": Note("refused.unreadable", {"detail": type(error).__name__}).to_json()}
        except BaseException as error:  # a panic of a decoder written in Rust (pylibjpeg-rle) is no Exception
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise
            return {"refused": Note("refused.crashed").to_json(), "tired": True}

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
        from engine.intake import alike, pictures, voxels

        values, told = pictures.read(Path(request["path"]), request["frame"], request["plan"], self.limits)
        if request["out"]:
            shape, dtype = tuple(request["shape"]), request["plan"]["dtype"]
            voxels.write_slice(Path(request["out"]), shape, dtype, request["index"], values)
        return {**voxels.facts_of(values, told), "small": alike.in_small(values)}

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


def work(requests: int, answers: int, readers: Readers) -> None:
    """A worker's life: answer until the pipe closes, or until memory ran out and nothing can be trusted any more."""
    limit_self(readers.limits.memory, readers.limits.volume_bytes + (1 << 20))
    with os.fdopen(requests, encoding="utf-8") as lines, os.fdopen(answers, "w", encoding="utf-8") as out:
        for line in lines:
            answer = readers.answer(json.loads(line))
            out.write(json.dumps(answer) + "\n")
            out.flush()
            if answer.get("tired"):
                return


def main() -> None:
    """Fork workers on demand. Standard input is a socket to the parent: a byte brings the place of the worker and two
    file descriptors, and its process id goes back. When the parent goes away, so do the workers."""
    module, _, name = sys.argv[2].partition(":")
    readers_class = getattr(importlib.import_module(module), name)
    limits = readers_class.LIMITS(**json.loads(sys.argv[1]))
    control = socket.socket(fileno=os.dup(0))
    quiet = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):  # decoders print
        os.dup2(quiet, stream)
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    readers = readers_class(limits)
    workers: dict[int, int] = {}
    while True:
        place, handles, _, _ = socket.recv_fds(control, 1, 2)
        for gone in [workers.pop(place[0], 0)] if place else workers.values():
            end(gone)
        if not place:
            return
        worker = os.fork()
        if worker == 0:
            control.close()
            try:
                work(*handles, readers)
            finally:
                os._exit(0)
        workers[place[0]] = worker
        for handle in handles:
            os.close(handle)
        control.sendall(worker.to_bytes(8, "big"))


def end(worker: int) -> None:
    """Kill and reap a worker; until then its number cannot be another process's."""
    if worker:
        os.kill(worker, signal.SIGKILL)
        os.waitpid(worker, 0)


if __name__ == "__main__":
    main()
