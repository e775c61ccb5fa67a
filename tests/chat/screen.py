"""A small terminal: what a stream of bytes leaves on the screen. Widths come from Python's own Unicode data, and codes that the
chat does not use are an error, so that neither can hide a mistake of the chat's."""
import re
import unicodedata

CODE = re.compile(r"\x1b\[(\??)([0-9;]*)([A-Za-z])")


def width(char):
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


class Screen:
    def __init__(self, columns, rows):
        self.columns, self.rows = columns, rows
        self.lines = [[]]  # the scrollback too; a cell is a text, the second half of a wide one is ""
        self.colours = [[]]
        self.row = self.column = 0
        self.colour = ""
        self.rest = ""  # of a code that has not come whole
        self.wrapped = False  # a line that ran over the edge: the chat promises that there is none

    def top(self):
        return max(0, len(self.lines) - self.rows)

    def put(self, char):
        size = width(char)
        line, colours = self.lines[self.row], self.colours[self.row]
        if size == 0:
            line[self.column - 1] += char
            return
        if self.column + size > self.columns:
            self.wrapped = True
        while len(line) < self.column + size:
            line.append(" ")
            colours.append("")
        line[self.column] = char
        colours[self.column] = self.colour
        if size == 2:
            line[self.column + 1] = ""
            colours[self.column + 1] = self.colour
        self.column += size

    def down(self):
        self.row += 1
        if self.row == len(self.lines):
            self.lines.append([])
            self.colours.append([])

    def code(self, private, numbers, kind):
        n = int(numbers.split(";")[0]) if numbers else None
        if kind == "m":
            self.colour = "" if numbers in ("", "0") else self.colour + numbers + ";"
        elif kind == "A":
            assert self.row - (n or 1) >= self.top(), "the cursor goes above the window"
            self.row -= n or 1
        elif kind == "C":
            self.column += n or 1
            assert self.column < self.columns
        elif kind == "K" and not numbers:
            del self.lines[self.row][self.column:], self.colours[self.row][self.column:]
        elif kind == "J" and not numbers:
            del self.lines[self.row][self.column:], self.colours[self.row][self.column:]
            for row in range(self.row + 1, len(self.lines)):
                self.lines[row], self.colours[row] = [], []
        else:
            assert private and numbers in ("25", "2004") and kind in "hl", f"code {private}{numbers}{kind}"

    def resize(self, columns, rows):
        """As terminals do that break long lines anew (none of the chat's lines was broken by the terminal before)."""
        lines, colours, row = [], [], self.row
        for i, (line, colour) in enumerate(zip(self.lines, self.colours)):
            if i == self.row:
                row, self.column = len(lines) + self.column // columns, self.column % columns
            while True:
                cut = columns if columns >= len(line) or line[columns] != "" else columns - 1
                lines.append(line[:cut])
                colours.append(colour[:cut])
                line, colour = line[cut:], colour[cut:]
                if not line:
                    break
        self.lines, self.colours, self.row = lines, colours, row
        self.columns, self.rows = columns, rows

    def feed(self, text):
        text, self.rest = self.rest + text, ""
        at = 0
        while at < len(text):
            char = text[at]
            if char == "\x1b":
                found = CODE.match(text, at)
                if not found and len(text) - at < 8:
                    self.rest = text[at:]
                    return
                assert found, f"broken code {text[at:at + 8]!r}"
                self.code(*found.groups())
                at = found.end()
                continue
            if char == "\r":
                self.column = 0
            elif char == "\n":
                self.down()
            else:
                assert char >= " ", f"control {char!r}"
                self.put(char)
            at += 1

    def text(self):
        return "\n".join("".join(line).rstrip() for line in self.lines)

    def colour_of(self, wanted):
        """The colours in force where this text stands (the last place)."""
        for line, colours in reversed(list(zip(self.lines, self.colours))):
            at = "".join(line).rfind(wanted)
            if at >= 0:
                cell = 0
                while len("".join(line[:cell])) < at or line[cell] == "":
                    cell += 1
                return colours[cell]
        raise AssertionError(f"{wanted!r} is not on the screen:\n{self.text()}")
