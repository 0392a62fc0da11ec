"""Run commands in processes of their own and measure their time and peak anonymous memory."""

import dataclasses
import os
import select
import subprocess
import tempfile
import time
from typing import Optional

EVERY = 0.02


@dataclasses.dataclass
class Measurement:
    """What a command printed and took. Memory is in bytes, times on the monotonic clock."""

    output: str
    error: Optional[str]
    seconds: float
    samples: list

    def peak(self, start=None, end=None):
        """The largest anonymous memory between two times, or at all."""
        inside = [
            size
            for at, size in self.samples
            if (start is None or at >= start - EVERY) and (end is None or at <= end + EVERY)
        ]
        return max(inside, default=None)


def anonymous(pid):
    """Anonymous memory of a process in bytes: mapped files, such as weights, are not in it."""
    try:
        with open(f"/proc/{pid}/status") as file:
            for line in file:
                if line.startswith("RssAnon:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


class Worker:
    """A process that does its work once for every line it is sent, and waits in between."""

    def __init__(self, command, env=None):
        self.err = tempfile.TemporaryFile("w+")
        self.samples = []
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.err,
            env={**os.environ, **(env or {})},
            text=True,
        )

    def measure(self, limit=None):
        """Send a line and wait for the answer, for at most `limit` seconds."""
        start = time.monotonic()
        try:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        except OSError:
            pass
        error, output = None, ""
        while not select.select([self.process.stdout], [], [], EVERY)[0]:
            now = time.monotonic()
            size = anonymous(self.process.pid)
            if size is not None:
                self.samples.append((now, size))
            if limit is not None and now - start > limit:
                error = f"stopped after {limit:.0f} s"
                break
        else:
            output = self.process.stdout.readline()
        if not output:
            self.stop()
            error = error or failure(self.process.returncode, self.err)
        return Measurement(output, error, time.monotonic() - start, self.samples)

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def failure(code, err):
    """Why a process ended."""
    if code == -9:
        return "killed, probably out of memory"
    err.seek(0)
    lines = [line.strip() for line in err.read().splitlines() if line.strip()]
    return lines[-1][:200] if lines else f"ended with {code}"


def measure(command, env=None, limit=None):
    """Run `command` with `env` added to the environment, for at most `limit` seconds."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        start = time.monotonic()
        try:
            process = subprocess.Popen(command, stdout=out, stderr=err, env={**os.environ, **(env or {})})
        except OSError as error:
            return Measurement("", f"cannot start: {error.strerror}", 0.0, [])
        samples = []
        error = None
        try:
            while process.poll() is None:
                now = time.monotonic()
                size = anonymous(process.pid)
                if size is not None:
                    samples.append((now, size))
                if limit is not None and now - start > limit:
                    error = f"stopped after {limit:.0f} s"
                    break
                time.sleep(EVERY)
        finally:
            # Also when interrupted: nothing is left running.
            if process.poll() is None:
                process.kill()
                process.wait()
        seconds = time.monotonic() - start
        out.seek(0)
        err.seek(0)
        if error is None and process.returncode != 0:
            error = failure(process.returncode, err)
        return Measurement(out.read(), error, seconds, samples)
