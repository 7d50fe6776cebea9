"""What an examination finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

Status = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: what was looked at: a package, a device, a part of the model.
        status: `"warning"` for what works but may surprise, `"problem"` for what does not work.
        text: what was found, in one sentence.
        remedy: the way out, if one is needed.
    """

    subject: str
    status: Status
    text: str
    remedy: str | None = None

    @classmethod
    def of_message(cls, subject: str, message: object, status: Status = "problem") -> Finding:
        """Make a finding of an error or warning of this package, which end in what helps."""
        line = " ".join(str(message).split())
        text, _, remedy = line.rpartition("; ")
        return cls(subject, status, text, remedy) if text else cls(subject, status, line)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, ready for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        line = f"{self.status:8} {self.subject:22} {self.text}"
        return line + (f"\n{'':8} {'':22} -> {self.remedy}" if self.remedy else "")


def examine(subject: str, check: Callable[[], object], text: str | None = None) -> Finding:
    """Run a check that raises if something is wrong.

    Args:
        text: what to say if nothing is, instead of what the check returns.
    """
    try:
        found = check()
    except (ValueError, OSError) as error:
        return Finding.of_message(subject, error)
    return Finding(subject, "ok", str(found) if text is None else text)


@dataclass(frozen=True)
class Diagnosis:
    """All findings, in the order in which they were made."""

    findings: tuple[Finding, ...]

    @property
    def problems(self) -> tuple[Finding, ...]:
        """Those that keep something from working."""
        return tuple(finding for finding in self.findings if finding.status == "problem")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """Those that may surprise."""
        return tuple(finding for finding in self.findings if finding.status == "warning")

    @property
    def summary(self) -> str:
        """The counts, in one line."""
        counts = ((self.problems, "problem"), (self.warnings, "warning"))
        return ", ".join(
            f"{len(found)} {what}{'' if len(found) == 1 else 's'}" for found, what in counts
        )

    def __str__(self) -> str:
        return "\n".join([*map(str, self.findings), self.summary])
