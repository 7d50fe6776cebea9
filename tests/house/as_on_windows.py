"""Take from this process what Windows has not, as far as that can be done elsewhere.

Modules and functions of POSIX, `/proc` and control groups are gone, links cannot be made, and a
file that is open or mapped in this process can neither be replaced, nor removed, nor moved, nor can
the folder it lies in. What is not shown by it: paths with drives and backslashes, what the
processes of others have open, and filelock's lock of Windows: without `fcntl` it locks by a file
that is there or not.
"""

import errno
import importlib
import importlib.abc
import os
import signal
import sys
from contextlib import suppress

# each of these has its own ways for Windows, and has chosen when it is imported
LIBRARIES = """
    importlib.metadata logging multiprocessing platform shutil subprocess tempfile threading
    numpy openvino openvino_genai openvino_tokenizers PIL.Image platformdirs tqdm
"""
MODULES = "fcntl grp nis ossaudiodev pty pwd readline resource spwd syslog termios tty"
FUNCTIONS = """
    WCOREDUMP WEXITSTATUS WIFCONTINUED WIFEXITED WIFSIGNALED WIFSTOPPED WSTOPSIG WTERMSIG chown
    chroot confstr copy_file_range ctermid eventfd fchdir fchmod fchown fork forkpty fpathconf
    getegid geteuid getgid getgroups getloadavg getpgid getpgrp getpriority getresgid
    getresuid getsid getuid initgroups killpg lchown lockf login_tty major
    makedev memfd_create minor mkfifo mknod nice openpty pathconf pidfd_open posix_fadvise
    posix_fallocate posix_openpt posix_spawn posix_spawnp pread preadv pwrite pwritev readv
    register_at_fork sched_getaffinity sched_setaffinity sched_yield setegid
    seteuid setgid setgroups setns setpgid setpriority setregid setresgid setresuid setreuid setsid
    setuid splice sync sysconf tcgetpgrp tcsetpgrp ttyname uname unshare wait wait3
    wait4 waitid writev O_ASYNC O_CLOEXEC O_DIRECT O_DIRECTORY O_DSYNC O_NDELAY O_NOATIME O_NOCTTY
    O_NOFOLLOW O_NONBLOCK O_PATH O_RSYNC O_SYNC
"""
SIGNALS = """
    SIGALRM SIGCHLD SIGCONT SIGHUP SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGTSTP SIGUSR1 SIGUSR2
    alarm pause pthread_kill pthread_sigmask setitimer sigwait siginterrupt
"""
NOT_THERE = ("/proc", "/sys")


class Absent(importlib.abc.MetaPathFinder):
    """Finds no module of POSIX."""

    def find_spec(self, name, path=None, target=None):
        if name in MODULES.split():
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def pretend():
    """Take it all away, until the process ends."""
    for name in LIBRARIES.split():
        with suppress(ModuleNotFoundError):  # openvino_genai, which can be done without
            importlib.import_module(name)
    sys.meta_path.insert(0, Absent())
    for name in MODULES.split():
        sys.modules.pop(name, None)
    _take_functions()
    _hide_folders()
    _hold_open_files()


def _take_functions():
    for module, names in ((os, FUNCTIONS), (signal, SIGNALS)):
        for name in names.split():
            if hasattr(module, name):
                delattr(module, name)

    def no_link(*arguments, **named):
        raise OSError(errno.EINVAL, "A required privilege is not held by the client")

    os.link = os.symlink = no_link


def _hide_folders():
    def is_hidden(path):
        return isinstance(path, str) and path.startswith(NOT_THERE)

    def hide(function):
        def hiding(path, *arguments, **named):
            if is_hidden(os.fspath(path) if isinstance(path, os.PathLike) else path):
                raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
            return function(path, *arguments, **named)

        return hiding

    def audit(event, arguments):
        opens = event in ("open", "os.listdir", "os.scandir") and not _looking
        if opens and is_hidden(arguments[0]):
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", arguments[0])

    sys.addaudithook(audit)
    os.stat, os.lstat = hide(os.stat), hide(os.lstat)


_looking = []  # while this module itself reads /proc
_readlink, _listdir = os.readlink, os.listdir


def open_files():
    """Paths of all files that this process has open or mapped, as OpenVINO has weights."""
    if sys.platform != "linux":
        return set()
    _looking.append(True)
    try:
        paths = set()
        for descriptor in _listdir("/proc/self/fd"):
            with suppress(FileNotFoundError):  # the listing's own
                paths.add(_readlink(f"/proc/self/fd/{descriptor}"))
        with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
            return paths | {line.rstrip("\n").split(maxsplit=5)[5] for line in maps if "/" in line}
    finally:
        _looking.pop()


def _hold_open_files():
    def refuse_if_open(*paths):
        held = open_files()
        for path in paths:
            place = os.path.realpath(path)
            if any(name == place or name.startswith(place + "/") for name in held):
                raise PermissionError(errno.EACCES, "The process cannot access the file", str(path))

    def guard(function, renames):
        def guarded(path, *arguments, **named):
            targets = arguments[:1] if renames else ()
            if named.get("dir_fd") is None:
                refuse_if_open(path, *targets)
            if renames == "to free names" and os.path.lexists(targets[0]):
                raise FileExistsError(errno.EEXIST, "exists already", str(targets[0]))
            return function(path, *arguments, **named)

        return guarded

    os.replace = guard(os.replace, "over others")
    os.rename = guard(os.rename, "to free names")
    os.unlink, os.remove, os.rmdir = (
        guard(function, None) for function in (os.unlink, os.remove, os.rmdir)
    )
