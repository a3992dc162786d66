"""Results on their way back: into a study by STOW-RS, or by C-STORE to an application entity."""

from __future__ import annotations

from collections.abc import Sequence

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE

from engine.nouns import Note
from engine.pacs.address import Address
from engine.pacs.web import Web
from engine.sentences import Refusal

SECONDS = 30.0


def send(address: Address, objects: Sequence[Dataset], study: str, way: str) -> None:
    """Sends the objects of one case into `study`. Raises Refusal where they did not all arrive."""
    if way == "web":
        Web(address).store(objects, study)
    elif way == "ae":
        _send_by_association(address, objects)
    else:
        raise ValueError(f"There is no way called '{way}'.")


def echo(address: Address) -> None:
    """C-ECHO: whether the application entity answers. Raises Refusal."""
    entity = _entity(address)
    entity.add_requested_context("1.2.840.10008.1.1")
    association = _open(entity, address)
    try:
        if association.send_c_echo().get("Status", -1) != 0:
            raise Refusal(Note("pacs.not_reached"))
    finally:
        association.release()


def _send_by_association(address: Address, objects: Sequence[Dataset]) -> None:
    entity = _entity(address)
    for sop_class in {each.SOPClassUID for each in objects}:
        entity.add_requested_context(sop_class, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
    association = _open(entity, address)
    taken = 0
    try:
        for each in objects:
            try:
                status = association.send_c_store(each).get("Status", -1)
            except (ValueError, RuntimeError):  # this class was not accepted, or the association has ended
                continue
            # PS3.4 B.2.3: 0 success, 0xB000 and its like are warnings, kept all the same.
            taken += status == 0 or 0xB000 <= status <= 0xBFFF
    finally:
        if association.is_established:
            association.release()
    if taken != len(objects):
        raise Refusal(Note("pacs.not_all_taken", {"taken": taken, "total": len(objects)}))


def _entity(address: Address) -> AE:
    entity = AE(ae_title=address.our_title)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = SECONDS
    entity.connection_timeout = SECONDS
    return entity


def _open(entity: AE, address: Address):
    if not address.host or not address.title:
        raise Refusal(Note("pacs.no_address"))
    association = entity.associate(address.host, address.port, ae_title=address.title)
    if not association.is_established:
        raise Refusal(Note("pacs.rejected" if association.is_rejected else "pacs.not_reached"))
    return association
