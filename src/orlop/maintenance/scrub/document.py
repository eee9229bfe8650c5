"""What is remembered of a scrub, so that it goes on where it was."""

from collections import Counter

import msgspec

from orlop.database import progress
from orlop.database.connection import Connection
from orlop.maintenance.scrub import findings
from orlop.maintenance.scrub.findings import Finding, Report, Subject
from orlop.maintenance.scrub.subjects import PHASES

NAME = "scrub"


class Document(msgspec.Struct):
    """What is remembered of a run."""

    begun_at: int
    phase: str = PHASES[0]
    cursor: str = ""
    waiting: list[Subject] = []
    findings: list[Finding] = []
    untold: dict[str, int] = {}
    """Findings beyond those that are kept, by kind; `repaired` are those of them that were."""
    repaired: int = 0
    objects: int = 0
    bytes: int = 0
    seconds: float = 0.0
    ended_at: int = 0

    def report(self, *, resumed: bool, repair: bool) -> Report:
        found = Counter(finding.kind for finding in self.findings)
        found.update(self.untold)
        awaiting = sum(each.kind == findings.LOST and not each.done for each in self.findings)
        awaiting += self.untold.get(findings.LOST, 0)
        return Report(
            resumed=resumed,
            repair=repair,
            objects=self.objects,
            bytes=self.bytes,
            seconds=round(self.seconds, 3),
            found={kind: found[kind] for kind in findings.KINDS if found[kind] and kind != findings.LOST},
            repaired=self.repaired,
            left=found.total() - self.repaired - awaiting,
            lost=awaiting,
            untold=sum(self.untold.values()),
            findings=self.findings,
        )


def read(connection: Connection) -> Document | None:
    """The last scrub's; None too for what another version wrote: such a run begins anew."""
    document = progress.read(connection, NAME)
    try:
        found = msgspec.json.decode(document, type=Document) if document is not None else None
    except msgspec.ValidationError:
        return None
    return found if found is not None and found.phase in PHASES else None


def save(connection: Connection, document: Document) -> None:
    progress.save(connection, NAME, document)
