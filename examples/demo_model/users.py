"""Draws what a user says. Two things are kept from training: wordings marked as held out, and one exact text in sixteen."""
import itertools
import re
import zlib

import users_en
import users_ja
from words import pick

_GROUP = re.compile(r"\(([^()]*)\)")
_SHORTEST_HELD_OUT = 8     # characters: greetings and single words stay in


def expand(template):
    """Every text of a template with (a|b) groups, those that a doubled alternative makes twice, twice."""
    parts = _GROUP.split(template)
    choices = [part.split("|") if index % 2 else [part] for index, part in enumerate(parts)]
    return ["".join(combination).strip() for combination in itertools.product(*choices)]


def _expand_all(templates):
    split = templates.index(None) if None in templates else len(templates)
    return tuple([expand(t) for t in templates[slice(*bounds)] if t] for bounds in ((0, split), (split, len(templates))))


WORDINGS = {lang: {intent: _expand_all(templates) for intent, templates in module.USER.items()} for lang, module in (("ja", users_ja), ("en", users_en))}


def wording(rng, lang, intent, held_out=False):
    """A template's text with its placeholders still in it."""
    return pick(rng, pick(rng, WORDINGS[lang][intent][held_out]))


def is_held_out(text):
    """Whether no training talk may hold this text as a whole user message."""
    return len(text) >= _SHORTEST_HELD_OUT and zlib.crc32(text.encode()) % 16 == 0
