"""Texts to try tokenizers on: random ones of many scripts, broken bytes, the project's own files."""

import pathlib
import unicodedata

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONTROLS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>", "<tool_call>", "</tool_call>",
            "<|im_", "<|im_start|", "<<|im_end|>>", "<|IM_END|>", "<|vision_start|>"]
RANGES = {
    "ascii": [(0x20, 0x7E)], "control": [(0, 0x1F), (0x7F, 0x9F)], "latin": [(0xA0, 0x24F)], "marks": [(0x300, 0x36F)],
    "greek, cyrillic": [(0x391, 0x3A1), (0x3A3, 0x3C9), (0x400, 0x481)], "hebrew, arabic": [(0x5D0, 0x5EA), (0x620, 0x64A), (0x64B, 0x652)],
    "devanagari": [(0x904, 0x939), (0x93C, 0x94D)], "thai": [(0xE01, 0xE3A), (0xE40, 0xE5B)], "jamo": [(0x1100, 0x1112), (0x1161, 0x1175), (0x11A8, 0x11C2)],
    "kana": [(0x3041, 0x3096), (0x3099, 0x30FF)], "half width": [(0xFF01, 0xFF9F)], "kanji": [(0x4E00, 0x9FA5)],
    "compatibility": [(0xF900, 0xFA6D), (0xFB00, 0xFB06), (0x2F800, 0x2FA1D)], "hangul": [(0xAC00, 0xD7A3)],
    "kanji b": [(0x20000, 0x2A6D6)], "emoji": [(0x1F300, 0x1F5FF), (0x1F600, 0x1F64F), (0x1F680, 0x1F6C5), (0x1F900, 0x1F93E), (0x1F1E6, 0x1F1FF)],
    "joiners": [(0x200B, 0x200F), (0xFE00, 0xFE0F)], "symbols": [(0x2010, 0x2027), (0x2030, 0x205E), (0x2190, 0x23FF), (0x2460, 0x24FF), (0x3000, 0x303F)],
    "numbers": [(0x30, 0x39), (0x660, 0x669), (0x2150, 0x2188), (0xFF10, 0xFF19), (0x1D7CE, 0x1D7FF)],
    "mathematics": [(0x1D400, 0x1D454), (0x1D15E, 0x1D164)],
}
SPACES = [" ", "  ", "\t", "\n", "\r\n", "\n\n", "\r", "\u00a0", "\u3000", "\u2003", "\u2028", "\x0b", "\x85", " \n ", "\u200b", "\ufeff", "\x1c"]
WORDS = ["I'm", "you'RE", "don't", "it's", "IT'S", "'s", "'ſ", "'LL", "'ll", "she'd", "we'Ve", "hello", "World", "あーし", "めっちゃ",
         "こんにちは", "東京都", "ｶﾞｷﾞ", "3.14", "12345", "www", "ーー", "〜♪", "(笑)", "!?", "...", "http://a.b/c?d=e&f", "x=y+1;", "naïve", "e\u0301",
         "か\u3099", "パ", "ハ\u309a", "\u1100\u1161\u11a8", "각", "👩\u200d👩\u200d👧", "🏳\ufe0f\u200d🌈", "ﬁ", "Å", "\u212b", "Ω", "\u2126", "İ", "ŉ"]


def random_characters(rng, names, count):
    picked = []
    while len(picked) < count:
        low, high = rng.choice(RANGES[rng.choice(names)])
        c = chr(rng.randint(low, high))
        if unicodedata.category(c) != "Cn":
            picked.append(c)
    return "".join(picked)


def random_text(rng):
    kind = rng.random()
    if kind < 0.25:  # one script
        return random_characters(rng, [rng.choice(list(RANGES))], rng.randint(1, 60))
    if kind < 0.5:  # several
        return random_characters(rng, rng.sample(list(RANGES), rng.randint(2, 5)), rng.randint(1, 80))
    parts = []
    for _ in range(rng.randint(1, 25)):
        pick = rng.random()
        if pick < 0.45:
            parts.append(rng.choice(WORDS))
        elif pick < 0.75:
            parts.append(rng.choice(SPACES))
        elif pick < 0.85:
            parts.append(rng.choice(CONTROLS))
        else:
            parts.append(random_characters(rng, list(RANGES), rng.randint(1, 6)))
    return "".join(parts)


def random_bytes(rng):
    """A text with some bytes changed, cut or added: broken UTF-8."""
    data = bytearray(random_text(rng).encode("utf-8"))
    for _ in range(rng.randint(1, 6)):
        if data and rng.random() < 0.7:
            data[rng.randrange(len(data))] = rng.randrange(256)
        else:
            at = rng.randint(0, len(data))
            data[at:at] = bytes(rng.randrange(0x80, 0x100) for _ in range(rng.randint(1, 3)))
    return bytes(data[:rng.randint(1, len(data))])


def real_texts():
    """Lines of the project's own files: prose, code, JSON."""
    for pattern in ("include/steer/*.h", "src/*/*.h", "docs/*.md", "README.md", "examples/demo_model/*.py"):
        for path in sorted(ROOT.glob(pattern)):
            text = path.read_text(encoding="utf-8")
            yield text
            yield from (text[i:i + 200] for i in range(0, len(text), 200))
