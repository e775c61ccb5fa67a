"""What packing a model's weights costs in quality: the same text through the model as stored and packed.

    ./run bench --quality FOLDER [--weights int8,int4,nf4] [--against FOLDER] [--text FILE] [--device cpu] [--json FILE] [--write]

--against names the reference of a checkpoint that is quantised already. The program quality_bench drives libsteer's backend,
below the C door, and gives each position's divergence in float64.
"""
import json
import math
import sys
from pathlib import Path

from program import Program

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "examples/demo_model"
WEIGHTS = ("as_stored", "int8", "int4", "nf4")
DTYPES = {"float32": 1, "float16": 2, "bfloat16": 3}
CHUNK = 128  # positions at a time: logits of large vocabularies take room


def demo_talks():
    """What the demo model can say: replies in both voices on topics that it was trained on, and what stands before each."""
    pairs = [json.loads(line) for line in (DEMO / "contrast.jsonl").read_text(encoding="utf-8").splitlines()]
    before = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
    return [(before.format(pair["prompt"]), pair[voice] + "<|im_end|>")
            for pair in [pair for pair in pairs if pair["split"] == "train"][::8] for voice in ("negative", "positive")]


def default_text(folder):
    """A name, and texts with what stands before each, which is read but not counted."""
    if folder.resolve() == (DEMO / "model").resolve():
        return "replies on topics that it was trained on", demo_talks()
    return "README.md", [("", (ROOT / "README.md").read_text(encoding="utf-8"))]


def percentile(values, share):
    """The smallest value that so large a share of all does not exceed."""
    return sorted(values)[max(math.ceil(share * len(values)), 1) - 1]


def perplexity(log_probs):
    return math.exp(-math.fsum(log_probs) / len(log_probs))


def figures(told):
    """told: of every position that has a next id in all pieces of the text."""
    kl = told["kl"]
    return {"positions": len(kl), "kl_mean": math.fsum(kl) / len(kl), "kl_p99": percentile(kl, 0.99), "kl_max": max(kl),
            "agreement": 100 * sum(told["agree"]) / len(kl), "perplexity_reference": perplexity(told["reference"]),
            "perplexity": perplexity(told["packed"])}


class Comparison:
    def __init__(self, program, folder, against, dtype, device):
        self.program, self.folder = program, folder
        self.common = {"dtype": DTYPES[dtype], "device": device}
        self.reference = program.ask(json.dumps({"open": "reference", "folder": str(against), "weights": 0, **self.common}))

    def encode(self, text):
        return self.program.ask(json.dumps({"encode": text}))["ids"] if text else []

    def pieces(self, texts, window):
        """Ids of the texts, cut to what a conversation may hold, and the first position of each that counts."""
        longest = min(window, self.reference["context_max"])
        for before, text in texts:
            head = self.encode(before)
            ids, first = head + self.encode(text), max(len(head) - 1, 0)
            for at in range(0, len(ids) - 1, longest):
                yield ids[at: at + longest], max(first - at, 0)

    def row(self, weights, pieces):
        packed = self.program.ask(json.dumps({"open": "packed", "folder": str(self.folder), "weights": WEIGHTS.index(weights),
                                              **self.common}))
        told = {"kl": [], "agree": [], "reference": [], "packed": []}
        for i, (ids, first) in enumerate(pieces):
            answer = self.program.ask(json.dumps({"compare": ids, "chunk": CHUNK}))
            for name, values in told.items():
                values += answer[name][first:]
            if sys.stderr.isatty():
                print(f"bench: {weights}, piece {i + 1} of {len(pieces)}", end="\r", file=sys.stderr)
        print(f"bench: {weights}: {len(pieces)} pieces read", file=sys.stderr)
        return {"weights": weights, **figures(told), "weight_bytes_reference": self.reference["weight_bytes"],
                "weight_bytes": packed["weight_bytes"]}


def table(rows):
    lines = ["| weights | memory MB | of as stored | KL mean | KL 99 % | KL max | same first choice | perplexity | was |", "|---|---|---|---|---|---|---|---|---|"]
    for row in rows:
        lines.append("| {weights} | {0:.1f} | {1:.0f} % | {kl_mean:.5f} | {kl_p99:.4f} | {kl_max:.4f} | {agreement:.2f} % | {perplexity:.4f} | "
                     "{perplexity_reference:.4f} |".format(row["weight_bytes"] / 1e6, 100 * row["weight_bytes"] / row["weight_bytes_reference"], **row))
    return "\n".join(lines) + "\n"


def run(options, dtype):
    """Rows of all formats, and words on what was read."""
    folder = options.quality
    against = options.against or folder
    name, texts = (options.text.name, [("", options.text.read_text(encoding="utf-8"))]) if options.text else default_text(against)
    formats = options.weights or (["as_stored"] if options.against else list(WEIGHTS[1:]))
    program = Program("quality_bench", [options.program.with_name("quality_bench")])
    comparison = Comparison(program, folder.resolve(), against.resolve(), dtype, options.device)
    pieces = list(comparison.pieces(texts, options.window))
    rows = [comparison.row(weights, pieces) for weights in formats]
    program.close()
    words = (f"{folder.resolve().name}, {dtype}, against {'itself as stored' if not options.against else against.resolve().name}; text: {name}, "
             f"{rows[0]['positions']} positions in {len(pieces)} pieces. KL of packed from reference in nats a position.")
    return rows, words
