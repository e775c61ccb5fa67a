"""The chat in a pseudo terminal or on pipes."""
import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

from screen import Screen

PATIENCE = 20.0


class Terminal:
    def __init__(self, command, env=None, columns=80, rows=24):
        self.screen = Screen(columns, rows)
        self.raw = ""
        self.decoder = codecs.getincrementaldecoder("utf-8")()
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.before = termios.tcgetattr(slave)
        environment = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
        environment.update({"TERM": "xterm-256color", "LC_ALL": "C", **(env or {})})

        def own_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment, preexec_fn=own_terminal)
        self.master, self.slave = master, slave

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)

    def read(self, seconds):
        ready, _, _ = select.select([self.master], [], [], seconds)
        if not ready:
            return False
        text = self.decoder.decode(os.read(self.master, 65536))
        self.raw += text
        self.screen.feed(text)
        return True

    def until(self, condition, what="the condition"):
        """Reads until condition(screen text) holds."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if condition(self.screen.text()):
                return
            self.read(0.1)
        raise AssertionError(f"{what} did not come; the screen:\n{self.screen.text()}")

    def until_text(self, text, times=1):
        self.until(lambda shown: shown.count(text) >= times, repr(text))

    def until_idle(self, replies):
        """Until so many replies have ended."""
        self.until(lambda shown: self.ended(shown) >= replies and self.idle(shown), f"reply {replies}")

    @staticmethod
    def ended(shown):
        """How many gauge lines tell of a whole reply."""
        return len(re.findall(r"[+-]\d\.\d{4}  mean [+-]", shown))

    @staticmethod
    def idle(shown):
        """The prompt stands alone; while a reply streams there is a gauge right above it."""
        return re.search(r"\n\n *You ›\s*$", shown) is not None

    def type(self, text):
        os.write(self.master, text.encode())

    def resize(self, columns, rows):
        self.screen.resize(columns, rows)
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def end(self):
        """The exit status; reads what is still said."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if not self.read(0.05) and self.process.poll() is not None:
                return self.process.returncode
        raise AssertionError(f"it does not end; the screen:\n{self.screen.text()}")

    def restored(self):
        return termios.tcgetattr(self.slave)[3] == self.before[3]


def piped(command, text="", env=None):
    environment = dict(os.environ, LC_ALL="C", **(env or {}))
    return subprocess.run(command, input=text.encode(), capture_output=True, env=environment, timeout=120)


def interrupt(process):
    process.send_signal(signal.SIGINT)
