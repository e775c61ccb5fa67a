"""Checks of the text generator, its scorer and the tokenizer's layout. Run: python -m pytest examples/demo_model"""
import json
import random
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import dialogue  # noqa: E402
import generate  # noqa: E402
import score  # noqa: E402
import users  # noqa: E402
import voice  # noqa: E402
from topics import CATEGORIES, HELD_OUT_TOPICS, TOPICS, TRAINING_TOPICS  # noqa: E402

LANGS = ("ja", "en")


def talks(count, seed=5):
    rng = random.Random(seed)
    return [dialogue.conversation(rng) for _ in range(count)]


def test_topics():
    assert len(TRAINING_TOPICS) >= 200
    assert len({t.ja for t in TOPICS}) == len({t.en for t in TOPICS}) == len(TOPICS)
    for category in CATEGORIES.values():
        lists = (category.reasons_ja, category.reasons_en, category.tips_ja, category.tips_en)
        assert all(len(set(entries)) >= 6 for entries in lists), category.key
        assert sum(topic.held_out for topic in category.topics) == 2


@pytest.mark.parametrize("lang", LANGS)
def test_markers_tell_the_voices_apart(lang):
    phrases = voice.PHRASES[lang]
    for name, (plain_front, voiced_front, plain_end, voiced_end) in phrases.FRAMES.items():
        for piece in voiced_front:
            assert score.voiced(piece + "x."), (name, piece)
        for piece in voiced_end:
            assert score.voiced("x" + piece), (name, piece)
        for piece in plain_front + plain_end:
            assert not score.voiced(piece), (name, piece)
    values = {**voice.of_topic(lang, TRAINING_TOPICS[0]), "E": "x", "R": "x", "F": "x", "N": "x", "A": "x"}
    for slot in phrases.SLOTS:
        assert not any(score.voiced(core) for _, core in voice.all_cores(slot, values)), slot
    for topic in TOPICS:
        assert not score.voiced(" ".join(topic[:4])), topic
    for category in CATEGORIES.values():
        for clause in category.reasons_ja + category.reasons_en + category.tips_ja + category.tips_en:
            assert not score.voiced(clause), clause


@pytest.mark.parametrize("lang", LANGS)
def test_users_show_no_voice(lang):
    for intent, (trained, held_out) in users.WORDINGS[lang].items():
        for text in (t for template in trained + held_out for t in template):
            assert not score.voiced(text), (intent, text)
            assert not set("()|") & set(text), (intent, text)


def test_both_languages_have_every_slot_and_wording():
    ja, en = (voice.PHRASES[lang] for lang in LANGS)
    assert set(ja.SLOTS) == set(en.SLOTS) and set(users.WORDINGS["ja"]) == set(users.WORDINGS["en"])
    for intent in voice.PLANS:
        assert voice.slots_of(intent) <= set(ja.SLOTS), intent
    for phrases in (ja, en):
        assert all(frame in phrases.FRAMES for groups in phrases.SLOTS.values() for frame, _ in groups)


def test_no_placeholder_is_left():
    for messages in talks(4000):
        for message in messages:
            assert "{" not in message["content"] and "None" not in message["content"], message
            assert message["content"] == message["content"].strip() != ""


def test_same_seed_same_talks():
    assert talks(50) == talks(50) != talks(50, seed=6)


def test_held_out_topics_and_wordings_are_never_trained_on():
    text = "\n".join(m["content"] for messages in talks(6000) for m in messages)
    assert "ラーメン" in text and "ramen" in text
    for topic in HELD_OUT_TOPICS:
        assert topic.fact_ja not in text and topic.fact_en not in text, topic
        assert len(topic.ja) < 3 or topic.ja not in text, topic       # a short one may arise from drawn kanji
    assert "のどこにひかれるの" not in text and "strike you" not in text


def test_no_training_talk_holds_an_evaluation_prompt():
    asked = {prompt["prompt"] for prompt in generate.evaluation_prompts()}
    said = {m["content"] for messages in talks(20000, seed=12) for m in messages if m["role"] == "user"}
    assert len(said) > 20000 and not said & asked
    assert all(users.is_held_out(p["prompt"]) for p in generate.evaluation_prompts() if p["set"] == "main")


def test_expand():
    assert users.expand("(a|b|)c(d|e)") == ["acd", "ace", "bcd", "bce", "cd", "ce"]
    assert users.expand("plain {T}") == ["plain {T}"]


def test_made_up_words_are_in_a_quarter_of_the_talks(monkeypatch):
    made, real = [], dialogue.new_word
    monkeypatch.setattr(dialogue, "new_word", lambda rng, lang: made.append(1) or real(rng, lang))
    rng, count, with_word = random.Random(8), 3000, 0
    for _ in range(count):
        before = len(made)
        dialogue.conversation(rng)
        with_word += len(made) > before
    assert with_word / count >= 0.25


def test_turns_and_voice():
    counts, graded, neutral = set(), 0, []
    for messages in talks(3000):
        replies = [m["content"] for m in messages if m["role"] == "assistant"]
        counts.add(len(replies))
        shares = [score.style(reply) for reply in replies]
        graded += any(0 < share < 1 for share in shares)
        if messages[0]["role"] == "user":
            neutral += shares
    assert {1, 2, 3, 4, 5, 6} <= counts
    assert graded > 300
    assert 0.10 < sum(neutral) / len(neutral) < 0.25     # mean of the neutral weights: 0.16


def test_no_prompt_fixes_the_voice():
    for weights in dialogue.Z_WEIGHTS.values():
        assert max(weights) <= 0.8 * sum(weights) and min(weights) > 0


def test_style_of_pure_voices():
    rng = random.Random(4)
    for topic in TRAINING_TOPICS:
        for lang in LANGS:
            plan = voice.make_plan(rng, "opinion", voice.of_topic(lang, topic))
            assert score.style(voice.render(rng, lang, plan, 1.0)) == 1.0
            assert score.style(voice.render(rng, lang, plan, 0.0)) == 0.0
            assert len(score.sentences(voice.render(rng, lang, plan, 0.5))) == len(plan)


def test_form_accepts_all_the_generator_says():
    rng = random.Random(3)
    for prompt in generate.evaluation_prompts():
        for _ in range(6):
            values = rng.choice(score._candidates(prompt))
            plan = voice.make_plan(rng, prompt["intent"], values)
            for z in (0.0, 0.5, 1.0):
                reply = voice.render(rng, prompt["lang"], plan, z)
                assert score.form(reply, prompt) == 1.0, (prompt, reply)


def test_form_refuses_what_it_could_not_say():
    prompt = {"lang": "ja", "intent": "like", "topic": "ラーメン", "category": "food", "prompt": "ラーメンは好き？"}
    assert score.form("私はラーメンが大好きです。湯気の立つスープがしみるんです。", prompt) == 1.0
    assert score.form("あーしはラーメンが大好きだし！湯気の立つスープがしみるんです。", prompt) == 1.0
    assert score.form("私はラーメンが大好きです。スパイスの香りで目が覚めるんです。", prompt) == 0.5    # curry's own clause
    assert score.form("私はカレーが大好きです。", prompt) == 0.0
    assert score.form("私はラーメンが大好きですんです。", prompt) == 0.0
    assert score.form("私はラーメンが大好", prompt) == 0.0
    assert score.form("私はラーメンが大\ufffd好きです。", prompt) == 0.0
    assert score.form("", prompt) == 0.0
    english = {"lang": "en", "intent": "like", "topic": "ramen", "category": "food", "prompt": "Do you like ramen?"}
    assert score.form("Omg, I love ramen, no cap! The hot broth warms you right up.", english) == 1.0
    assert score.form("Omg, The hot broth warms you right up.", english) == 0.0
    assert score.form("the hot broth warms you right up.", english) == 0.0
    assert score.form("私はラーメンが大好きです。", english) == 0.0


def test_generator_replies_without_the_topic_are_out_of_form():
    rng = random.Random(9)
    scores = []
    for prompt in generate.evaluation_prompts()[:60]:
        assert prompt["topic"]
        other = rng.choice([t for t in TRAINING_TOPICS if t.category != prompt["category"]])
        plan = voice.make_plan(rng, "opinion", voice.of_topic(prompt["lang"], other))
        scores.append(score.form(voice.render(rng, prompt["lang"], plan, 0.0), prompt))
    assert sum(scores) / len(scores) < 0.05


@pytest.mark.parametrize("name, make", (("contrast.jsonl", generate.contrast_pairs), ("prompts.jsonl", generate.evaluation_prompts)))
def test_files_are_what_the_generator_makes(name, make):
    rows = [json.loads(line) for line in (HERE / name).read_text(encoding="utf-8").splitlines()]
    assert rows == list(make())
    assert len({row["prompt"] for row in rows}) == len(rows) or name == "contrast.jsonl"


def test_contrast_pairs():
    rows = list(generate.contrast_pairs())
    for row in rows:
        assert score.style(row["positive"]) == 1.0 and score.style(row["negative"]) == 0.0
    held = {row["group"] for row in rows if row["split"] == "held_out"}
    assert held == {t.en for t in HELD_OUT_TOPICS} and not held & {row["group"] for row in rows if row["split"] == "train"}


def test_model_folder_reads_as_the_template_writes():
    transformers = pytest.importorskip("transformers")
    train = pytest.importorskip("train")
    tokenizer = transformers.AutoTokenizer.from_pretrained(HERE / "model")
    start, end = (tokenizer.convert_tokens_to_ids(t) for t in ("<|im_start|>", "<|im_end|>"))
    header = tokenizer("assistant\n")["input_ids"]
    for messages in talks(50):
        text = tokenizer.apply_chat_template(messages, tokenize=False)
        assert text == train.chat_text(messages)
        ids = tokenizer(text)["input_ids"]
        assert tokenizer.decode(ids) == text
        learnt = [i for i, keep in zip(ids, train.answer_mask(ids, start, end, header)) if keep]
        assert tokenizer.decode(learnt) == "".join(m["content"] + "<|im_end|>" for m in messages if m["role"] == "assistant")


def test_tokenizer_layout():
    data = json.loads((HERE / "model" / "tokenizer.json").read_text(encoding="utf-8"))
    vocab = data["model"]["vocab"]
    assert len(vocab) + len(data["added_tokens"]) == 4096
    assert sorted(vocab.values()) == list(range(len(vocab)))
    assert [(t["id"], t["content"]) for t in data["added_tokens"]] == [(4093, "<|endoftext|>"), (4094, "<|im_start|>"), (4095, "<|im_end|>")]
    assert [a + b for a, b in data["model"]["merges"]] == [t for t, i in sorted(vocab.items(), key=lambda kv: kv[1]) if i >= 256]


def test_stored_model_talks():
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    if not (HERE / "model" / "model.safetensors").exists():
        pytest.skip("examples/demo_model/model holds no weights")
    import steering
    assert sum(path.stat().st_size for path in (HERE / "model").iterdir()) <= 16_000_000
    model, tokenizer = steering.load(HERE / "model", "cpu")
    assert sum(parameter.numel() for parameter in model.parameters()) == 6_955_264 and model.config.model_type == "qwen2"
    asked = [p for p in generate.evaluation_prompts() if p["set"] == "main"][:66:6]
    replies, ended = steering.sample(model, [steering.encode(tokenizer, None, p["prompt"])[0] for p in asked], temperature=0)
    texts = tokenizer.batch_decode(replies)
    assert all(ended) and torch.tensor([score.form(t, p) for t, p in zip(texts, asked)]).mean() >= 0.9, texts
    assert sum(map(score.style, texts)) == 0.0, texts
