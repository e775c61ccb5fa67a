"""Names of options, and what is told in structures."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Callable, Literal, Optional, Union

import numpy as np
import numpy.typing as npt

Path = Union[str, "os.PathLike[str]"]
Array = npt.NDArray[np.float32]
Tokens = npt.NDArray[np.int32]
Marks = npt.NDArray[np.bool_]

LogLevel = Literal["error", "warn", "info", "debug"]
Dtype = Literal["auto", "f32", "f16", "bf16"]
Weights = Literal["as_stored", "int8", "int4", "nf4"]
Residency = Literal["none", "host", "device"]
Priority = Literal["normal", "low"]
Site = Literal["from_file", "output", "input"]
Format = Literal["native", "gguf", "torch", "svec"]
Rows = Literal["write", "read"]
Method = Literal["mean_difference", "pca_centred", "pca_uncentred", "pca_pairs", "probe"]
Pooling = Literal["reply_mean", "user_mean", "prompt_last", "reply_last", "last", "shared_tokens"]
Op = Literal["add", "add_keep_norm", "interval"]
Unit = Literal["raw", "relative", "gaps"]
Span = Literal["all", "prompt", "reply"]
When = Literal["last_step", "same_pass"]
Metric = Literal["cosine", "projection", "dot"]
Reduce = Literal["mean", "max", "last"]
Reading = Literal["raw", "own", "own_corrected", "twin"]
Tap = Literal["before", "after"]
Scale = Literal["natural", "calibrated"]
Guard = Literal["off", "report", "lower", "rewind", "stop"]

# {"role": ..., "content": text or None, ...}: what else is there (tool_calls, name, ...) goes to the chat template as it is.
Message = Mapping[str, Any]
Messages = Sequence[Message]

# None: a bar where standard error is a terminal. A function gets the share done, 0 to 1; a true answer stops.
Progress = Optional[Union[bool, Callable[[float], object]]]


@dataclass(frozen=True)
class ModelInfo:
    """What a model is and takes. Bytes are known before any weight is read; device_bytes_* are those of now."""

    layer_count: int
    hidden_size: int
    vocab_size: int
    context_max: int
    dtype: str
    weights: str
    residency: str
    device: str
    weight_bytes: int
    cache_bytes_per_token: int
    device_bytes_used: int
    device_bytes_free: int
    fingerprint: bytes


@dataclass(frozen=True)
class VectorInfo:
    """What a vector says of itself. Layers are half open; None and NaN: unknown."""

    name: str
    layer_begin: int
    layer_end: int
    hidden_size: int
    site_measured: str
    site_applied: str
    calibrated: bool
    best_begin: int | None
    best_end: int | None
    gauge_layer: int | None
    strength_safe: float
    fingerprint: bytes
    model_fingerprint: bytes


@dataclass(frozen=True)
class VectorLayer:
    """One row of a vector (float32 [hidden_size], a view that cannot be written to; None: no row here) and its figures. NaN: unknown."""

    row: Array | None
    norm: float
    residual_norm: float
    explained_variance: float
    auc: float
    auc_content: float
    neutral: float
    persona: float
    split_half_cosine: float


@dataclass(frozen=True)
class SessionInfo:
    """As of the last finished step. stale_from: first computed position built under other settings; None: none."""

    token_count: int
    computed_count: int
    stale_from: int | None
    context_max: int
    turn: int
    reply_count: int
    seed: int
    cache_bytes: int


@dataclass(frozen=True)
class Passage:
    """A text to measure. With reply alone it is plain text, else a conversation."""

    reply: str | None = None
    prompt: str | None = None
    system: str | None = None


@dataclass(frozen=True)
class ContrastPair:
    """The same content in the persona's voice and in a neutral one. Pairs of a group are balanced and held out together."""

    positive: Passage
    negative: Passage
    group: str | int = 0
