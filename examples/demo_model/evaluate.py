"""How far the voice can be turned: sweeps a mean-difference vector over strengths with PyTorch hooks and prints the tables.

usage: evaluate.py --model model --search [--out evaluation.json]          every pooling, site and a few bands, relative strengths
       evaluate.py --model model --pooling user --sites 4 [--step 0.06]     the full table at one place

A raw strength S pushes S times the row. Rows are scaled so that raw 10 is the relative strength of `--full`.
"""
import argparse
import json
import pathlib

import torch

import score
import steering

HERE = pathlib.Path(__file__).resolve().parent
POOLINGS = ("reply", "user", "last")
BANDS = ((1, 4), (2, 5), (3, 6), (2, 7), (1, 7))          # half open
SEARCH = (0.15, 0.225, 0.3, 0.375, 0.45, 0.6, 0.75, 0.9)
RAW = (-10, -5, 0, 2, 4, 6, 8, 10, 12, 15)
CONTRARY = {"ja": "丁寧な敬語で話してください。", "en": "Be polite."}
AGREEING = {"ja": "ギャル語で話してください。", "en": "Talk like a gyaru."}


def unit_push(rows, norms, sites):
    """{site: row} whose lengths sum to the typical norm at the last site: relative strength 1."""
    raw = {site: norms[site] * rows[site] / rows[site].norm() for site in sites}
    total = torch.stack(list(raw.values())).sum(0).norm()
    return {site: push * norms[max(sites)] / total for site, push in raw.items()}


def spread(push, strengths, count, device):
    """The push of every row of a batch: `count` prompts at each strength in turn."""
    factors = torch.tensor(strengths, dtype=torch.float32).repeat_interleave(count)[:, None]
    return {site: (factors * row).to(device) for site, row in push.items()}


class Bench:
    def __init__(self, folder, device):
        self.model, self.tokenizer = steering.load(folder, device)
        prompts = steering.read_jsonl(HERE / "prompts.jsonl")
        self.prompts, self.new_wordings = ([p for p in prompts if p["set"] == name] for name in ("main", "new_wording"))
        pairs = steering.read_jsonl(HERE / "contrast.jsonl")
        self.pairs = [p for p in pairs if p["split"] == "train"]
        self.unseen = [p for p in pairs if p["split"] == "held_out"]
        self.norms = steering.typical_norms(self.model, self.tokenizer, self.pairs)
        self.rows = {pooling: steering.mean_difference(self.model, self.tokenizer, self.pairs, pooling) for pooling in POOLINGS}

    def run(self, push, strengths, system=None, temperature=0.7, seed=0, distances=True, prompts=None):
        """One table row for each strength."""
        prompts = prompts or self.prompts
        heads = [steering.encode(self.tokenizer, system and system[p["lang"]], p["prompt"])[0] for p in prompts]
        rows = spread(push, strengths, len(heads), self.model.device)
        replies, ended = steering.sample(self.model, heads * len(strengths), rows, temperature, seed=seed, repeat=len(strengths))
        texts = self.tokenizer.batch_decode(replies, skip_special_tokens=False)
        if distances:
            losses, kl = steering.compare(self.model, heads * len(strengths), replies, rows)
        table = []
        for index, strength in enumerate(strengths):
            part = slice(index * len(heads), (index + 1) * len(heads))
            row = {"strength": strength, "styles": [score.style(t) for t in texts[part]],
                   "forms": [score.form(t, p) for t, p in zip(texts[part], prompts)], "ended": sum(ended[part]) / len(heads),
                   "length": sum(map(len, replies[part])) / len(heads), "texts": texts[part]}
            if distances:
                row["loss"] = sum(losses[part]) / len(heads)
                tokens = torch.cat(kl[part])
                row["kl"], row["kl90"] = float(tokens.mean()), float(tokens.quantile(0.9))
            table.append({**row, "style": mean(row["styles"]), "form": mean(row["forms"])})
        return table

    def content_auc(self, pooling):
        """By site: how well the mean projection of the tokens that both voices share tells the voices of unseen topics apart."""
        sides = []
        for side in ("positive", "negative"):
            means = []
            for pair in self.unseen:
                other = set(self.tokenizer(pair["negative" if side == "positive" else "positive"])["input_ids"])
                ids, head = steering.encode(self.tokenizer, pair["system"], pair["prompt"], pair[side])
                shared = [i for i in range(head, len(ids)) if ids[i] in other]
                with torch.no_grad(), steering.captured(self.model) as states:
                    self.model.model(input_ids=torch.tensor([ids], device=self.model.device), use_cache=False)
                means.append(torch.stack([state[0, shared].mean(0) for state in states]).cpu())
            sides.append((torch.stack(means) * self.rows[pooling]).sum(-1))
        positive, negative = sides
        return (positive[:, None] > negative[None]).float().mean((0, 1)).tolist()


def mean(values):
    return sum(values) / len(values)


def interval(values, draws=1000):
    """Bootstrap 95 % over prompts."""
    picks = torch.randint(len(values), (draws, len(values)), generator=torch.Generator().manual_seed(0))
    means = torch.tensor(values)[picks].mean(1)
    return [float(means.quantile(q)) for q in (0.025, 0.975)]


def search(bench, device):
    places = [(pooling, (site,)) for pooling in POOLINGS for site in range(1, 7)] + \
             [(pooling, tuple(range(*band))) for pooling in POOLINGS for band in BANDS]
    found = []
    for pooling, sites in places:
        table = bench.run(unit_push(bench.rows[pooling], bench.norms, sites), SEARCH, distances=False)
        good = [row for row in table if row["style"] >= 0.90 and row["form"] >= 0.97]
        best = max(table, key=lambda row: min(row["style"], 0.95) + min(row["form"], 0.99) * 2)
        found.append({"pooling": pooling, "sites": sites, "good": len(good), "best": [best["strength"], best["style"], best["form"]],
                      "rows": [[row["strength"], round(row["style"], 3), round(row["form"], 3)] for row in table]})
        print(f"{pooling:>5} {str(sites):<20}", " ".join(f"{r['strength']}:{r['style']:.2f}/{r['form']:.2f}" for r in table), flush=True)
    return sorted(found, key=lambda f: (f["good"], f["best"][2]), reverse=True)


def report(bench, pooling, sites, full, show):
    """All tables at one place; prints them and returns them."""
    unit = unit_push(bench.rows[pooling], bench.norms, sites)
    push = {site: row * full / 10 for site, row in unit.items()}
    names = ("style", "form", "loss", "kl", "kl90", "ended", "length")
    tables = {"sampled": merge(bench.run(push, RAW, seed=1), bench.run(push, RAW, seed=2)), "greedy": bench.run(push, RAW, temperature=0, distances=False),
              "contrary prompt": bench.run(push, RAW, CONTRARY, distances=False), "agreeing prompt": bench.run(push, RAW, AGREEING, distances=False)}
    spread_of_random = []
    for seed in range(3):
        noise = torch.Generator().manual_seed(seed)
        other = {site: (d := torch.randn(row.shape, generator=noise)) * row.norm() / d.norm() for site, row in push.items()}
        spread_of_random.append(bench.run(other, RAW, seed=1, distances=False))
    tables["random vector"] = [{**rows[0], "style": mean([r["style"] for r in rows]), "form": mean([r["form"] for r in rows])} for rows in zip(*spread_of_random)]
    zero = next(row for row in tables["sampled"] if row["strength"] == 0)
    print(f"\npooling {pooling}, sites {list(sites)}, raw 10 = relative {full}; lengths of the rows "
          + ", ".join(f"out({s}) {float(r.norm()):.3f} (stream {float(bench.norms[s]):.1f})" for s, r in push.items()))
    print("| strength | style | 95 % | form | perplexity ratio | KL mean / p90 | ended | tokens | greedy style / form | contrary prompt | agreeing prompt | random vector |")
    print("|" + "---|" * 12)
    for i, row in enumerate(tables["sampled"]):
        low, high = interval(row["styles"])
        cells = [f"{tables[name][i]['style']:.2f} / {tables[name][i]['form']:.2f}" for name in ("greedy", "contrary prompt", "agreeing prompt", "random vector")]
        ratio = torch.tensor(row["loss"] - zero["loss"]).exp()
        print(f"| {row['strength']} | {row['style']:.3f} | {low:.2f} .. {high:.2f} | {row['form']:.3f} | {ratio:.2f} | {row['kl']:.3f} / {row['kl90']:.2f} | "
              f"{row['ended']:.2f} | {row['length']:.0f} | " + " | ".join(cells) + " |")
    new = bench.run(push, RAW, seed=1, distances=False, prompts=bench.new_wordings)
    print("\nquestions in wordings never trained on (style / form):", ", ".join(f"{row['strength']}: {row['style']:.2f} / {row['form']:.2f}" for row in new))
    for strength in show:
        row = next(r for r in tables["sampled"] if r["strength"] == strength)
        print(f"\nreplies at {strength}")
        for prompt, text, form in list(zip(bench.prompts, row["texts"], row["forms"]))[::4]:
            print(f"  {'' if form == 1 else '*'}{prompt['prompt']}  ->  {text}")
    tables["new wordings"] = new
    print("\nAUC of content tokens, unseen topics, by site:", {p: [round(a, 3) for a in bench.content_auc(p)] for p in POOLINGS})
    return {name: [{key: row[key] for key in ("strength", *names, *(("texts",) if row["strength"] in (0, 10) else ())) if key in row} for row in rows] for name, rows in tables.items()}


def merge(first, second):
    """Two seeds of the same sweep as one table."""
    joined = []
    for a, b in zip(first, second):
        row = {key: (a[key] + b[key]) / 2 for key in ("style", "form", "loss", "kl", "kl90", "ended", "length")}
        joined.append({**row, "strength": a["strength"], "styles": [mean(pair) for pair in zip(a["styles"], b["styles"])], "texts": a["texts"], "forms": a["forms"]})
    return joined


def full_strength(rows):
    """The relative strength that raw 10 shall mean: in the middle of the good ones."""
    good = [strength for strength, style, form in rows if style >= 0.90 and form >= 0.97]
    return (good[0] + good[-1]) / 2 if good else max(rows, key=lambda row: min(row[1], 0.95) + 2 * min(row[2], 0.99))[0]


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--model", type=pathlib.Path, default=HERE / "model")
    options.add_argument("--search", action="store_true")
    options.add_argument("--top", type=int, default=2, help="tables printed after a search, beside the best of every pooling")
    options.add_argument("--pooling", choices=POOLINGS, default="user")
    options.add_argument("--sites", type=lambda text: tuple(int(s) for s in text.split(",")), default=(4,))
    options.add_argument("--full", type=float, default=0.6, help="relative strength that raw 10 stands for")
    options.add_argument("--out", type=pathlib.Path)
    options.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    args = options.parse_args()
    bench = Bench(args.model, args.device)
    result = {"norms": bench.norms.tolist()}
    if args.search:
        result["search"] = search(bench, args.device)
        found = result["search"][:args.top]
        found += [best for best in (next(f for f in result["search"] if f["pooling"] == p) for p in POOLINGS) if best not in found]
        places = [(f["pooling"], f["sites"], full_strength(f["rows"])) for f in found]
    else:
        places = [(args.pooling, args.sites, args.full)]
    result["reports"] = [{"pooling": p, "sites": s, "full": full, "tables": report(bench, p, s, full, (0, 10) if i == 0 else ())}
                         for i, (p, s, full) in enumerate(places)]
    if args.out:
        args.out.write_text(json.dumps(result, indent=1, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main()
