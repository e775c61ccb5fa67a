"""Random JSON schemas, documents that fit them, and what Python's own json and jsonschema say about a text.

A document is written as libsteer writes one: properties in declared order, others behind them, names spelled in one way; but
white space, escapes in strings, numbers and the choice of alternatives are as free as they are there.
"""

import datetime
import json
import re
import string

import jsonschema

FORMATS = ["date", "time", "date-time", "uuid", "email", "ipv4"]
CHECKER = jsonschema.FormatChecker(formats=["date", "uuid", "email", "ipv4"])


@CHECKER.checks("date-time", raises=ValueError)
def is_date_time(text):
    if not isinstance(text, str):
        return True
    datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", text))


@CHECKER.checks("time", raises=ValueError)
def is_time(text):
    return not isinstance(text, str) or is_date_time("2000-01-01T" + text)


PATTERNS = {  # each with texts in which it is found
    r"^[A-Z]{2}-\d{3,5}$": ["AB-123", "ZZ-00000", "QX-9876"],
    r"cat|dog": ["cat", "a dog!", "concatenate", "猫cat"],
    r"^(?:[a-z]+ )*[a-z]+$": ["a", "one two three", "x y"],
    r"^\+?[\d ()-]{3,10}$": ["+1 (2) 3", "123", "00-00-00"],
    r"^[^aeiou\s]*$": ["", "xyz", "日本", "\\\"\\"],
    r"^.{2,4}$": ["ab", "日本語", "\"\"\"\"", "\t\t"],
    r"[ぁ-ん]{2}": ["です", "それはね", "ab ああ"],
    r"^(a|b(c|d)?)+$": ["a", "bcbdab", "b"],
    r"x?y*?z{0,2}$": ["", "abc", "xyyzz", "q\n!"],
    r"^[\w.-]+\\[\u0022/]$": ["a\\\"", "x.y-z\\/"],
    r"^$|^#": ["", "#", "# head\nline"],
    r"^\S+\s\S+$": ["a b", "!! ??"],
}

DEFS = {
    "tree": {"type": "object", "properties": {"value": {"type": "integer"}, "children": {"type": "array", "items": {
        "$ref": "#/$defs/tree"}, "maxItems": 3}}, "required": ["value"], "additionalProperties": False},
    "list": {"anyOf": [{"type": "null"}, {"type": "object", "properties": {"head": {"type": "string"}, "tail": {
        "$ref": "#/$defs/list"}}, "required": ["head", "tail"]}]},
    "mood": {"enum": ["happy", "sad", "照れ", "a \"quoted\" one", None, 7, -0.5, [1, {"x": "y"}], {}]},
}


class Free(str):
    """A string that may be spelled with any escapes."""


class Generator:
    def __init__(self, rng):
        self.rng = rng

    # ---- schemas ----------------------------------------------------------------------------------------------------

    def schema(self):
        made = self.part(3)
        if '"$ref"' in json.dumps(made):
            made = {**made, "$defs": DEFS}
        return made

    def part(self, depth):
        kinds = ["string", "integer", "number", "boolean", "null", "enum", "const", "ref"]
        if depth > 0:
            kinds += ["object", "object", "object", "array", "array", "tuple", "map", "anyOf", "oneOf", "type list"]
        made = getattr(self, self.rng.choice(kinds).replace(" ", "_"))(depth - 1)
        if self.rng.random() < 0.1:
            made = {**made, "description": "say it", "title": "It"}
        return made

    def string(self, _):
        choice = self.rng.random()
        if choice < 0.4:
            return {"type": "string"}
        if choice < 0.6:
            least = self.rng.randrange(4)
            return {"type": "string", "minLength": least, "maxLength": least + self.rng.randrange(6)}
        if choice < 0.65:
            return {"type": "string", "minLength": self.rng.randrange(5)}
        if choice < 0.85:
            pattern = self.rng.choice(list(PATTERNS))
            if choice < 0.78:
                return {"type": "string", "pattern": pattern}
            size = len(self.rng.choice(PATTERNS[pattern]))  # a length that one of the texts has
            return {"type": "string", "pattern": pattern, "minLength": max(0, size - self.rng.randrange(3)),
                    "maxLength": size + self.rng.randrange(3)}
        return {"type": "string", "format": self.rng.choice(FORMATS)}

    def bounds(self, number):
        made, low = {}, number()
        if self.rng.random() < 0.7:
            made[self.rng.choice(["minimum", "exclusiveMinimum"])] = low
        if self.rng.random() < 0.7:
            made[self.rng.choice(["maximum", "exclusiveMaximum"])] = low + self.rng.choice([2, 3, 10, 17, 1000, 123456])
        return made

    def integer(self, _):
        return {"type": "integer", **self.bounds(lambda: self.rng.choice([0, 1, -1, -5, 99, -1000, 12345]))}

    def number(self, _):
        return {"type": "number", **self.bounds(lambda: self.rng.choice([0, 0.5, -0.25, -12.75, 100, 0.001]))}

    def boolean(self, _):
        return {"type": "boolean"}

    def null(self, _):
        return {"type": "null"}

    def enum(self, _):
        return {"enum": self.rng.sample(DEFS["mood"]["enum"] + ["x", "xy", "xyz", 1, 12, True], 4)}

    def const(self, _):
        return {"const": self.rng.choice(["fixed", 3, None, {"a": [1, 2, {"b": "c"}]}, []])}

    def ref(self, _):
        return {"$ref": "#/$defs/" + self.rng.choice(list(DEFS))}

    def names(self, count):
        pool = ["name", "age", "na", "mood", "好き", "a\"b", "x/y", "tab\t", "", "nam", "name2"]
        return self.rng.sample(pool, count)

    def object(self, depth):
        names = self.names(self.rng.randrange(5))
        made = {"type": "object", "properties": {name: self.part(depth) for name in names},
                "required": [name for name in names if self.rng.random() < 0.5]}
        more = self.rng.random()
        if more < 0.4:
            made["additionalProperties"] = False
        elif more < 0.7:
            made["additionalProperties"] = self.rng.choice([True, self.part(0)])
        return made

    def map(self, depth):
        least = self.rng.randrange(3)
        return {"type": "object", "additionalProperties": self.part(depth), "minProperties": least,
                "maxProperties": least + self.rng.randrange(1, 3)}

    def array(self, depth):
        made = {"type": "array", "items": self.part(depth)}
        least = self.rng.randrange(3)
        if self.rng.random() < 0.6:
            made["minItems"] = least
        if self.rng.random() < 0.6:
            made["maxItems"] = least + self.rng.randrange(3)
        return made

    def tuple(self, depth):
        first = [self.part(depth) for _ in range(self.rng.randrange(1, 4))]
        made = {"type": "array", "prefixItems": first, "items": self.rng.choice([False, self.part(0)])}
        if self.rng.random() < 0.7:
            made["minItems"] = self.rng.randrange(len(first) + 1)
        if self.rng.random() < 0.3:
            made["maxItems"] = len(first) + (0 if made["items"] is False else 2)
        return made

    def anyOf(self, depth):
        return {"anyOf": [self.part(depth) for _ in range(self.rng.randrange(1, 4))]}

    def oneOf(self, depth):
        if self.rng.random() < 0.5:
            return {"oneOf": [{"type": "string", "maxLength": 4}, {"type": "integer"}, {"type": "array", "items": self.part(depth)}]}
        kinds = self.rng.sample(["cat", "dog", "fish"], 2)
        return {"oneOf": [{"type": "object", "properties": {"kind": {"const": kind}, "of": self.part(depth)},
                           "required": ["kind"], "additionalProperties": False} for kind in kinds]}

    def type_list(self, _):
        return {"type": self.rng.sample(["string", "integer", "boolean", "null"], 2), "maxLength": 5}

    # ---- documents --------------------------------------------------------------------------------------------------

    def text(self, least=0, most=8):
        pool = string.ascii_letters + " \"\\/\n\t\b{}[]:,0123456789" + "あ漢字😀é\u007f\u0001\ufffd"
        return Free("".join(self.rng.choice(pool) for _ in range(self.rng.randint(least, most))))

    def value(self, schema, root, depth=0):
        """One that fits; None of Python stands for null."""
        rng = self.rng
        if schema is True or schema == {}:
            return self.any_value(depth)
        if "$ref" in schema:
            name = schema["$ref"].rsplit("/", 1)[1]
            if depth > 6:  # an end to what contains itself
                return {"tree": {"value": 1}, "list": None, "mood": "sad"}[name]
            return self.value(root["$defs"][name], root, depth + 1)
        for key in ("anyOf", "oneOf"):
            if key in schema:
                return self.value(rng.choice(schema[key]), root, depth)
        if "enum" in schema:
            return rng.choice(schema["enum"])
        if "const" in schema:
            return schema["const"]
        kind = schema["type"]
        if isinstance(kind, list):
            kind = rng.choice(kind)
        return getattr(self, "make_" + kind)(schema, root, depth + 1)

    def any_value(self, depth):
        kinds = ["string", "number", "boolean", "null"] + (["object", "array"] if depth < 4 else [])
        kind = self.rng.choice(kinds)
        if kind == "object":
            return {str(self.text(0, 3)): self.any_value(depth + 1) for _ in range(self.rng.randrange(3))}
        if kind == "array":
            return [self.any_value(depth + 1) for _ in range(self.rng.randrange(3))]
        return getattr(self, "make_" + kind)({}, None, depth)

    def make_null(self, *_):
        return None

    def make_boolean(self, *_):
        return self.rng.random() < 0.5

    def make_string(self, schema, *_):
        if "pattern" in schema:
            least, most = schema.get("minLength", 0), schema.get("maxLength", 1000)
            return self.rng.choice([text for text in PATTERNS[schema["pattern"]] if least <= len(text) <= most])
        if "format" in schema:
            return self.formatted(schema["format"])
        least = schema.get("minLength", 0)
        return self.text(least, schema.get("maxLength", least + 6))

    def formatted(self, name):
        rng = self.rng
        moment = datetime.datetime(1000, 1, 1) + datetime.timedelta(seconds=rng.randrange(283 * 10**9))
        date = rng.choice([moment.strftime("%Y-%m-%d").rjust(10, "0"), "2024-02-29", "2000-02-29", "1999-12-31"])
        time = moment.strftime("%H:%M:%S") + rng.choice(["Z", "+09:00", ".25Z", "-11:30"])
        digits = "".join(rng.choice("0123456789abcdefABCDEF") for _ in range(32))
        return {"date": date, "time": time, "date-time": date + "T" + time, "email": rng.choice(["a@b.co", "x.y+z@mail-1.example.org"]),
                "uuid": "-".join([digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]]),
                "ipv4": ".".join(str(rng.choice([0, 9, 10, 99, 100, 199, 200, 249, 250, 255])) for _ in range(4))}[name]

    def make_integer(self, schema, *_):
        low = schema.get("minimum", schema.get("exclusiveMinimum", -10**6 - 1) + 1)
        high = schema.get("maximum", schema.get("exclusiveMaximum", max(low, 0) + 10**9 + 1) - 1)
        return self.rng.choice([low, high, self.rng.randint(low, high)])

    def make_number(self, schema, *_):
        low = schema.get("minimum", schema.get("exclusiveMinimum"))
        high = schema.get("maximum", schema.get("exclusiveMaximum"))
        if low is None and high is None:
            return self.rng.choice([0, -1, 17, 0.5, -2.25, 1e-5, 6.02e23, 123456789.25, -1e-50, 10**17])
        low = high - 5 if low is None else low
        high = low + 5 if high is None else high
        choices = [round(self.rng.uniform(low, high), self.rng.randrange(1, 9)) + 0.0, (low + high) / 2]  # + 0.0: no -0.0
        choices += [low] if "minimum" in schema else []
        choices += [high] if "maximum" in schema else []
        return self.rng.choice([one for one in choices if low < one < high or one in choices[2:]])

    def make_object(self, schema, root, depth):
        made = {}
        for name, part in schema.get("properties", {}).items():
            if name in schema.get("required", []) or (depth < 5 and self.rng.random() < 0.5):
                made[name] = self.value(part, root, depth)
        more = schema.get("additionalProperties", "properties" not in schema)
        if more is not False:
            least = schema.get("minProperties", 0)
            count = self.rng.randint(least, schema.get("maxProperties", least + (2 if depth < 5 else 0)))
            while count > 0:
                name = str(self.text(0, 5))
                if name not in made and name not in schema.get("properties", {}):
                    made[name] = self.value(more, root, depth)
                    count -= 1
        return made

    def make_array(self, schema, root, depth):
        first = schema.get("prefixItems", [])
        rest = schema.get("items", True)
        least = schema.get("minItems", 0)
        most = schema.get("maxItems", len(first) + (0 if rest is False else least + (2 if depth < 5 else 0)))
        if rest is False:
            most = min(most, len(first))
        count = self.rng.randint(least, max(least, most))
        return [self.value(first[i] if i < len(first) else rest, root, depth) for i in range(count)]

    # ---- texts ------------------------------------------------------------------------------------------------------

    def write(self, value, style=None, depth=0):
        """As JSON, in one of the usual styles of white space."""
        if style is None:
            style = self.rng.choice([("", "", None), ("", " ", None), ("", " ", "  "), ("", " ", "    "), ("", "", "\t"), (" ", " ", None)])
        inside, behind, indent = style
        if isinstance(value, (dict, list)):
            if not value:
                return self.rng.choice(["{}", "{ }"] if isinstance(value, dict) else ["[]", "[ ]"])
            parts = value.items() if isinstance(value, dict) else value
            write = lambda part: (json.dumps(part[0], ensure_ascii=False) + ":" + behind + self.write(part[1], style, depth + 1)
                                  if isinstance(value, dict) else self.write(part, style, depth + 1))
            line = inside if indent is None else "\n" + indent * (depth + 1)
            end = inside if indent is None else "\n" + indent * depth
            comma = "," + (behind if indent is None else line)
            open_, close = ("{", "}") if isinstance(value, dict) else ("[", "]")
            return open_ + line + comma.join(write(part) for part in parts) + end + close
        if isinstance(value, Free):
            return self.escaped(value)
        return json.dumps(value, ensure_ascii=False)

    def escaped(self, text):
        out = ""
        for character in text:
            plain = json.dumps(character, ensure_ascii=False)[1:-1]
            coded = json.dumps(character + "é", ensure_ascii=True)[1:-7]  # \ud83d\ude00 for what is beyond
            hexed = "".join(f"\\u{ord(c):04X}" for c in character) if ord(character) < 0x10000 else coded
            out += self.rng.choice([plain, plain, plain, coded, hexed] + (["\\/"] if character == "/" else []))
        return f'"{out}"'


# ---- the reference ---------------------------------------------------------------------------------------------------


def parse_strictly(data):
    """bytes -> value; ValueError where it is no JSON, has a number that is none, or a name twice."""
    def pairs(items):
        if len({name for name, _ in items}) != len(items):
            raise ValueError("a name comes twice")
        return dict(items)

    def constant(word):
        raise ValueError(word)

    return json.loads(data.decode("utf-8"), object_pairs_hook=pairs, parse_constant=constant)


def validator(schema):
    return jsonschema.Draft202012Validator(schema, format_checker=CHECKER)


def mutations(rng, value):
    """Values near one, at a random place in it."""
    places = [()]

    def walk(at, path):
        for key, inside in at.items() if isinstance(at, dict) else enumerate(at) if isinstance(at, list) else ():
            places.append(path + (key,))
            walk(inside, path + (key,))

    walk(value, ())
    path = rng.choice(places)
    strange = rng.choice([None, True, 0, -1, 1.5, 10**7, "", "zzz", "a" * 12, [], [None], {}, {"zzz": 1}, "remove", "add", "add", "double"])

    def change(at, left):
        if left:
            copy = dict(at) if isinstance(at, dict) else list(at)
            if len(left) == 1 and strange == "remove":
                del copy[left[0]]
            elif len(left) == 1 and strange == "double" and isinstance(copy, list):
                copy.insert(left[0], copy[left[0]])
            else:
                copy[left[0]] = change(at[left[0]], left[1:])
            return copy
        if strange == "add" and isinstance(at, dict):
            return {**at, rng.choice(["zzz", "name", "age"]): rng.choice([1, "x", None])}
        if strange == "add" and isinstance(at, list):
            return at + [rng.choice([1, "x", None])]
        if strange == "add" and isinstance(at, str):
            return at + rng.choice(["!", "\n", "é", " "])
        if strange in ("add", "double") and isinstance(at, (int, float)):
            return at * 1000 + 1
        return strange

    return change(value, path)
