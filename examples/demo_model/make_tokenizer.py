"""Trains the demo model's byte-level BPE on generated talks and writes it in the layout of Qwen's files.

usage: make_tokenizer.py [--out model] [--conversations 60000] [--seed 7]
"""
import argparse
import json
import pathlib
import random

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

import dialogue

HERE = pathlib.Path(__file__).resolve().parent
VOCAB = 4096
CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
# Short tokens, as in a large vocabulary over real text: else whole phrases of the generator would become one token.
LONGEST = 12               # in bytes: four kana, or a word of twelve letters
SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
         r"|\s*[\r\n]+|\s+(?!\S)|\s+")
CHAT_TEMPLATE = ("{%- for message in messages %}\n"
                 "    {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}\n"
                 "{%- endfor %}\n"
                 "{%- if add_generation_prompt %}\n"
                 "    {{- '<|im_start|>assistant\\n' }}\n"
                 "{%- endif %}\n")


def corpus(seed, conversations):
    rng = random.Random(seed)
    for _ in range(conversations):
        for message in dialogue.conversation(rng):
            yield message["role"] + "\n" + message["content"]


def train(seed, conversations):
    """The learnt vocabulary and merges of the plain part."""
    bpe = Tokenizer(models.BPE())
    bpe.normalizer = normalizers.NFC()
    bpe.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(SPLIT), behavior="isolated", invert=False),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    bpe.train_from_iterator(corpus(seed, conversations), trainers.BpeTrainer(
        vocab_size=VOCAB - len(CONTROL), initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), max_token_length=LONGEST, show_progress=False))
    model = json.loads(bpe.to_str())["model"]
    return model["vocab"], [merge if isinstance(merge, list) else merge.split(" ") for merge in model["merges"]]


def write(out, vocab, merges):
    base = len(vocab)
    added = [{"id": base + i, "content": text, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
             for i, text in enumerate(CONTROL)]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": SPLIT}, "behavior": "Isolated", "invert": False}, byte_level]},
        "post_processor": byte_level, "decoder": byte_level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "", "end_of_word_suffix": "",
                  "fuse_unk": False, "byte_fallback": False, "ignore_merges": False, "vocab": vocab, "merges": merges}}
    config = {"tokenizer_class": "Qwen2Tokenizer", "add_bos_token": False, "add_prefix_space": False, "bos_token": None, "eos_token": "<|im_end|>",
              "pad_token": "<|endoftext|>", "unk_token": None, "errors": "replace", "model_max_length": 1024, "clean_up_tokenization_spaces": False,
              "split_special_tokens": False, "chat_template": CHAT_TEMPLATE,
              "added_tokens_decoder": {str(a["id"]): {k: v for k, v in a.items() if k != "id"} for a in added}}
    ids = {text: base + i for i, text in enumerate(CONTROL)}
    generation = {"bos_token_id": None, "do_sample": True, "temperature": 0.7, "top_p": 0.9, "pad_token_id": ids["<|endoftext|>"],
                  "eos_token_id": [ids["<|im_end|>"], ids["<|endoftext|>"]]}
    out.mkdir(parents=True, exist_ok=True)
    for name, value, indent in (("tokenizer.json", tokenizer, None), ("tokenizer_config.json", config, 1), ("generation_config.json", generation, 1)):
        (out / name).write_text(json.dumps(value, ensure_ascii=False, indent=indent) + "\n", encoding="utf-8")


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--out", type=pathlib.Path, default=HERE / "model")
    options.add_argument("--conversations", type=int, default=60000)
    options.add_argument("--seed", type=int, default=7)
    args = options.parse_args()
    vocab, merges = train(args.seed, args.conversations)
    write(args.out, vocab, merges)
    print(f"{len(vocab)} plain tokens, {len(merges)} merges, {len(CONTROL)} control tokens -> {args.out}")


if __name__ == "__main__":
    main()
