"""Running a command while every socket, look-up and new file of its processes is seen.

Linux hands the system calls of a filter to a listener (seccomp_unotify(2)): in `launch` the command
gets the filter, which its children and threads inherit, and `supervise` answers. Nothing is
installed, nothing is traced, and a call that a library makes by itself is seen like any other.
"""

from tests.watching.supervise import Watched, watched

__all__ = ["Watched", "watched"]
