"""Tables, records and molecules: files -> typed tables with a column dictionary -> numbers for learners.

This room stands between `intake`, whose bounded process it borrows, and `projects`. docs/tables.md says what goes in,
how columns are understood and what is dropped.
"""

from engine.tables.limits import TableLimits
from engine.tables.nouns import Dictionary, Entry, Table
from engine.tables.proposing import propose
from engine.tables.reading import Read, first_table, read_tables

__all__ = ["Dictionary", "Entry", "Read", "Table", "TableLimits", "first_table", "propose", "read_tables"]
