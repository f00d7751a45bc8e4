"""Files in, text out: every reader returns cells as text, typed later by a schema."""

from cpi_analysis.io.readers.dispatch import SUFFIXES, read_text_table
from cpi_analysis.io.readers.raw import RawTable

__all__ = ["SUFFIXES", "RawTable", "read_text_table"]
