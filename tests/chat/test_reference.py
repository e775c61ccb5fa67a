"""What the chat does to a model with a persona file of the older console, against transformers with Python hooks: S times row L at
the input of block L, for every position; the gauge is what a forward hook on a block saw."""
import json
import os

import pytest
from conftest import newest, random_model
from console import piped

STRENGTH, FIRST, LAST, GAUGE, TOKENS = 1.5, 2, 4, 4, 12


@pytest.fixture(scope="module")
def chat():
    path = os.environ.get("STEER_CHAT") or newest("steer_chat")
    if path is None:
        pytest.skip("steer_chat is not built")
    return str(path)


def reference(folder, message):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    rows = {layer: row.float() for layer, row in torch.load(folder / "vectors" / "gyaru_vector_manual.pt").items()}
    seen = {}

    def push(layer):
        return lambda module, args: (args[0] + STRENGTH * rows[layer], *args[1:])

    def read(module, args, out):
        state = out[0] if isinstance(out, tuple) else out
        seen["state"] = state[0, -1]

    blocks = model.model.layers
    for layer in range(FIRST, LAST + 1):
        blocks[layer].register_forward_pre_hook(push(layer))
    blocks[GAUGE].register_forward_hook(read)
    pushed = sum(STRENGTH * rows[layer] for layer in range(FIRST, GAUGE + 1))  # what stands in the stream at that output
    ids = tokenizer.apply_chat_template([{"role": "user", "content": message}], add_generation_prompt=True, return_tensors="pt", return_dict=True)["input_ids"]
    ends = model.generation_config.eos_token_id
    ends = set(ends if isinstance(ends, list) else [ends])
    out = []
    with torch.no_grad():
        while len(out) < TOKENS and not (out and out[-1]["id"] in ends):
            logits = model(ids, use_cache=False).logits[0, -1]
            token = int(logits.argmax())
            cosine = torch.nn.functional.cosine_similarity
            out.append({"id": token, "logprob": float(logits.log_softmax(-1)[token]), "raw": float(cosine(seen["state"], rows[GAUGE], dim=0)),
                        "own": float(cosine(seen["state"] - pushed, rows[GAUGE], dim=0))})
            ids = torch.cat([ids, torch.tensor([[token]])], dim=1)
    return out


@pytest.mark.parametrize("message", ["こんにちは", "tell me about 宇宙 😀"])
def test_a_legacy_vector_pushes_and_reads_as_hooks_do(chat, tmp_path, message):
    folder = random_model(tmp_path)
    done = piped([chat, "--model", str(folder), "--once", message, "--json", "--temperature", "0", "--strength", str(STRENGTH), "--layers", f"{FIRST}-{LAST}",
                  "--visualize-layer", str(GAUGE), "--max-tokens", str(TOKENS), "--dtype", "float32", "--device", "cpu"])
    if done.returncode != 0 and b"libsteer_torch" in done.stderr:
        pytest.skip("libsteer_torch is not built beside it: " + done.stderr.decode()[:200])
    assert done.returncode == 0, done.stderr.decode()
    got = [json.loads(line) for line in done.stdout.decode().splitlines()][:-1]
    want = reference(folder, message)
    assert [token["id"] for token in got] == [token["id"] for token in want]
    for ours, theirs in zip(got, want):
        assert ours["logprob"] == pytest.approx(theirs["logprob"], abs=2e-4)
        assert ours["gauges"][str(GAUGE)]["raw"] == pytest.approx(theirs["raw"], abs=1e-4)
        assert ours["gauges"][str(GAUGE)]["own"] == pytest.approx(theirs["own"], abs=2e-4)
