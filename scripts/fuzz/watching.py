"""A case in a process of its own, its bounds, and what is wrong with its end."""

from __future__ import annotations

import io
import os
import re
import resource
import signal
import stat
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scripts.fuzz.cases import Case
from taylorseer_ov.cli import main

MEMORY_BYTES = 2 * 2**30  # resident; a picture of the demo model takes some 400 MiB
ADDRESS_SPACE_BYTES = 16 * 2**30  # what a process gets before the machine suffers
FILE_BYTES = 256 * 2**20
LONGEST_LINE = 2000
STATUSES = {0: "success", 1: "failure", 2: "misuse", 130: "stopped"}
TELL_BY_LINES = ("doctor", "batch")  # end with 1 and have said why line by line
ERROR = re.compile(r"^taylorseer-ov(?: \w+)?: error: .*$", re.M)
# what Python and its libraries say of their own variables, which tells nobody what to change
INNER_WORDS = re.compile(
    r"has no attribute|values to unpack|cannot unpack|could not convert|not subscriptable|"
    r"not iterable|unsupported operand|out of range|unhashable|invalid literal|not callable|"
    r"unexpected keyword|positional argument|not supported between|be interpreted|"
    r"real number|\w+Error\b|\[Errno|embedded null|takes no keyword"
)
REASON = re.compile(r" \(.*\)")  # why something is damaged, which the sentence around it says
OPENVINO = re.compile(r"error: (Exception from src/|\[json\.exception)")  # C++ has words of its own
STEERING = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
RAW_WARNING = re.compile(r"^\S+:\d+: \w*Warning", re.M)
WRITING = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate")


@dataclass
class End:
    """How a case ended, and what is wrong with that."""

    number: int
    kind: str
    command: str
    how: str
    seconds: float
    peak_mib: float
    error: str
    found: list[str] = field(default_factory=list)


def run_case(case: Case, limit_s: float) -> End:
    """Run a case and judge its end."""
    before = snapshot(case.folder / "given")
    begin_s = time.monotonic()
    child = os.fork()
    if child == 0:
        _be_the_case(case)  # does not return
    status, usage = _wait(child, begin_s + limit_s)
    seconds = time.monotonic() - begin_s
    said, told = (_text(case.folder / name) for name in ("stdout", "stderr"))
    errors = ERROR.findall(told)
    end = End(
        number=case.number,
        kind=case.kind,
        command=case.words[0] if case.words else "",
        how=STATUSES.get(status, f"signal {-status}" if status < 0 else f"status {status}"),
        seconds=seconds,
        peak_mib=usage.ru_maxrss / 2**10,
        error=errors[0] if errors else "",
    )
    end.found += judge_status(end, status, errors, timed_out=seconds >= limit_s)
    end.found += judge_words(said, told, errors, typed=case.words)
    if usage.ru_maxrss * 2**10 > MEMORY_BYTES:
        end.found.append(f"took {end.peak_mib:.0f} MiB")
    if case.kind != "arguments" and snapshot(case.folder / "given") != before:
        end.found.append("what was given has changed")
    end.found += _text(case.folder / "strayed").splitlines()
    left = [path.name for path in case.folder.rglob("*") if path.suffix in (".part", ".unfinished")]
    if left and case.kind != "lines":  # some of which begin with such files
        end.found.append(f"left {left}")
    return end


def judge_status(end: End, status: int, errors: list[str], *, timed_out: bool) -> list[str]:
    """What is wrong with an exit status, given the lines that tell of errors."""
    if timed_out:
        return [f"took more than {end.seconds:.0f} s"]
    if status not in STATUSES:
        return [f"ended with {end.how}"]
    wanted = 0 if status == 0 or (status == 1 and end.command in TELL_BY_LINES) else 1
    if len(errors) != wanted and not (wanted == 0 and status == 1 and len(errors) == 1):
        return [f"{end.how} with {len(errors)} lines that say so"]
    return []


def judge_words(said: str, told: str, errors: list[str], typed: Sequence[str]) -> list[str]:
    """What is wrong with what was printed; what was typed may come back as long as it is."""
    most = LONGEST_LINE + max(map(len, typed), default=0)
    found = []
    if "Traceback (most recent call last)" in told:
        found.append("a traceback")
    if any("(--debug shows where)" in error for error in errors):
        found.append("an error nobody has thought of")
    ours = [error for error in errors if not OPENVINO.search(error)]
    if any(INNER_WORDS.search(REASON.sub("", error)) for error in ours):
        found.append("words of Python")
    if any(len(line) > most for line in told.replace("\r", "\n").splitlines()):
        found.append("a line without end")
    if STEERING.search(said + told):
        found.append("characters that steer a terminal")
    if RAW_WARNING.search(told):
        found.append("a warning as Python prints it")
    return found


def snapshot(folder: Path) -> list[tuple[str, int, int]]:
    """Names, sizes and times of what is in a folder."""
    status = {path: path.lstat() for path in sorted(folder.rglob("*"))}
    # a folder's time is that of its files, and their names are here
    return [
        (str(path), 0 if stat.S_ISDIR(seen.st_mode) else seen.st_mtime_ns, seen.st_size)
        for path, seen in status.items()
    ]


def _wait(child: int, deadline_s: float) -> tuple[int, resource.struct_rusage]:
    killed = False
    while True:
        pid, status, usage = os.wait4(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status), usage
        if time.monotonic() > deadline_s and not killed:
            os.kill(child, signal.SIGKILL)
            killed = True
        time.sleep(0.005)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


# --- in the process of the case ------------------------------------------------------------------


def _be_the_case(case: Case) -> None:
    try:
        _enclose(case)
        try:
            status = main(case.words)
        except SystemExit as end:  # argparse
            status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
        status = 99
    sys.stdout.flush()
    os._exit(status)


def _enclose(case: Case) -> None:
    """Set bounds to this process, and have every write outside of its folders noted."""
    strayed = os.open(case.folder / "strayed", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    for number, name in ((1, "stdout"), (2, "stderr")):
        file = os.open(case.folder / name, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        os.dup2(file, number)
        os.close(file)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False), "utf-8")
    sys.stdout, sys.stderr = (
        io.TextIOWrapper(io.FileIO(number, "w", closefd=False), "utf-8", errors, write_through=True)
        for number, errors in ((1, "strict"), (2, "backslashreplace"))
    )
    home = case.folder / "home"
    names = ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "TAYLORSEER_OV_DATA_DIR", "TMPDIR")
    os.environ |= dict.fromkeys(names, str(home)) | {"HF_HUB_OFFLINE": "1"}
    tempfile.tempdir = str(home)
    os.chdir(case.folder / "here")
    for bound, most in (
        (resource.RLIMIT_AS, ADDRESS_SPACE_BYTES),
        (resource.RLIMIT_FSIZE, FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(bound, (most, most))
    # arguments may name what is given as the place to write into
    parts = ("here", "home", "given")[: 3 if case.kind == "arguments" else 2]
    allowed = tuple(f"{(case.folder / part).resolve()}/" for part in parts)

    def audit(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            places = [path] if writes and not isinstance(path, int) else []
        elif event in WRITING:
            places = [place for place in arguments[:2] if isinstance(place, (str, bytes, Path))]
        else:
            return
        for place in places:
            real = os.path.realpath(os.fsdecode(place))
            if not f"{real}/".startswith(allowed) and real != os.devnull:
                os.write(strayed, f"{event} {real!r}\n".encode("utf-8", "backslashreplace"))

    sys.addaudithook(audit)
