"""Constrained replies of the demo model through the C door, steered and not, alone and in batches: each is a whole value of
its schema. Needs a build with libtorch."""

import json
import random

import pytest

jsonschema = pytest.importorskip("jsonschema")

import schemas  # noqa: E402
import steer_c  # noqa: E402

pytestmark = pytest.mark.usefixtures("torch_library")
DEMO = steer_c.REPOSITORY / "examples" / "demo_model"
WHOLE = {steer_c.FINISH_STOP_TOKEN, steer_c.FINISH_TOKEN_MAX, steer_c.FINISH_CONTEXT_FULL}
TALK = {"type": "object", "properties": {
    "say": {"type": "string", "minLength": 1, "maxLength": 60}, "mood": {"enum": ["calm", "shy", "ノリノリ"]},
    "strength": {"type": "number", "minimum": 0, "maximum": 1},
    "then": {"type": "array", "items": {"anyOf": [{"const": "wave"}, {"type": "object", "properties": {
        "walk": {"type": "integer", "minimum": -3, "maximum": 3}}, "required": ["walk"], "additionalProperties": False}]}, "maxItems": 3}},
    "required": ["say", "mood", "strength"], "additionalProperties": False}


@pytest.fixture(scope="module")
def model():
    with steer_c.Model(str(DEMO / "model")) as opened:
        yield opened


@pytest.fixture(scope="module")
def prompts(model):
    lines = (DEMO / "prompts.jsonl").read_text(encoding="utf-8").splitlines()[:8]
    return [model.chat_encode([("user", json.loads(line)["prompt"])]) for line in lines]


def constrain(session, schema, **how):
    text = None if schema is None else json.dumps(schema, ensure_ascii=False)
    session.set_generation(constraint=steer_c.CONSTRAINT_JSON if schema is None else steer_c.CONSTRAINT_JSON_SCHEMA,
                           constraint_text=text, **how)


def check_whole(schema, steps):
    assert steps[-1].finish in WHOLE
    text = "".join(step.text for step in steps)
    value = schemas.parse_strictly(text.encode())
    if schema is not None:
        schemas.validator(schema).validate(value)
    return value


@pytest.mark.parametrize("temperature", [0.0, 2.0])
def test_replies_are_values_of_the_schema(model, prompts, temperature):
    session = model.session()
    for seed, (ids, marks) in enumerate(prompts):
        for schema in (TALK, None):
            constrain(session, schema, temperature=temperature, seed=seed + 1, token_max=60 + 10 * (seed % 4))
            session.set_tokens(ids, marks=marks)
            check_whole(schema, list(session.generate()))


def test_random_schemas(model, prompts):
    rng = random.Random(5)
    session = model.session()
    for seed in range(15):
        schema = schemas.Generator(rng).schema()
        ids, marks = rng.choice(prompts)
        constrain(session, schema, temperature=1.5, seed=seed + 1, token_max=200)
        session.set_tokens(ids, marks=marks)
        check_whole(schema, list(session.generate()))


def test_steered_and_in_one_batch(model, prompts):
    vector = steer_c.Vector.load(str(DEMO / "vectors/gyaru.safetensors"))
    sessions = []
    for index, (ids, marks) in enumerate(prompts):
        session = model.session()
        constrain(session, TALK, temperature=0.7, seed=index + 1, token_max=90)
        session.inject(vector, 8.0 if index % 2 else 0.0)
        session.set_tokens(ids, marks=marks)
        sessions.append(session)
    steps, running = [[] for _ in sessions], list(range(len(sessions)))
    while running:
        for i, step in zip(running, steer_c.step_many([sessions[i] for i in running])):
            steer_c.check(step.status, steer_c.Error())
            steps[i].append(step)
        running = [i for i in running if not steps[i][-1].finish]
    for one in steps:
        check_whole(TALK, one)


def score(model, ids, token):
    """The log-probability that the model gives a token behind others."""
    session = model.session()
    session.set_generation(temperature=0.0, prompt_log_probs=1)
    session.set_tokens([*ids, token, token])  # what is scored is behind a position that is computed
    scores = []
    while len(scores) < len(ids) + 1:
        scores += session.step().prompt_log_probs
    return scores[len(ids)]


def test_the_choice_is_the_likeliest_of_those_allowed(model, prompts):
    """Greedy among nine digits, each of them one token: the one that the model itself finds likeliest, with that score."""
    digits = {digit: model.encode(str(digit)) for digit in range(1, 10)}
    assert all(len(tokens) == 1 for tokens in digits.values())
    for ids, marks in prompts[:4]:
        scores = {digit: score(model, ids, tokens[0]) for digit, tokens in digits.items()}
        session = model.session()
        constrain(session, {"enum": list(digits)}, temperature=0.0)
        session.set_tokens(ids, marks=marks)
        steps = list(session.generate())
        chosen = check_whole(None, steps)
        assert scores[chosen] == pytest.approx(max(scores.values()), abs=1e-3)
        assert steps[0].log_prob == pytest.approx(scores[chosen], abs=1e-3)
