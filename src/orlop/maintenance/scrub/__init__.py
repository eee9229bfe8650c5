"""The scrub: every byte of content against its digest, the tree against the database, and the repair of what differs.

`run.py` goes through it all and remembers how far it is; `subjects.py` lists what is to be looked at; `contents.py` and
`names.py` look at it; `repairs.py` mends; `findings.py` is what is told.
"""

from orlop.maintenance.scrub.findings import Finding, Report
from orlop.maintenance.scrub.run import Options, Scrub, State

__all__ = ["Finding", "Options", "Report", "Scrub", "State"]
