#!/usr/bin/env python3
"""Makes docs/images/chat.svg, a moving picture of a real chat: runs the console chat in a terminal of its own, types, listens,
and draws what the terminal would have shown.

    python3 docs/images/make_chat_picture.py [OUTPUT.svg]

Only Python's standard library; the chat must have been built (./run build).
"""
import fcntl
import html
import os
import pty
import re
import select
import struct
import sys
import termios
import time
import unicodedata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
COLUMNS, ROWS = 84, 27
CHAT = [str(ROOT / "build/release/bin/steer_chat"), "--strength", "0", "--seed", "7"]
# What is typed, and after how many seconds of silence.
TYPED = [(1.5, "週末は何するの？\r"), (1.5, "/reset\r"), (1.0, "/strength 10\r"), (1.0, "週末は何するの？\r"), (1.5, "いいね！どうして好きなの？\r"), (2.0, "exit\r")]
LONGEST_PAUSE = 1.2  # seconds between frames, as shown
SHORTEST_FRAME = 0.1
LAST_FRAME = 4.0

COLOURS = {30: "#45475a", 90: "#6c7086", 91: "#f38ba8", 92: "#a6e3a1", 93: "#f9e2af", 94: "#89b4fa", 95: "#f5a5d8", 96: "#89dceb", 97: "#ffffff",
           31: "#f38ba8", 32: "#a6e3a1", 33: "#f9e2af", 34: "#89b4fa", 35: "#f5a5d8", 36: "#89dceb", 37: "#cdd6f4"}
PLAIN, BACKGROUND = "#cdd6f4", "#1e1e2e"
CELL, LINE, FONT, MARGIN = 8.4, 19, 14, 14


def width_of(character):
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


class Terminal:
    """As much of a terminal as the chat uses: a grid of cells (character, style), a cursor, a few escape sequences."""

    SEQUENCE = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])|\x1b[^\[]")

    def __init__(self):
        self.rows = [[None] * COLUMNS for _ in range(ROWS)]
        self.row = self.column = 0
        self.style = (PLAIN, False, False)  # colour, bold, dim
        self.rest = ""

    def feed(self, text):
        text, at = self.rest + text, 0
        self.rest = ""
        while at < len(text):
            if text[at] == "\x1b":
                match = self.SEQUENCE.match(text, at)
                if not match:  # cut in the middle: wait for more
                    self.rest = text[at:]
                    return
                if match.group(2):
                    self.act(match.group(1), match.group(2))
                at = match.end()
            else:
                self.put(text[at])
                at += 1

    def put(self, character):
        if character == "\r":
            self.column = 0
        elif character == "\n":
            self.row += 1
            if self.row == ROWS:
                self.rows = self.rows[1:] + [[None] * COLUMNS]
                self.row -= 1
        elif character >= " ":
            width = width_of(character)
            if width == 0:
                return
            if self.column + width > COLUMNS:
                self.put("\r")
                self.put("\n")
            self.rows[self.row][self.column] = (character, self.style)
            if width == 2:
                self.rows[self.row][self.column + 1] = None
            self.column += width

    def act(self, arguments, letter):
        if arguments.startswith("?"):
            return
        numbers = [int(number or 0) for number in arguments.split(";")]
        count = max(1, numbers[0])
        if letter == "A":
            self.row = max(0, self.row - count)
        elif letter == "B":
            self.row = min(ROWS - 1, self.row + count)
        elif letter == "C":
            self.column = min(COLUMNS - 1, self.column + count)
        elif letter == "D":
            self.column = max(0, self.column - count)
        elif letter == "G":
            self.column = min(COLUMNS, count) - 1
        elif letter in "KJ":
            self.rows[self.row][self.column:] = [None] * (COLUMNS - self.column)
            if letter == "J":
                for row in range(self.row + 1, ROWS):
                    self.rows[row] = [None] * COLUMNS
        elif letter == "m":
            self.set_style(numbers)

    def set_style(self, numbers):
        colour, bold, dim = self.style
        for number in numbers:
            if number == 0:
                colour, bold, dim = PLAIN, False, False
            elif number == 1:
                bold = True
            elif number == 2:
                dim = True
            elif number in COLOURS:
                colour = COLOURS[number]
        self.style = (colour, bold, dim)

    def picture(self):
        return tuple(self.runs(row) for row in self.rows)

    @staticmethod
    def runs(row):
        """[(column, width, text, style)]: pieces of one style; characters two columns wide stand alone, so that they align."""
        pieces = []
        for column, cell in enumerate(row):
            if cell is None or cell[0] == " ":
                continue
            character, style = cell
            wide = width_of(character) == 2
            last = pieces[-1] if pieces else None
            if last and not wide and last[3] == style and last[1] == len(last[2]) and last[0] + last[1] == column:
                pieces[-1] = (last[0], last[1] + 1, last[2] + character, style)
            else:
                pieces.append((column, 2 if wide else 1, character, style))
        return tuple(pieces)


def record():
    """[(seconds, picture)] of the chat, with every pause as it was."""
    pid, terminal_fd = pty.fork()
    if pid == 0:
        environment = {**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
        environment.pop("NO_COLOR", None)
        os.execvpe(CHAT[0], CHAT, environment)
    fcntl.ioctl(terminal_fd, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    terminal, frames = Terminal(), []
    typed, pending = list(TYPED), ""
    decoder = __import__("codecs").getincrementaldecoder("utf-8")("replace")
    quiet_since = time.monotonic()
    while True:
        ready, _, _ = select.select([terminal_fd], [], [], 0.05)
        now = time.monotonic()
        if ready:
            try:
                data = os.read(terminal_fd, 65536)
            except OSError:
                break
            if not data:
                break
            terminal.feed(decoder.decode(data))
            quiet_since = now
            frames.append((now, terminal.picture()))
        elif pending:
            os.write(terminal_fd, pending[0].encode())
            pending = pending[1:]
        elif typed and now - quiet_since > typed[0][0] and (frames and any(frames[-1][1])):
            pending = typed.pop(0)[1]
    os.waitpid(pid, 0)
    return frames


def settle(frames):
    """Frames to show, with the time each stays: the last of those that follow at once, long pauses shortened."""
    shown = []
    for i, (moment, picture) in enumerate(frames):
        stays = frames[i + 1][0] - moment if i + 1 < len(frames) else LAST_FRAME
        if stays < SHORTEST_FRAME and i + 1 < len(frames):
            frames[i + 1] = (moment, frames[i + 1][1])
            continue
        shown.append((min(stays, LONGEST_PAUSE) if i + 1 < len(frames) else LAST_FRAME, picture))
    return shown


def draw_line(pieces, row):
    spans = []
    for column, width, text, (colour, bold, dim) in pieces:
        looks = f' fill="{colour}"' if colour != PLAIN else ""
        looks += ' font-weight="bold"' if bold else ""
        looks += ' opacity=".6"' if dim else ""
        stretch = f' textLength="{width * CELL:.1f}"' if len(text) > 1 else ""
        spans.append(f'<text x="{column * CELL:.1f}" y="{row * LINE}"{stretch}{looks}>{html.escape(text)}</text>')
    return "".join(spans)


def svg(frames):
    """Every distinct line is drawn once and shown while it stood there."""
    total = sum(stays for stays, _ in frames)
    shows = {}  # (row, pieces) -> [(from, to)]
    at = 0.0
    for stays, picture in frames:
        for row, pieces in enumerate(picture):
            if pieces:
                spans = shows.setdefault((row, pieces), [])
                if spans and abs(spans[-1][1] - at) < 1e-9:
                    spans[-1] = (spans[-1][0], at + stays)
                else:
                    spans.append((at, at + stays))
        at += stays
    height, width = ROWS * LINE + 2 * MARGIN, COLUMNS * CELL + 2 * MARGIN
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" height="{height}" '
           f'font-family="ui-monospace, Menlo, Consolas, \'DejaVu Sans Mono\', \'Noto Sans Mono CJK JP\', monospace" font-size="{FONT}">',
           f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>',
           f'<g transform="translate({MARGIN} {MARGIN + FONT})" fill="{PLAIN}" xml:space="preserve">']
    for (row, pieces), spans in shows.items():
        line = draw_line(pieces, row)
        whole = len(spans) == 1 and spans[0][0] == 0 and abs(spans[0][1] - total) < 1e-6
        if whole:
            out.append(line)
            continue
        times, values = ["0"], ["inline" if spans[0][0] == 0 else "none"]
        for begin, end in spans:
            for moment, value in ((begin, "inline"), (end, "none")):
                if 0 < moment < total - 1e-6:
                    if times[-1] == f"{moment / total:.5f}":
                        values[-1] = value
                    else:
                        times.append(f"{moment / total:.5f}")
                        values.append(value)
        first = "inline" if abs(spans[-1][1] - total) < 1e-6 else "none"  # without animation: the last picture
        out.append(f'<g display="{first}"><animate attributeName="display" values="{";".join(values)}" keyTimes="{";".join(times)}" '
                   f'calcMode="discrete" dur="{total:.2f}s" repeatCount="indefinite"/>{line}</g>')
    out.append("</g></svg>\n")
    return "\n".join(out)


def main():
    output = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs/images/chat.svg"
    frames = record()
    if not frames:
        sys.exit("the chat showed nothing")
    text = svg(settle(frames))
    output.write_text(text, encoding="utf-8")
    print(f"{output}: {len(frames)} changes, {len(text) // 1024} KiB")


if __name__ == "__main__":
    main()
