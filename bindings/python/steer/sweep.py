"""What a strength does: replies to the same prompts at several, with what the unsteered model thinks of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from .batch import Batch
from .controls import Gauge
from .model import Model
from .progress import shown
from .reply import Reply
from .types import Array, Progress, Unit
from .vector import Vector


@dataclass(frozen=True)
class SweepRow:
    """Of one strength, over the tokens of all replies.

    kl, kl_p90: how far steering moves the choice of a token, nats, mean and 90th percentile. perplexity: of the replies to the
    unsteered model. own, twin: the gauge without the push, and as the unsteered model sees the words; on the calibrated
    scale where the vector has one, else natural. ended: share of replies that ended themselves.
    """

    strength: float
    tokens: int
    ended: float
    kl: float
    kl_p90: float
    perplexity: float
    own: float
    twin: float
    texts: list[str] = field(repr=False)


def sweep(
    model: Model,
    vector: Vector,
    prompts: Sequence[str],
    strengths: Iterable[float],
    *,
    unit: Unit | None = None,
    token_max: int = 64,
    temperature: float | None = None,
    seed: int = 1,
    progress: Progress = None,
) -> list[SweepRow]:
    """One reply to each prompt at each strength, those of a strength computed together; prompt i has seed + i at all of them, so
    that equal draws meet different strengths. unit: of the strengths, None: "relative" where the vector is calibrated, else "raw".
    """
    if not prompts:
        raise ValueError("prompts: there is none")
    asked = list(strengths)
    chosen: Unit = unit or ("relative" if vector.info.calibrated else "raw")
    rows = []
    with shown("sweeping", progress) as function:
        for index, strength in enumerate(asked):
            rows.append(_measure(model, vector, prompts, strength, chosen, token_max, temperature, seed))
            if function is not None and function((index + 1) / len(asked)):
                break
    return rows


@dataclass
class _Spoken:
    reply: Reply
    own: Gauge
    twin: Gauge


def _measure(
    model: Model, vector: Vector, prompts: Sequence[str], strength: float, unit: Unit, token_max: int,
    temperature: float | None, seed: int,
) -> SweepRow:  # fmt: skip
    spoken = [_begin(model, vector, prompt, strength, unit, token_max, temperature, seed + i) for i, prompt in enumerate(prompts)]
    try:
        texts = Batch(one.reply for one in spoken).read()
        steps = [step for one in spoken for step in one.reply.steps if step.token is not None]
        kl = np.array([step.kl for step in steps])
        return SweepRow(
            strength=strength, tokens=len(steps), texts=texts,
            ended=float(np.mean([one.reply.finish == "stop_token" for one in spoken])),
            kl=float(kl.mean()), kl_p90=float(np.percentile(kl, 90)),
            perplexity=math.exp(-float(np.mean([step.twin_log_prob for step in steps]))),
            own=_mean([one.reply.trace(one.own) for one in spoken]), twin=_mean([one.reply.trace(one.twin) for one in spoken]),
        )  # fmt: skip
    finally:
        for one in spoken:
            one.reply._session.close()


def _begin(
    model: Model, vector: Vector, prompt: str, strength: float, unit: Unit, token_max: int, temperature: float | None, seed: int
) -> _Spoken:
    session = model.session(twin=True)
    session.set_generation(token_max=token_max, temperature=temperature, seed=seed)
    session.steer(vector, strength, unit=unit)
    scale = "calibrated" if vector.info.calibrated else "natural"
    own, twin = (session.gauge(vector, reading=reading, scale=scale) for reading in ("own", "twin"))  # type: ignore[arg-type]
    return _Spoken(session.chat(prompt), own, twin)


def _mean(traces: list[Array]) -> float:
    values = np.concatenate(traces)
    values = values[~np.isnan(values)]
    return float(values.mean()) if values.size else math.nan
