"""Conversations through the C door with the libtorch backend, templates and texts next to transformers."""

import pytest
from transformers import PreTrainedTokenizerFast

import checkpoints
import steer_c as sc
from checkpoints import SHAPES

TALK = [("system", "You are kind."), ("user", "今日はいい天気? <|im_end|> :-)"), ("assistant", "The fox goes home."),
        ("user", "What is it\n that the people\ttalk about?")]
SHAPE = next(shape for shape in SHAPES if shape.name == "qwen2-bf16-padded")


@pytest.fixture(scope="module")
def folder(random_checkpoint):
    return random_checkpoint(SHAPE).folder


@pytest.fixture(scope="module")
def model(torch_library, folder):
    with sc.Model(folder) as made:
        yield made


@pytest.fixture(scope="module")
def theirs(folder):
    return PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"),
                                   chat_template=checkpoints.CHAT_TEMPLATE)


def as_dicts(talk):
    return [{"role": role, "content": content} for role, content in talk]


def plain_greedy(session, **more):
    """Greedy over tokens that are text: no control token ends or interrupts the reply."""
    control = {checkpoints.tokenizer().token_to_id(token): -float("inf") for token in checkpoints.CONTROL_TOKENS}
    plain = {"temperature": 0.0, "repeat_penalty": 1.3, "stop_tokens": [], "biases": control, "token_max": 40}
    session.set_generation(**{**plain, **more})


def text_of(steps):
    return "".join(step.text for step in steps)


@pytest.mark.parametrize("opened", [True, False])
def test_the_template_renders_as_in_transformers(model, theirs, opened):
    expected = theirs.apply_chat_template(as_dicts(TALK), tokenize=False, add_generation_prompt=opened)
    assert model.chat_format(TALK, flags=sc.CHAT_OPEN_REPLY if opened else 0) == expected


def test_ids_are_those_of_the_template_and_text_stays_text(model, theirs):
    tame = [(role, content.replace("<|im_end|>", "...")) for role, content in TALK]
    ids, marks = model.chat_encode(tame)
    rendered = theirs.apply_chat_template(as_dicts(tame), tokenize=False, add_generation_prompt=True)
    assert ids == theirs(rendered).input_ids
    end = checkpoints.tokenizer().token_to_id("<|im_end|>")
    assert model.chat_encode(TALK)[0].count(end) == ids.count(end) == 4
    assert bytes(model.decode(model.chat_encode(TALK)[0], sc.TEXT_SPECIAL)).decode() == model.chat_format(TALK)
    spoken = [token for token, mark in zip(ids, marks, strict=True) if mark]
    assert model.decode(spoken).decode().strip() == "The fox goes home."


def test_text_and_bytes_of_a_reply_are_those_of_its_tokens(model):
    with model.session() as session:
        for seed in range(1, 6):
            plain_greedy(session, temperature=1.5, seed=seed, token_max=60)
            ids, marks = model.chat_encode(TALK)
            session.set_tokens(ids, marks=marks)
            steps = list(session.generate())
            assert steps[-1].finish == sc.FINISH_TOKEN_MAX
            tokens = [step.token for step in steps]
            assert b"".join(step.bytes for step in steps) == model.decode(tokens)
            assert text_of(steps) == model.decode(tokens).decode("utf-8", "replace")
            assert session.tokens_and_marks() == (ids + tokens, marks + [1] * len(tokens))


def test_the_second_turn_computes_only_what_is_new(model):
    """And its reply is that of a session that reads the whole conversation afresh."""
    with model.session() as session, model.session() as fresh:
        plain_greedy(session)
        ids, marks = model.chat_encode(TALK)
        session.set_tokens(ids, marks=marks)
        reply = b"".join(step.bytes for step in session.generate()).decode("utf-8", "replace")
        known = session.info.computed_count
        assert known == len(ids) + 40 - 1

        talk = [*TALK, ("assistant", reply), ("user", "Again, in the evening?")]
        longer, marks = model.chat_encode(talk, prefer=session)
        kept = 0
        while kept < known and longer[kept] == session.tokens[kept]:
            kept += 1
        assert kept >= len(ids)
        session.set_tokens(longer, marks=marks)
        assert session.info.computed_count == kept
        steps = list(session.generate())

        plain_greedy(fresh)
        fresh.set_tokens(longer, marks=marks)
        cold = list(fresh.generate())
        assert [step.token for step in steps] == [step.token for step in cold]
        assert [step.log_prob for step in steps] == pytest.approx([step.log_prob for step in cold], abs=1e-4)


def test_a_stop_text_ends_the_reply_before_itself(model):
    ids, marks = model.chat_encode(TALK)
    with model.session() as session:
        plain_greedy(session)
        session.set_tokens(ids, marks=marks)
        whole = list(session.generate())
        text = text_of(whole)
        spots = [at for at in range(3, len(text) - 4) if "\ufffd" not in text[at : at + 4]]
        assert spots
        for at in spots[:: max(1, len(spots) // 4)]:
            stop = text[at : at + 4]
            plain_greedy(session, stop_texts=["never said", stop])
            session.set_tokens(ids, marks=marks)
            steps = session.generate_pushed()
            assert steps[-1].finish == sc.FINISH_STOP_TEXT
            assert text_of(steps) == text[: text.index(stop)]


def test_the_models_end_tokens_end_a_reply(model):
    ids, marks = model.chat_encode(TALK)
    with model.session() as session:
        for end in ("<|im_end|>", "<|endoftext|>"):  # both are in generation_config.json
            token = checkpoints.tokenizer().token_to_id(end)
            session.set_generation(biases={token: 1e4})
            session.set_tokens(ids, marks=marks)
            [step] = list(session.generate())
            assert (step.token, step.finish, step.text) == (token, sc.FINISH_STOP_TOKEN, "")


def test_a_callback_can_end_a_turn_and_the_next_begins_anew(model):
    ids, marks = model.chat_encode(TALK)
    with model.session() as session:
        plain_greedy(session)
        session.set_tokens(ids, marks=marks)
        spoken = []

        def stop_at_five(step):
            spoken.append(step.token) if step.token >= 0 else None
            return 1 if len(spoken) == 5 else 0

        session.generate_pushed(stop_at_five)
        assert len(spoken) == 5 and session.tokens[len(ids) :] == spoken
        assert session.step().finish == sc.FINISH_CANCELLED
        session.set_tokens(ids, marks=marks)
        assert [step.token for step in session.generate()][:5] == spoken


def test_a_full_context_is_said(model):
    with model.session(context_max=48) as session:
        plain_greedy(session, token_max=0)
        session.set_tokens(model.encode("the fox ") * 5)
        steps = list(session.generate())
        assert steps[-1].finish == sc.FINISH_CONTEXT_FULL
        assert session.info.token_count == 48
        with pytest.raises(sc.SteerError) as refused:
            session.set_tokens(model.encode("the fox ") * 40)
        assert refused.value.status == sc.ERR_CONTEXT_FULL


def test_a_fork_and_a_restored_state_go_on_as_the_original(model):
    with model.session() as session:
        session.set_generation(seed=5, stop_tokens=[])
        session.set_tokens(model.encode("The quick brown fox"))
        for _ in range(8):
            session.step()
        with session.fork() as fork, model.session() as restored:
            restored.set_generation(seed=5, stop_tokens=[])
            restored.load_state(session.save_state())
            futures = []
            for each in (session, fork, restored):
                spoken = (step for step in iter(each.step, None) if not step.is_prompt)
                futures.append([(step.token, step.log_prob) for _, step in zip(range(12), spoken, strict=False)])
        assert futures[0] == futures[1]
        assert [token for token, _ in futures[0]] == [token for token, _ in futures[2]]
        # the restored one read its tokens anew, in one piece
        assert [p for _, p in futures[2]] == pytest.approx([p for _, p in futures[0]], abs=1e-4)
        assert len(set(futures[0])) > 3
