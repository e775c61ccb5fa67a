"""Checkpoints with random weights, written by transformers: small decoders of both families in many shapes.

The weights are drawn wide enough that logits differ and attention looks around: an untrained model at its usual scale
says nearly the same everywhere, and then a comparison shows nothing.
"""

import json
import shutil
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoModelForCausalLM, GenerationConfig
from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM
from transformers.utils import logging

logging.set_verbosity_error()
logging.disable_progress_bar()

QWEN_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
CONTROL_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CHAT_TEMPLATE = (
    "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}")
TRAINING_TEXT = [
    "The quick brown fox jumps over the lazy dog; the dog does not mind, and the fox goes home.",
    "In the morning the town is quiet, in the evening it is not. What is it that the people talk about?",
    "今日はいい天気ですね。散歩に行きませんか。あーし、マジでおなかすいたんだけど!",
    "りんごを 3 個、みかんを 5 個ください。合計で 1,280 円になります。",
    "def add(a, b):\n    return a + b  # the sum\n",
]


@dataclass(frozen=True)
class Shape:
    name: str
    family: str = "qwen2"
    layers: int = 2
    hidden: int = 64
    heads: int = 4
    kv_heads: int = 2
    ffn: int = 96
    head_dim: int | None = None  # None: hidden / heads
    tied: bool = True
    dtype: torch.dtype = torch.float32  # of the files
    shard_size: str | None = None
    yarn: dict | None = None
    older_keys: bool = False  # rope_theta and rope_scaling beside each other, as transformers 4 wrote them
    padding: int = 0  # rows of the embedding beyond the tokenizer
    config: dict = field(default_factory=dict)

    def __str__(self):
        return self.name


SHAPES = [
    Shape("qwen2-mha-untied", heads=4, kv_heads=4, tied=False, layers=3),
    Shape("qwen2-gqa2-tied-older-keys", layers=4, older_keys=True, config={"rms_norm_eps": 1e-5}),
    Shape("qwen2-gqa7-sharded", heads=7, kv_heads=1, hidden=112, layers=3, tied=False, shard_size="120KB"),
    Shape("qwen2-bf16-padded", heads=14, kv_heads=2, hidden=112, dtype=torch.bfloat16, padding=37),
    Shape("qwen2-yarn-older-keys", layers=2, older_keys=True,
          yarn={"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32}),
    Shape("qwen3-gqa2-head-dim", "qwen3", head_dim=32, layers=6, hidden=48),
    Shape("qwen3-gqa7-untied-f16", "qwen3", heads=7, kv_heads=1, head_dim=16, hidden=64, tied=False,
          dtype=torch.float16),
    Shape("qwen3-mha-bf16-sharded", "qwen3", heads=2, kv_heads=2, head_dim=24, hidden=40, layers=5,
          dtype=torch.bfloat16,
          shard_size="60KB", padding=5),
    Shape("qwen3-yarn", "qwen3", head_dim=16, layers=3, tied=False,
          yarn={"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 16, "beta_fast": 24.0,
                "beta_slow": 2.0}),
]
BOTH_FAMILIES = [shape for shape in SHAPES if shape.name in ("qwen2-gqa7-sharded", "qwen3-mha-bf16-sharded")]


@lru_cache
def tokenizer():
    """A byte-level BPE in Qwen's layout, trained on a few lines; its control tokens come after the vocabulary."""
    made = Tokenizer(models.BPE())
    made.normalizer = normalizers.NFC()
    made.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(QWEN_PATTERN), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)])
    made.decoder = decoders.ByteLevel()
    made.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    made.train_from_iterator(TRAINING_TEXT, trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False))
    made.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in CONTROL_TOKENS])
    return made


def write_tokenizer(folder):
    tokenizer().save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({
        "tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "bos_token": None,
        "add_prefix_space": False, "chat_template": CHAT_TEMPLATE}))


def config_of(shape):
    kind = {"qwen2": Qwen2Config, "qwen3": Qwen3Config}[shape.family]
    more = dict(shape.config)
    if shape.head_dim is not None:
        more["head_dim"] = shape.head_dim
    more["rope_parameters"] = {"rope_theta": 20000.0, **(shape.yarn or {"rope_type": "default"})}
    return kind(
        vocab_size=tokenizer().get_vocab_size() + shape.padding, hidden_size=shape.hidden, intermediate_size=shape.ffn,
        num_hidden_layers=shape.layers, num_attention_heads=shape.heads, num_key_value_heads=shape.kv_heads,
        tie_word_embeddings=shape.tied, max_position_embeddings=512, **more)


def fill(model, seed):
    """Random weights: matrices keep the norm of what they multiply, times a gain; norms and biases are not at rest."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            if name.endswith("norm.weight"):
                weight.copy_(1.0 + 0.2 * noise)
            elif name.endswith("bias"):
                weight.copy_(0.3 * noise)
            elif "embed_tokens" in name:
                weight.copy_(0.5 * noise)
            elif "lm_head" in name:
                weight.copy_(3.0 * noise / weight.shape[1] ** 0.5)
            else:
                weight.copy_(1.5 * noise / weight.shape[1] ** 0.5)


def write_older_keys(folder):
    path = folder / "config.json"
    config = json.loads(path.read_text())
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope.pop("rope_theta")
    config["rope_scaling"] = rope if rope.get("rope_type", "default") != "default" else None
    config["torch_dtype"] = config.pop("dtype", "float32")
    path.write_text(json.dumps(config, indent=2))


def write(shape, folder, seed=1):
    """Writes the checkpoint of a shape into an empty or missing folder."""
    folder = Path(folder)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    kind = {"qwen2": Qwen2ForCausalLM, "qwen3": Qwen3ForCausalLM}[shape.family]
    model = kind(config_of(shape))
    fill(model, seed)
    end = [tokenizer().token_to_id("<|im_end|>"), tokenizer().token_to_id("<|endoftext|>")]
    model.generation_config = GenerationConfig(do_sample=True, temperature=0.7, top_k=20, top_p=0.8,
                                               repetition_penalty=1.05,
                                               eos_token_id=end, pad_token_id=end[1])
    how = {"max_shard_size": shape.shard_size} if shape.shard_size else {}
    model.to(shape.dtype).save_pretrained(folder, **how)
    write_tokenizer(folder)
    if shape.older_keys:
        write_older_keys(folder)
    return folder


def reference(folder, dtype=torch.float32):
    """The same checkpoint in transformers, with plain attention."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="eager")
    return model.eval()


def real_vocabulary():
    return tokenizer().get_vocab_size()
