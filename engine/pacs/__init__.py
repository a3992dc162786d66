"""From and to the PACS: search and fetch by DICOMweb, listen for C-STORE, send results back as DICOM objects.

Off until somebody gives an address (`address`) or a port (HANDFUL_DICOM_PORT). docs/pacs.md says what travels, what is
kept and where.
"""
