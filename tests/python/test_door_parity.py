"""The C door with the libtorch backend against transformers: replies, log-probabilities, vectors, gauges, live changes.

A reply is checked whole: its tokens go through transformers in one piece, with hooks that push at the same sites, and
each must be the choice of the logits before it.
"""

import itertools
import math

import numpy as np
import pytest
import torch

import checkpoints
import steer_c as sc
from checkpoints import BOTH_FAMILIES, SHAPES
from parity import Row, run_hooked
from test_sampler import philox4x32, processed

LOG_PROB_TOLERANCE = 1e-4
GREEDY = {"temperature": 0.0, "repeat_penalty": 1.0, "stop_tokens": []}


class Loaded:
    def __init__(self, checkpoint):
        self.reference, self.folder = checkpoint.model, checkpoint.folder
        self.model = sc.Model(checkpoint.folder, dtype=sc.DTYPE_F32)
        self.layers, self.hidden = self.reference.config.num_hidden_layers, self.reference.config.hidden_size


@pytest.fixture(scope="module")
def load(torch_library, random_checkpoint):
    made = {}

    def get(shape):
        if shape.name not in made:
            made[shape.name] = Loaded(random_checkpoint(shape))
        return made[shape.name]

    yield get
    for loaded in made.values():
        loaded.model.close()


@pytest.fixture(params=SHAPES, ids=str)
def loaded(request, load):
    return load(request.param)


@pytest.fixture(params=BOTH_FAMILIES, ids=str)
def family(request, load):
    return load(request.param)


def some_ids(random, count):
    return random.integers(0, checkpoints.real_vocabulary(), count).tolist()


def some_vector(random, loaded, **options):
    """Rows of about a fifth of the stream's norm, and a Vector of them."""
    rows = (random.standard_normal((loaded.layers, loaded.hidden)) * 0.5).astype(np.float32)
    return rows, sc.Vector.create(rows, **options)


def speak(session, ids, count, marks=None):
    """count tokens after a prompt: the steps that brought them."""
    session.set_tokens(ids, marks=marks)
    spoken = (step for step in iter(session.step, None) if not step.is_prompt)
    steps = [step for _, step in zip(range(count), spoken, strict=False)]
    assert len(steps) == count
    return steps


def pushes_at_sites(strength, span=3):
    """A vector created here is applied where it is measured, at the output of its block: row k at site k."""
    return lambda layers: [
        {"site": k, "kind": "add", "strength": strength, "span": span, "direction": k} for k in layers]


def reply_logits(loaded, prompt, steps, pushes=(), directions=(), reply=None):
    """transformers' logits before each token of a reply, over the real vocabulary, and the whole outcome."""
    ids = prompt + [step.token for step in steps][:-1]
    outcome = run_hooked(loaded.reference, Row(ids, reply=reply, pushes=list(pushes)), directions)
    return torch.tensor(outcome.logits[len(prompt) - 1 :, : checkpoints.real_vocabulary()]), outcome


def check_greedy(steps, logits):
    assert [step.token for step in steps] == logits.argmax(-1).tolist()
    expected = torch.log_softmax(logits, -1).max(-1).values
    np.testing.assert_allclose([step.log_prob for step in steps], expected, atol=LOG_PROB_TOLERANCE)


def test_greedy_replies_are_transformers(loaded):
    random = np.random.default_rng(1)
    with loaded.model.session() as session:
        session.set_generation(**GREEDY)
        for _ in range(10):
            prompt = some_ids(random, int(random.integers(1, 40)))
            steps = speak(session, prompt, 64)
            logits, _ = reply_logits(loaded, prompt, steps)
            check_greedy(steps, logits)
            entropy = torch.distributions.Categorical(logits=logits).entropy()
            np.testing.assert_allclose([step.entropy for step in steps], entropy, atol=LOG_PROB_TOLERANCE)
            assert [step.position for step in steps] == list(range(len(prompt), len(prompt) + 64))


def test_greedy_replies_are_those_of_generate(family):
    random = np.random.default_rng(2)
    prompts = [some_ids(random, 12) for _ in range(10)]
    padding = list(range(checkpoints.real_vocabulary(), family.reference.config.vocab_size))
    theirs = family.reference.generate(
        torch.tensor(prompts), attention_mask=torch.ones(10, 12, dtype=torch.long), max_new_tokens=64, do_sample=False,
        repetition_penalty=1.0, eos_token_id=None, pad_token_id=0, suppress_tokens=padding or None)
    with family.model.session() as session:
        session.set_generation(**GREEDY)
        for prompt, expected in zip(prompts, theirs.tolist(), strict=True):
            assert [step.token for step in speak(session, prompt, 64)] == expected[12:]


def test_steered_greedy_replies_and_gauges(loaded):
    """Two vectors, one of them keeping the norm; gauges raw and own at every site, on both sides of the push."""
    random = np.random.default_rng(3)
    rows, vector = some_vector(random, loaded)
    more, other = some_vector(random, loaded)
    directions = np.concatenate([rows, more])
    pushes = pushes_at_sites(3.0)(range(1, loaded.layers))
    pushes += [{"site": 0, "kind": "add_keep_norm", "strength": -4.0, "direction": loaded.layers}]
    probes = list(itertools.product(range(loaded.layers), (0, 1), (0, 1), (0, 1)))  # layer, tap, reading, metric
    with loaded.model.session(gauge_max=255) as session:
        session.set_generation(**GREEDY)
        session.inject(vector, 3.0, layer_begin=1)
        session.inject(other, -4.0, layer_end=1, op=sc.OP_ADD_KEEP_NORM)
        slots = [sc.slot(session.gauge(vector, k, tap=tap, reading=reading, metric=metric))
                 for k, tap, reading, metric in probes]
        for _ in range(3):
            prompt = some_ids(random, 20)
            steps = speak(session, prompt, 24)
            logits, outcome = reply_logits(loaded, prompt, steps, pushes, directions)
            check_greedy(steps, logits)
            for i, step in enumerate(steps):
                at = len(prompt) - 1 + i
                for slot, (k, tap, reading, metric) in zip(slots, probes, strict=True):
                    change = outcome.after[at].astype(np.float64) - outcome.before[at]
                    z = (outcome.after if tap else outcome.before)[at, k + 1].astype(np.float64)
                    if reading == sc.READING_OWN:
                        z = z - change[: k + 1 + tap].sum(0)
                    value = z @ rows[k] / np.linalg.norm(rows[k])
                    scale = np.linalg.norm(z)
                    if metric == sc.METRIC_COSINE:
                        assert step.gauges[slot] == pytest.approx(value / scale, abs=1e-4)
                    else:
                        assert step.gauges[slot] == pytest.approx(value, abs=1e-4 * scale)


def test_a_legacy_file_means_what_it_means_in_python(family, tmp_path):
    """torch.save({L: fp16 row}): S times row L goes into block L, everywhere; the gauge at L is a forward hook's."""
    random = np.random.default_rng(4)
    rows = {layer: torch.randn(family.hidden, dtype=torch.float32).mul(0.4).half() for layer in range(family.layers)}
    torch.save(rows, tmp_path / "persona.pt")
    strength, first, end = 8.0, 1, family.layers
    prompt = some_ids(random, 15)
    with sc.Vector.load(tmp_path / "persona.pt") as vector, family.model.session() as session:
        session.set_generation(**GREEDY)
        session.inject(vector, strength, layer_begin=first, layer_end=end)
        slots = [sc.slot(session.gauge(vector, layer)) for layer in range(family.layers)]
        steps = speak(session, prompt, 24)

    cosines = {}

    def pusher(layer):
        def hook(_module, args):
            return (args[0] + strength * rows[layer].float(), *args[1:])
        return hook

    def reader(layer):
        def hook(_module, _args, output):
            states = output[0] if isinstance(output, tuple) else output
            cosines[layer] = torch.cosine_similarity(states[0], rows[layer].float()[None], dim=-1)
        return hook

    blocks = family.reference.model.layers
    handles = [blocks[layer].register_forward_pre_hook(pusher(layer)) for layer in range(first, end)]
    handles += [blocks[layer].register_forward_hook(reader(layer)) for layer in range(family.layers)]
    with torch.no_grad():
        logits = family.reference(torch.tensor([prompt + [step.token for step in steps][:-1]])).logits[0]
    for handle in handles:
        handle.remove()
    check_greedy(steps, logits[len(prompt) - 1 :, : checkpoints.real_vocabulary()])
    for layer, slot in enumerate(slots):
        theirs = cosines[layer][len(prompt) - 1 :].tolist()
        np.testing.assert_allclose([step.gauges[slot] for step in steps], theirs, atol=1e-5)


def test_strength_zero_is_no_vector_bit_for_bit(loaded):
    random = np.random.default_rng(5)
    _, vector = some_vector(random, loaded)
    prompt = some_ids(random, 30)
    told = []
    for steered in (False, True):
        with loaded.model.session(prefill_chunk=16) as session:
            session.set_generation(defaults=True, seed=7, token_max=0, stop_tokens=[], top_log_probs=5)
            if steered:
                session.inject(vector, 0.0)
                session.inject(vector, 0.0, op=sc.OP_ADD_KEEP_NORM)
                session.gauge(vector, 0, reading=sc.READING_OWN)
            told.append([(s.token, s.log_prob, s.entropy, s.top) for s in speak(session, prompt, 32)])
    assert told[0] == told[1]


def test_sessions_stepped_together_are_as_if_alone(loaded):
    random = np.random.default_rng(6)
    _, vector = some_vector(random, loaded)
    prompts = [some_ids(random, int(random.integers(2, 70))) for _ in range(8)]

    def session_of(i):
        session = loaded.model.session(prefill_chunk=32)
        session.set_generation(**GREEDY)
        session.inject(vector, (i - 3) * 1.5)
        session.gauge(vector, loaded.layers - 1, tap=sc.TAP_AFTER)
        return session

    alone = []
    for i, prompt in enumerate(prompts):
        with session_of(i) as session:
            alone.append(speak(session, prompt, 20))

    sessions = [session_of(i) for i in range(8)]
    for session, prompt in zip(sessions, prompts, strict=True):
        session.set_tokens(prompt)
    together = [[] for _ in sessions]
    while min(map(len, together)) < 20:
        for row, step in zip(together, sc.step_many(sessions), strict=True):
            assert step.status == sc.OK
            row += [] if step.is_prompt else [step]
    for session in sessions:
        session.close()
    for ours, expected in zip(together, alone, strict=True):
        assert [s.token for s in ours[:20]] == [s.token for s in expected]
        np.testing.assert_allclose([s.log_prob for s in ours[:20]], [s.log_prob for s in expected],
                                   atol=LOG_PROB_TOLERANCE)
        np.testing.assert_allclose([s.gauges[0] for s in ours[:20]], [s.gauges[0] for s in expected], atol=1e-5)
    assert len({tuple(s.token for s in row) for row in alone}) == 8


def test_chunks_of_a_prompt_do_not_matter(family):
    random = np.random.default_rng(7)
    _, vector = some_vector(random, family)
    prompt = some_ids(random, 150)
    told = []
    for chunk in (0, 1, 7, 64, 149):
        with family.model.session(prefill_chunk=chunk) as session:
            session.set_generation(**GREEDY)
            session.inject(vector, 2.0)
            told.append(speak(session, prompt, 8))
    for steps in told[1:]:
        assert [s.token for s in steps] == [s.token for s in told[0]]
        np.testing.assert_allclose([s.log_prob for s in steps], [s.log_prob for s in told[0]], atol=LOG_PROB_TOLERANCE)


def test_a_strength_changed_while_it_speaks(family):
    """Set at token 5, ramped from token 10 on: the strengths told are the schedule, and the logits are those of it."""
    random = np.random.default_rng(8)
    rows, vector = some_vector(random, family)
    prompt, schedule, steps = some_ids(random, 11), [], []
    with family.model.session() as session:
        session.set_generation(**GREEDY)
        injection = session.inject(vector, 1.0)
        session.set_tokens(prompt)
        while len(steps) < 20:
            step = session.step()
            if step.is_prompt:
                continue
            steps.append(step)
            if len(steps) == 5:
                session.set_strength(injection, 4.0)
            if len(steps) == 10:
                session.set_strength(injection, -2.0, ramp_tokens=4)
    schedule = [1.0] * 5 + [4.0] * 5 + [2.5, 1.0, -0.5] + [-2.0] * 7
    told = [step.strengths[sc.slot(injection)] for step in steps]
    np.testing.assert_allclose(told, schedule, atol=1e-6)

    ids = prompt + [step.token for step in steps][:-1]
    by_position = [1.0] * (len(prompt) - 1) + schedule
    amounts = torch.tensor(by_position)[:, None]

    def pusher(layer):
        def hook(_module, _args, output):
            states = output[0] if isinstance(output, tuple) else output
            pushed = states + amounts * torch.tensor(rows[layer])
            return (pushed, *output[1:]) if isinstance(output, tuple) else pushed
        return hook

    handles = [block.register_forward_hook(pusher(layer)) for layer, block in enumerate(family.reference.model.layers)]
    with torch.no_grad():
        logits = family.reference(torch.tensor([ids])).logits[0]
    for handle in handles:
        handle.remove()
    check_greedy(steps, logits[len(prompt) - 1 :, : checkpoints.real_vocabulary()])


@pytest.mark.parametrize("span", [sc.SPAN_PROMPT, sc.SPAN_REPLY])
def test_spans_are_named_by_the_token_a_position_chooses(family, span):
    random = np.random.default_rng(9)
    rows, vector = some_vector(random, family)
    prompt = some_ids(random, 25)
    marks = [1 if 8 <= i < 14 else 0 for i in range(25)]  # an earlier reply
    with family.model.session() as session:
        session.set_generation(**GREEDY)
        session.inject(vector, 4.0, span=span)
        steps = speak(session, prompt, 16, marks)
    chooses = (marks + [1] * 16)[1:]
    pushes = pushes_at_sites(4.0, {sc.SPAN_PROMPT: 1, sc.SPAN_REPLY: 2}[span])(range(family.layers))
    logits, _ = reply_logits(family, prompt, steps, pushes, rows, chooses)
    check_greedy(steps, logits)


def test_prompt_log_probs_are_transformers(family):
    random = np.random.default_rng(10)
    prompt = some_ids(random, 50)
    with family.model.session(prefill_chunk=13) as session:
        session.set_generation(**GREEDY, prompt_log_probs=1, top_log_probs=3)
        session.set_tokens(prompt)
        told, top = [], []
        while (step := session.step()).is_prompt:
            told += step.prompt_log_probs
            top += step.prompt_top
    assert len(told) == len(prompt) == len(top)
    assert math.isnan(told[0])
    logits = run_hooked(family.reference, Row(prompt)).logits[:-1, : checkpoints.real_vocabulary()]
    expected = torch.log_softmax(torch.tensor(logits), -1)
    np.testing.assert_allclose(told[1:], expected.gather(1, torch.tensor(prompt[1:])[:, None])[:, 0],
                               atol=LOG_PROB_TOLERANCE)
    best = expected.topk(3)
    for i, candidates in enumerate(top[1:]):
        assert [token for token, _ in candidates] == best.indices[i].tolist()
        np.testing.assert_allclose([p for _, p in candidates], best.values[i], atol=LOG_PROB_TOLERANCE)


def test_sampled_replies_are_gumbel_max_over_transformers_kept_set(family):
    """The whole way: generation_config.json's settings, transformers' processors, the documented noise."""
    random = np.random.default_rng(11)
    prompt, seed = some_ids(random, 10), 987654321
    with family.model.session() as session:
        session.set_generation(seed=seed, stop_tokens=[])
        steps = speak(session, prompt, 40)
    settings = {"temperature": 0.7, "top_k": 20, "top_p": 0.8, "repeat_penalty": 1.05}  # as checkpoints.write gave them
    logits, _ = reply_logits(family, prompt, steps)
    ids = list(prompt)
    for step, row in zip(steps, logits, strict=True):
        scores = processed(row.numpy(), settings, ids)
        for i in np.flatnonzero(np.isfinite(scores)):
            word = philox4x32((int(i) // 4, len(ids), 0, 0), (seed & 0xFFFFFFFF, seed >> 32))[i % 4]
            scores[i] -= math.log(-math.log1p(-(word + 0.5) / 2**32))
        assert step.token == int(scores.argmax())
        ids.append(step.token)
    assert len({step.token for step in steps}) > 10


def test_a_push_that_breaks_the_numbers_leaves_the_session_as_it_was(family):
    """In the prompt as in the reply: no token, the step's positions are not kept, and with less it goes on as if never."""
    random = np.random.default_rng(12)
    _, vector = some_vector(random, family)
    prompt = some_ids(random, 40)
    with family.model.session(prefill_chunk=16) as session:
        session.set_generation(**GREEDY)
        expected = [(step.token, step.log_prob) for step in speak(session, prompt, 8)]
    with family.model.session(prefill_chunk=16) as session:
        session.set_generation(**GREEDY)
        injection = session.inject(vector, 0.0)
        session.set_tokens(prompt)
        told = []
        while len(told) < 8:
            known = session.tokens, session.info.computed_count
            session.set_strength(injection, 3e38)
            with pytest.raises(sc.SteerError) as broken:
                session.step()
            assert broken.value.status == sc.ERR_NUMERIC
            assert (session.tokens, session.info.computed_count) == known
            session.set_strength(injection, 0.0)
            step = session.step()
            told += [] if step.is_prompt else [(step.token, step.log_prob)]
    assert told == expected
