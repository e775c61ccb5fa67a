"""Which shapes and formats the tests of quantised weights go through, and the folders of them."""

import shutil
from dataclasses import dataclass, field

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM

import checkpoints
from checkpoints import Shape
from load_quantisers import INT4, INT8, NF4, int4_group, quantised_on_load
from quantised import edit_tensors, is_linear, read_tensors, widened, write_awq, write_gptq, write_nf4

SHAPES = [
    Shape("qwen2-tied", hidden=128, ffn=256),
    Shape("qwen2-untied-bf16", heads=4, kv_heads=1, hidden=256, ffn=384, tied=False, dtype=torch.bfloat16),
    Shape("qwen3-tied-f16", "qwen3", hidden=128, ffn=192, head_dim=64, dtype=torch.float16),  # groups of 64
    Shape("qwen3-untied-32", "qwen3", hidden=96, ffn=160, head_dim=32, tied=False),  # groups of 32 and no larger
]


@dataclass(frozen=True)
class Format:
    name: str
    writer: object
    group: int  # every linear's inputs must be a multiple of it
    settings: dict = field(default_factory=dict, hash=False)

    def fits(self, shape):
        return all(inputs % self.group == 0 for inputs in inputs_of(shape))

    def write(self, source, folder):
        return self.writer(source, folder, **self.settings)


def gptq(name, group, **settings):
    return Format(name, write_gptq, group, {"group_size": group, **settings})


FORMATS = [
    gptq("gptq-128", 128),
    gptq("gptq-128-act-order", 128, desc_act=True),
    gptq("gptq-64-older-extra-biases-sharded", 64, checkpoint_format=None, extra_biases=True, shards=3),
    gptq("gptq-32-asymmetric-act-order", 32, sym=False, desc_act=True),
    gptq("gptq-v2-64-asymmetric", 64, sym=False, checkpoint_format="gptq_v2"),
    gptq("gptq-v2-128-act-order", 128, desc_act=True, checkpoint_format="gptq_v2"),
    Format("gptq-one-group", write_gptq, 32, {"group_size": -1, "sym": False}),
    Format("awq-128", write_awq, 128, {"group_size": 128}),
    Format("awq-64-sharded", write_awq, 64, {"group_size": 64, "shards": 4}),
    Format("awq-32", write_awq, 32, {"group_size": 32}),
    Format("nf4-nested", write_nf4, 64),
    Format("nf4-single-f16-sharded", write_nf4, 64, {"double_quant": False, "dtype": torch.float16, "shards": 3}),
    Format("nf4-nested-dynamic", write_nf4, 64, {"plain": ("layers.0.mlp.up_proj", "layers.1.self_attn")}),
    Format("nf4-nested-another-map", write_nf4, 64, {"levels": np.linspace(-1, 1, 256, dtype=np.float32) ** 3}),
]


def inputs_of(shape):
    return {shape.hidden, shape.ffn, shape.heads * (shape.head_dim or shape.hidden // shape.heads)}


def allows(kind, shape):
    """Whether a plain checkpoint of this shape may be quantised in this way on loading."""
    return not (kind == INT4 and None in map(int4_group, inputs_of(shape))) and not (
        kind == NF4 and any(inputs % 64 for inputs in inputs_of(shape)))


def two_shapes(number, form):
    """Each format in two of the shapes that it fits, other ones for the next format."""
    fitting = [shape for shape in SHAPES if form.fits(shape)]
    return [fitting[(number + i) % len(fitting)] for i in range(2)]


CASES = [(form, shape) for number, form in enumerate(FORMATS) for shape in two_shapes(number, form)]


def case_name(case):
    return f"{case[0].name}-{case[1].name}"


ON_LOAD = [(shape, kind) for shape in SHAPES for kind in (INT8, INT4, NF4) if allows(kind, shape)]


def on_load_name(part):
    return str(part) if isinstance(part, Shape) else ["as_stored", "int8", "int4", "nf4"][part]


def write_plain(shape, folder):
    """Random weights among which a row, and a group of another row, are all zero: there scales are zero too."""
    checkpoints.write(shape, folder, seed=7)

    def zero_some(tensors):
        tensors["model.layers.0.mlp.gate_proj.weight"][3] = 0
        tensors["model.layers.1.mlp.down_proj.weight"][5, :128] = 0
        if "lm_head.weight" in tensors:
            tensors["lm_head.weight"][11] = 0

    edit_tensors(folder, zero_some)
    return folder


def stored_weights(folder):
    return {name: widened(tensor) for name, tensor in read_tensors(folder).items()}


def model_of(folder, weights):
    """transformers with these weights in the plain checkpoint's shape; a head among them is not tied."""
    config = AutoConfig.from_pretrained(folder)
    config.tie_word_embeddings = "lm_head.weight" not in weights
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="eager")
    tensors = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in weights.items()}
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    assert not unexpected and set(missing) <= {"lm_head.weight"}
    return model.eval()


@dataclass
class Published:
    """A quantised checkpoint, the plain one it was made from, and what its weights mean."""

    form: Format
    shape: Shape
    source: object
    folder: object
    weights: dict
    model: object

    def linears(self):
        return [name for name in self.weights if is_linear(name)]


class Folders:
    """Everything is written once and lives as long as the tests of a module."""

    def __init__(self, root):
        self.root, self.made = root, {}

    def once(self, key, make):
        if key not in self.made:
            self.made[key] = make(self.root / str(key).replace("/", "-"))
        return self.made[key]

    def plain(self, shape):
        return self.once(shape.name, lambda folder: write_plain(shape, folder))

    def published(self, case):
        def make(folder):
            source = self.plain(case[1])
            weights = case[0].write(source, folder)
            return Published(*case, source, folder, weights, model_of(source, weights))

        return self.once(case_name(case), make)

    def loaded(self, shape, kind):
        """The model that a plain checkpoint becomes when it is quantised on loading."""
        source = self.plain(shape)
        return self.once((shape.name, kind), lambda _: model_of(source, quantised_on_load(stored_weights(source), kind)))

    def copy(self, published, name):
        """For a test that damages it; in one file."""
        folder = self.root / name
        shutil.copytree(published.folder, folder)
        return folder
