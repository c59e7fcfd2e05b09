"""Keeps the programs running: starts, restarts, forwards their lines, stops them in order."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

WAITS = (1.0, 2.0, 4.0)  # before the first, second and every later restart
DEATHS, WITHIN = 5, 60.0  # so many deaths in so many seconds end the whole set
TAIL = 20
PR_SET_PDEATHSIG = 1

_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform.startswith("linux") else None
_writing = threading.Lock()


class Stopped(Exception):
    """Somebody asked us to stop."""


class Failed(Exception):
    """The set cannot run; the text says which program, with its last lines."""


def say(text: str) -> None:
    """Write one line; a closed terminal must not stop the programs."""
    with _writing:
        try:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()
        except (OSError, ValueError):
            pass


def _die_with(parent: int) -> Callable[[], None]:
    def prepare() -> None:
        if _LIBC is not None:
            _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)

    return prepare


class Program:
    """One child process in its own session, with its last lines."""

    def __init__(
        self,
        name: str,
        command: list[str],
        environment: dict[str, str],
        folder: Path,
        quiet: bool = False,
    ) -> None:
        self.name, self.command, self.quiet = name, command, quiet
        self.environment, self.folder = environment, folder
        self.tail: deque[str] = deque(maxlen=TAIL)
        self.deaths: deque[float] = deque(maxlen=DEATHS)
        self.again_at: float | None = None
        self.process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    def start(self) -> None:
        """Start the process and a thread that forwards its lines."""
        self.again_at = None
        self.process = subprocess.Popen(
            self.command,
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            preexec_fn=_die_with(os.getpid()),
        )
        self._reader = threading.Thread(target=self._forward, args=[self.process], daemon=True)
        self._reader.start()

    def _forward(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                self.tail.append(line.rstrip())
                if not self.quiet:
                    say(f"{self.name:<7}| {line.rstrip()}")

    @property
    def pid(self) -> int | None:
        """The process id while the program runs."""
        return self.process.pid if self.process and self.process.poll() is None else None

    def signal(self, number: int) -> None:
        """Send a signal to the process alone; it tells its own children."""
        if self.pid is not None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End the process and everything it started; the session is ours alone."""
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        if self._reader is not None:
            self._reader.join(timeout=1)

    def last_lines(self) -> str:
        """Give the newest lines the program wrote."""
        if self._reader is not None:
            self._reader.join(timeout=0.5)
        return "\n".join(f"  {line}" for line in self.tail) or "  (it wrote nothing)"


class Supervisor:
    """The set of programs of one start."""

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        self.programs: dict[str, Program] = {}
        self.changed = changed  # called when process ids are new
        self.asked = 0
        self.hooks: list[Callable[[], bool]] = []

    def listen(self) -> None:
        """Turn SIGINT, SIGTERM and SIGHUP into a request to stop."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._ask)

    def _ask(self, number: int, frame: object) -> None:
        self.asked += 1

    def pause(self, seconds: float) -> None:
        """
        Sleep, unless somebody asks to stop.

        Raises
        ------
        Stopped
            When a signal came.
        """
        end = time.monotonic() + seconds
        while True:
            if self.asked or any(hook() for hook in self.hooks):
                raise Stopped
            left = end - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, 0.05))

    def start(self, program: Program) -> None:
        """Start a program and watch it from now on."""
        self.programs[program.name] = program
        program.start()
        self.changed()

    def run_to_end(self, *steps: Program) -> None:
        """
        Run steps side by side until all are done.

        Raises
        ------
        Failed
            When one of them ends with an error.
        """
        for step in steps:
            step.start()
        try:
            while any(step.pid is not None for step in steps):
                self.pause(0.05)
                self.watch()
            for step in steps:
                if step.process is not None and step.process.returncode:
                    raise Failed(f"The step '{step.name}' failed:\n{step.last_lines()}")
        finally:
            for step in steps:
                step.kill()

    def watch(self) -> None:
        """
        Restart what has died, after 1, 2, 4 s.

        Raises
        ------
        Failed
            When a program dies again and again.
        """
        now = time.monotonic()
        for program in self.programs.values():
            if program.pid is not None:
                continue
            if program.again_at is None:
                self._note_death(program, now)
            elif now >= program.again_at:
                program.start()
                self.changed()

    def _note_death(self, program: Program, now: float) -> None:
        code = program.process.returncode if program.process else None
        program.kill()
        program.deaths.append(now)
        recent = [at for at in program.deaths if now - at <= WITHIN]
        if len(recent) >= DEATHS:
            raise Failed(
                f"{program.name} ended {DEATHS} times within {WITHIN:.0f} s (exit {code}); "
                f"its last lines:\n{program.last_lines()}"
            )
        wait = WAITS[min(len(recent), len(WAITS)) - 1]
        say(f"{program.name} ended (exit {code}); starting it again in {wait:.0f} s.")
        program.again_at = now + wait

    def stop(self, order: tuple[str, ...], grace: dict[str, float]) -> None:
        """Stop the programs in order; a second signal, or too long a wait, kills."""
        asked = self.asked
        for name in [n for n in order if n in self.programs]:
            program = self.programs[name]
            program.signal(signal.SIGTERM)
            end = time.monotonic() + grace.get(name, 5.0)
            while program.pid is not None and time.monotonic() < end and self.asked == asked:
                time.sleep(0.02)
            # also after a clean end: whatever it left in its session goes with it
            program.kill()
        self.programs.clear()
