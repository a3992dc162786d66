"""The way in: files, folders and archives of DICOM, NIfTI, NRRD and pictures become cases without identifiers.

Foreign bytes are parsed in a child process only (`child`), bounded in time, memory and depth; this package itself
imports no decoder. docs/intake.md says what goes in, what is refused and what is removed.
"""

from engine.intake.cases import load_case, load_volume
from engine.intake.codes import code, patient_key
from engine.intake.limits import Limits
from engine.intake.taking import take_in
from engine.intake.upload import Taken

__all__ = ["Limits", "Taken", "code", "load_case", "load_volume", "patient_key", "take_in"]
