"""Sessions from Python against transformers with hooks at the same sites, and everything a session can do."""

import json
import math

import checkpoints
import numpy as np
import pytest
import torch
from parity import Row, run_hooked

import steer

GREEDY = {"temperature": 0.0, "repeat_penalty": 1.0, "stop_tokens": [], "token_max": 20}
PROMPT = [5, 60, 200, 31, 8, 77]
TOLERANCE = 1e-4


@pytest.fixture
def conversation(loaded):
    with loaded.model.session() as made:
        made.set_generation(**GREEDY)
        yield made


def some_rows(loaded, seed=1):
    return np.random.default_rng(seed).standard_normal((loaded.layers, loaded.hidden)).astype(np.float32) * 0.5


def hooked(loaded, reply, pushes=(), directions=(), probes=()):
    """transformers over prompt and reply at once."""
    return run_hooked(loaded.reference, Row(PROMPT + reply.tokens[:-1], pushes=list(pushes), probes=list(probes)), directions)


def check_greedy(loaded, reply, outcome):
    logits = torch.tensor(outcome.logits[len(PROMPT) - 1 :, : loaded.vocabulary])
    assert reply.tokens == logits.argmax(-1).tolist()
    np.testing.assert_allclose([step.log_prob for step in reply.steps], torch.log_softmax(logits, -1).max(-1).values, atol=TOLERANCE)
    np.testing.assert_allclose([step.entropy for step in reply.steps], torch.distributions.Categorical(logits=logits).entropy(), atol=TOLERANCE)


def add_everywhere(loaded, strength):
    return [{"site": k, "kind": "add", "strength": strength, "span": 3, "direction": k} for k in range(loaded.layers)]


def test_a_greedy_reply_is_transformers(loaded, conversation):
    reply = conversation.generate(PROMPT)
    assert reply.read() == loaded.model.decode(reply.tokens)
    assert len(reply.tokens) == 20 and reply.finish == "token_max"
    check_greedy(loaded, reply, hooked(loaded, reply))


@pytest.mark.parametrize("read", ["for", "read"])
def test_a_steered_reply_with_gauges_is_transformers_with_hooks(loaded, conversation, read):
    rows = some_rows(loaded)
    vector = steer.Vector.from_rows(rows, site_measured="output", site_applied="output")
    dials = [conversation.gauge(vector, layers=(k, k + 1), reading="raw", tap="after", metric="projection", window=1) for k in range(loaded.layers)]
    own = conversation.gauge(vector, layers=(1, 2), reading="own", metric="cosine", window=1)
    with conversation.steer(vector, 0.4) as push:
        reply = conversation.generate(PROMPT)
        if read == "for":
            assert [step[push] for step in reply] == [pytest.approx(0.4)] * 20
        else:
            reply.read()
    probes = [{"site": k, "direction": k, "metric": "projection", "own": False, "tap": "after"} for k in range(loaded.layers)]
    probes.append({"site": 1, "direction": 1, "metric": "cosine", "own": True, "tap": "before"})
    outcome = hooked(loaded, reply, add_everywhere(loaded, 0.4), rows, probes)
    check_greedy(loaded, reply, outcome)
    last = [step[dial] for step in reply.steps[-1:] for dial in [*dials, own]]
    np.testing.assert_allclose(last, outcome.readings, atol=2e-3)
    np.testing.assert_array_equal(reply.trace(own), [step.gauges[own.slot] for step in reply.steps])


def test_outside_of_with_nothing_is_pushed(loaded, conversation):
    plain = conversation.generate(PROMPT)
    plain.read()
    with conversation.steer(steer.Vector.from_rows(some_rows(loaded)), 0.4):
        conversation.set_tokens(PROMPT)
        steered = conversation.generate()
        steered.read()
    conversation.set_tokens(PROMPT)
    conversation.refresh(0)
    again = conversation.generate()
    again.read()
    assert again.tokens == plain.tokens != steered.tokens


def test_an_interval_pins_the_component(loaded, conversation):
    """Ablation, and a pin with conditions that never hold: what the state is afterwards is read behind it."""
    rows = some_rows(loaded)
    vector = steer.Vector.from_rows(rows, site_measured="output", site_applied="output")
    behind = conversation.gauge(vector, layers=(0, 1), reading="raw", tap="after", metric="projection", window=1)
    early = conversation.gauge(vector, layers=(0, 1), reading="own", metric="projection", window=1)
    conversation.steer(vector, 1.0, op="interval", low=0.0, high=0.0, layers=(0, 1))
    never = conversation.steer(vector, 9.0, layers=(1, 2), conditions=[early.above(1e9), early.above(2e9, 1.0, group=1)])
    reply = conversation.generate(PROMPT)
    reply.read()
    np.testing.assert_allclose(reply.trace(behind), 0.0, atol=1e-4)
    check_greedy(loaded, reply, hooked(loaded, reply, [{"site": 0, "kind": "interval", "strength": 1.0, "low": 0.0, "high": 0.0, "direction": 0}], rows))
    assert all(step[never] == 0.0 for step in reply.steps)
    with pytest.raises(steer.SteerError):
        early.remove()  # a condition stands on it


def test_a_condition_switches_on_past_its_value(loaded, conversation):
    vector = steer.Vector.from_rows(some_rows(loaded))
    dial = conversation.gauge(vector, layers=(0, 1), reading="own", metric="projection", window=1)
    gate = conversation.steer(vector, 0.1, layers=(2, 3), conditions=[dial.below(1e9, when="last_step")])
    steps = list(conversation.generate(PROMPT))
    assert steps[0][gate] == 0.0 and all(step[gate] == pytest.approx(0.1) for step in steps[1:])  # a rule is one token late


def test_ramps_and_limits(loaded, conversation):
    push = conversation.steer(steer.Vector.from_rows(some_rows(loaded) * 0.01), 0.0, strength_max=0.3)
    reply = conversation.generate(PROMPT)
    next(reply)
    push.set(0.4, ramp_tokens=4)
    values = [step[push] for step in reply]
    # to the limit of the injection, in four equal parts
    np.testing.assert_allclose(values[:4], [0.075, 0.15, 0.225, 0.3], atol=1e-6)
    with pytest.raises(steer.ArgumentError):
        push.set(math.nan)
    push.remove()
    with pytest.raises(steer.ArgumentError):
        push.set(0.1)


def test_layer_scales_are_a_row_each(loaded, conversation):
    rows = some_rows(loaded)
    scales = np.linspace(0.0, 1.0, loaded.layers)
    conversation.steer(steer.Vector.from_rows(rows, site_measured="output", site_applied="output"), 0.5, layers=(0, loaded.layers), layer_scales=scales)
    reply = conversation.generate(PROMPT)
    reply.read()
    pushes = [{**push, "scale": float(scale)} for push, scale in zip(add_everywhere(loaded, 0.5), scales, strict=True)]
    check_greedy(loaded, reply, hooked(loaded, reply, pushes, rows))


def test_holding_moves_the_strength_within_its_limits(demo, calibrated):
    """Towards a target that lies far above, by hold_rate a token at most, up to strength_max."""
    with demo.session(twin=True) as session:
        session.set_generation(temperature=0.0, token_max=24, stop_tokens=[])
        dial = session.gauge(calibrated, reading="twin", scale="calibrated")
        held = session.steer(calibrated, 0.0, unit="relative", hold=dial, hold_target=50.0, hold_rate=0.01, strength_min=0.0, strength_max=0.05)
        steps = list(session.chat("こんにちは"))
    strengths = [step[held] for step in steps]
    assert strengths == sorted(strengths) and strengths[-1] == pytest.approx(0.05) and steps[-1].hold_limit
    assert np.diff(strengths).max() <= 0.01 + 1e-6


# ---- observers ----------------------------------------------------------------------------------------------------------


def test_an_observer_sees_transformers_states(loaded, conversation):
    seen = {}
    conversation.observe(lambda layer, position, hidden: seen.update({(layer, position): hidden}), [-1, 1])
    conversation.set_tokens(PROMPT)
    while conversation.step().is_prompt:
        pass
    before = run_hooked(loaded.reference, Row(PROMPT)).before
    for layer in (-1, 1):
        rows = np.concatenate([seen[key] for key in sorted(seen) if key[0] == layer])
        np.testing.assert_allclose(rows, before[:, layer + 1], atol=2e-4)
    assert {key[0] for key in seen} == {-1, 1} and all(array.flags.owndata for array in seen.values())


def test_an_observer_that_answers_edits_the_stream(loaded, conversation):
    rows = some_rows(loaded)
    conversation.observe(lambda layer, position, hidden: hidden + 0.4 * rows[layer], list(range(loaded.layers)))
    reply = conversation.generate(PROMPT)
    reply.read()
    check_greedy(loaded, reply, hooked(loaded, reply, add_everywhere(loaded, 0.4), rows))


def test_what_an_observer_raises_comes_out_of_the_step(loaded, conversation):
    def fail(layer, position, hidden):
        raise LookupError("mine")

    conversation.observe(fail, [0])
    conversation.set_tokens(PROMPT)
    with pytest.raises(LookupError, match="mine"):
        conversation.step()
    conversation.observe(lambda *_: np.zeros(3), [0])
    with pytest.raises(ValueError, match="shape"):
        conversation.step()
    conversation.observe(None)
    assert conversation.step().token is not None


# ---- the list of tokens --------------------------------------------------------------------------------------------------


def test_tokens_marks_rewind_append(conversation):
    turn = conversation.set_tokens(np.array(PROMPT, dtype=np.int64), marks=[False, False, True, True, False, False])
    assert conversation.tokens.tolist() == PROMPT and conversation.marks.tolist() == [False, False, True, True, False, False]
    assert conversation.set_tokens([], position=4) == turn + 1 and conversation.tokens.tolist() == PROMPT[:4]
    conversation.set_tokens(torch.tensor([9, 10]), position=-1)
    assert conversation.tokens.tolist() == [*PROMPT[:4], 9, 10] and conversation.info.token_count == 6
    with pytest.raises(steer.ContextFullError):
        conversation.set_tokens(np.zeros(100000, dtype=np.int32))
    with pytest.raises(ValueError, match="integers"):
        conversation.set_tokens([1.5])
    with pytest.raises(ValueError, match="marks"):
        conversation.set_tokens([1, 2], marks=[True])


def test_a_fork_goes_the_same_way_with_its_own_controls(loaded, conversation):
    push = conversation.steer(steer.Vector.from_rows(some_rows(loaded)), 0.3)
    conversation.set_tokens(PROMPT)
    while conversation.step().is_prompt:
        pass
    fork = conversation.fork()
    ours, theirs = conversation.generate(), fork.generate()
    assert ours.read() == theirs.read() and ours.tokens == theirs.tokens
    fork.copy_of(push).set(0.0)
    assert fork.step()[push] == 0.0 and conversation.step()[push] == pytest.approx(0.3)


@pytest.mark.parametrize("cache", [False, True])
def test_a_saved_conversation_goes_on_the_same(loaded, conversation, cache):
    list(zip(range(5), conversation.generate(PROMPT), strict=False))
    state = conversation.save_state(cache=cache)
    conversation.set_tokens([], position=-1)
    with loaded.model.session() as again:
        again.set_generation(**GREEDY)
        again.load_state(memoryview(state))
        assert again.tokens.tolist() == conversation.tokens.tolist()
        assert again.generate().read() == conversation.generate().read()
        with pytest.raises(steer.SteerError):
            again.load_state(state[: len(state) // 2])


def test_stale_positions_are_computed_again(loaded, conversation):
    conversation.generate(PROMPT).read()
    assert conversation.info.stale_from is None
    conversation.steer(steer.Vector.from_rows(some_rows(loaded)), 0.3)
    assert conversation.info.stale_from == 0
    conversation.refresh()
    assert conversation.info.computed_count == 0 and conversation.info.stale_from is None


# ---- sampling --------------------------------------------------------------------------------------------------------------


def test_sampling_options_reach_the_library(loaded, conversation):
    conversation.set_generation(**GREEDY, top_log_probs=3, prompt_log_probs=True)
    conversation.set_tokens(PROMPT)
    conversation.refresh(0)
    reply = conversation.generate()
    reply.read()
    logits = torch.tensor(hooked(loaded, reply).logits[:, : loaded.vocabulary])
    scores = torch.log_softmax(logits, -1)
    for step, row in zip(reply.steps, scores[len(PROMPT) - 1 :], strict=True):
        values, tokens = row.topk(3)
        assert [token for token, _ in step.top] == tokens.tolist()
        np.testing.assert_allclose([value for _, value in step.top], values, atol=TOLERANCE)
    told = np.concatenate([step.prompt_log_probs for step in [*reply.prompt_steps, *reply.steps]])
    expected = [scores[i, token].item() for i, token in enumerate(PROMPT[1:])]
    np.testing.assert_allclose(told[~np.isnan(told)][: len(expected)], expected, atol=TOLERANCE)
    first = reply.tokens[0]
    conversation.set_generation(**GREEDY, biases={first: -math.inf})
    conversation.set_tokens(PROMPT)
    assert conversation.generate().__next__().token == scores[len(PROMPT) - 1].topk(2).indices[1]


def test_seeds_repeat_and_stop_texts_stop(session):
    session.set_generation(seed=7, temperature=1.0, token_max=24)
    first = session.chat([{"role": "user", "content": "hello"}])
    first.read()
    assert session.info.seed == 7
    second = session.chat([{"role": "user", "content": "hello"}])
    assert second.read() == first.text
    end = first.text[len(first.text) // 2 :][:3]
    session.set_generation(seed=7, temperature=1.0, token_max=24, stop_texts=[end])
    third = session.chat([{"role": "user", "content": "hello"}])
    assert third.read() == first.text[: first.text.index(end)] and third.finish == "stop_text"


def test_a_reply_that_is_json_of_a_schema(session):
    schema = {"type": "object", "properties": {"mood": {"enum": ["glad", "sad"]}}, "required": ["mood"], "additionalProperties": False}
    session.set_generation(temperature=1.0, seed=3, token_max=60, json_schema=schema)
    assert json.loads(session.chat("hello").read())["mood"] in ("glad", "sad")
    session.set_generation(temperature=1.0, seed=3, token_max=60, json_schema=True)
    json.loads(session.chat("hello").read())
    with pytest.raises(steer.UnsupportedError, match="notAKeyword"):
        session.set_generation(json_schema={"notAKeyword": 1})


def test_twin_and_budget(demo, persona):
    kls = []
    for budget in (None, 0.05):
        with demo.session(twin=True) as session:
            session.set_generation(temperature=0.0, token_max=16, kl_budget=budget)
            session.steer(persona, 12.0)
            reply = session.chat("こんにちは")
            reply.read()
            kls.append(max(step.kl for step in reply.steps if step.token is not None))
            assert all(np.isfinite(step.twin_log_prob) for step in reply.steps if step.token is not None)
    assert kls[0] > 0.1 >= 0.05 + 1e-4 > kls[1]
    with demo.session() as session, pytest.raises(steer.ArgumentError, match="twin"):
        session.set_generation(kl_budget=1.0)


def test_a_guard_stops_word_salad(demo, calibrated):
    with demo.session() as session:
        session.set_generation(temperature=0.0, token_max=200, guard="stop")
        session.steer(calibrated, 3.0, unit="relative")
        reply = session.chat("こんにちは")
        reply.read()
    assert reply.finish == "guard" and reply.steps[-1].guard


def test_what_a_guard_takes_back_is_no_part_of_the_reply(demo, calibrated):
    with demo.session() as session:
        session.set_generation(temperature=0.0, token_max=60, guard="rewind", stop_tokens=[])
        session.steer(calibrated, 3.0, unit="relative")
        reply = session.chat("こんにちは")
        begin = len(session.tokens)
        heard = [step for step in reply]
        assert any(step.token is None and step.guard for step in heard)  # it was needed
        assert reply.tokens == session.tokens[begin:].tolist() and len(reply.tokens) < sum(step.token is not None for step in heard)
        assert session.messages[-1]["content"] == reply.text == demo.decode(reply.tokens)


def test_adapters_are_refused_as_the_library_refuses_them(demo, tmp_path):
    with pytest.raises(steer.UnsupportedError):
        steer.Adapter.from_pretrained(demo, tmp_path)
    with demo.session() as session, pytest.raises(steer.UnsupportedError):
        session.set_adapters([])


# ---- chat --------------------------------------------------------------------------------------------------------------------


def test_chat_remembers_and_computes_only_what_is_new(session):
    first = session.chat("こんにちは")
    heard = "".join(step.text for step in first)
    assert session.messages == [{"role": "user", "content": "こんにちは"}, {"role": "assistant", "content": heard}]
    computed = session.info.computed_count
    second = session.chat({"role": "user", "content": "元気?"})
    assert np.array_equal(session.tokens[:computed], np.concatenate([session.tokens[:computed]]))
    next(second)
    assert second.prompt_steps == [] or second.prompt_steps[0].pending < computed
    assert [message["role"] for message in session.messages] == ["user", "assistant", "user"]


def test_a_reply_that_is_cut_short_is_remembered_as_far_as_it_was_heard(session):
    reply = session.chat("こんにちは")
    begin = next(reply).text + next(reply).text
    session.chat("待って")
    assert session.messages[1:] == [{"role": "assistant", "content": begin}, {"role": "user", "content": "待って"}]
    with pytest.raises(steer.StateError, match="turn 1 is over"):
        next(reply)
    with session.chat("もう一度") as third:
        next(third)
    assert third.ended and session.messages[-1] == {"role": "assistant", "content": third.text}
    assert session.step().finish == "cancelled"


def test_closing_ends_this_turn_and_no_later_one(session):
    first = session.chat("こんにちは")
    next(first)
    turn = first.turn
    assert session.chat("hello").read()
    session.cancel(turn)
    assert session.generate("a").read() is not None and session.info.turn == turn + 2


def test_a_failed_chat_changes_nothing(demo):
    with demo.session(context_max=64) as small:
        small.set_generation(temperature=0.0, token_max=4)
        small.chat("hi").read()
        before = list(small.messages), small.tokens.tolist()
        with pytest.raises(steer.ContextFullError):
            small.chat("long " * 100)
        assert (small.messages, small.tokens.tolist()) == before


def test_going_on_with_an_opened_reply(session):
    reply = session.chat([{"role": "user", "content": "hello"}, {"role": "assistant", "content": "Oh"}], continue_last=True)
    text = reply.read()
    assert session.messages[-1] == {"role": "assistant", "content": "Oh" + text} and len(session.messages) == 2


def test_a_batch_says_what_each_says_alone(demo, persona):
    prompts = ["こんにちは", "hello", "元気?"]

    def open_reply(prompt):
        session = demo.session()
        session.set_generation(temperature=0.8, seed=5, token_max=12)
        session.steer(persona, 4.0)
        return session.chat(prompt)

    alone = [open_reply(prompt).read() for prompt in prompts]
    batch = steer.Batch(map(open_reply, prompts))
    assert batch.read() == alone and "0 of 3" in repr(batch)
    stepped = steer.Batch(map(open_reply, prompts))
    texts = ["", "", ""]
    for steps in stepped:
        for i, step in enumerate(steps):
            texts[i] += step.text if step is not None else ""
    assert texts == alone


def test_one_that_fails_does_not_disturb_the_others(demo):
    replies = []
    for _ in range(3):
        session = demo.session()
        session.set_generation(temperature=0.0, token_max=8)
        replies.append(session.chat("hello"))
    replies[1]._session.close()
    batch = steer.Batch(replies)
    errors = [step.error for steps in batch for step in steps if step is not None and step.error is not None]
    assert [type(error) for error in errors] == [steer.ArgumentError]
    assert replies[0].text == replies[2].text != "" and replies[1].text == ""


# ---- to look at ------------------------------------------------------------------------------------------------------------------


def test_what_is_shown(demo, persona, session):
    dial = session.gauge(persona)
    with session.steer(persona, 8.0) as push:
        reply = session.chat("<b>")
        steps = list(reply)
    assert repr(push) == "Injection(slot 0)" and repr(dial) == "Gauge(slot 0)"
    assert f"token={steps[0].token}" in repr(steps[0]) and "gauges=[" in repr(steps[0]) and str(steps[0]) == steps[0].text
    shown = reply._repr_html_()
    assert shown.count("<span") == len(steps) and "background:rgba(" in shown and str(reply) == reply.text
    assert "turn 1" in repr(session) and "<table>" in session._repr_html_()
    pytest.importorskip("matplotlib")
    [axes] = reply.plot(dial, labels=["persona"]).axes
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), reply.trace(dial))
    assert len(reply.plot().axes[0].lines) == 2  # the session's one gauge, and zero


def test_a_closed_session_is_refused_everywhere(demo, persona):
    session = demo.session()
    with session.steer(persona, 1.0) as push:
        session.close()
    session.close()
    for call in (session.step, lambda: session.info, lambda: push.set(1.0), lambda: session.chat("x"), session.fork, session.save_state):
        with pytest.raises(steer.ArgumentError):
            call()
    session.cancel()
    assert repr(session) == "Session(closed)"


