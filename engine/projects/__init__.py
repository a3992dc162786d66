"""What is kept: projects, cases, labels, runs and the audit log in one SQLite file, voxels as plain files beside it."""

from engine.projects.database import StoreError
from engine.projects.drafts import Draft
from engine.projects.records import UNSURE, Mark, Project, ProjectCase, RefusedFile, Run, Session, Upload
from engine.projects.split import Split, split_cases
from engine.projects.store import Store

__all__ = [
    "UNSURE",
    "Draft",
    "Mark",
    "Project",
    "ProjectCase",
    "RefusedFile",
    "Run",
    "Session",
    "Split",
    "Store",
    "StoreError",
    "Upload",
    "split_cases",
]
