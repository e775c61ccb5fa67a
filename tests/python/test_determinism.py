"""The real backend says the same words on every run, with one thread and with two: the demo model, ten prompts, steered."""

import json
import os
import subprocess
import sys

import pytest

import steer_c as sc

DEMO = sc.REPOSITORY / "examples" / "demo_model"
PROMPTS = ["こんにちは", "今日は何してたの？", "好きな食べ物は？", "Hello!", "What do you like?", "週末は何をする？", "音楽は好き？",
           "Tell me about tea.", "犬と猫、どっちが好き？", "Good night."]


def speak(threads):
    sc.call("steer_threads_set", threads, 0)
    with sc.Model(DEMO / "model", dtype=sc.DTYPE_F32) as model:
        vector = sc.Vector.load(DEMO / "vectors" / "gyaru.safetensors")
        said = []
        for i, prompt in enumerate(PROMPTS):
            with model.session() as session:
                session.set_generation(seed=i + 1, token_max=16)
                session.inject(vector, 8.0)
                session.set_tokens(model.chat_encode([{"role": "user", "content": prompt}])[0])
                said.append([(step.token, step.log_prob) for step in session.generate()])
    return said


def in_process_of_its_own(threads):
    environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    out = subprocess.run([sys.executable, __file__, str(threads)], env=environment, capture_output=True, text=True, timeout=300)
    assert out.returncode == 0, out.stderr
    return json.loads(out.stdout)


@pytest.fixture(scope="module")
def runs(torch_library):
    return {threads: [in_process_of_its_own(threads) for _ in range(2)] for threads in (1, 2)}


def tokens(run):
    return [[token for token, _ in reply] for reply in run]


@pytest.mark.parametrize("threads", [1, 2])
def test_runs_are_equal_to_the_last_bit(runs, threads):
    first, *others = runs[threads]
    assert sum(map(len, first)) > 100
    for other in others:
        assert other == first


def test_thread_counts_say_the_same_words(runs):
    assert tokens(runs[1][0]) == tokens(runs[2][0])


if __name__ == "__main__":
    print(json.dumps(speak(int(sys.argv[1]))))
