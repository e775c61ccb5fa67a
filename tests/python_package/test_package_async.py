"""Replies in asyncio: the loop goes on, tasks that wait together step together, cancelling leaves nothing behind."""

import asyncio
import ctypes
import gc
import os
import random
import threading

import pytest

import steer
from steer import stepper

PROMPTS = ["こんにちは", "hello", "元気?", "what did you eat?"]


def open_session(demo, seed=1, tokens=12):
    session = demo.session()
    session.set_generation(temperature=0.8, seed=seed, token_max=tokens)
    return session


def test_an_async_reply_is_the_same_reply(demo):
    expected = open_session(demo).chat("こんにちは").read()

    async def main():
        text = ""
        async for step in open_session(demo).chat("こんにちは"):
            text += step.text
        assert text == expected
        assert await open_session(demo).chat("こんにちは") == expected

    asyncio.run(main())


def test_what_waits_together_is_computed_together(demo, monkeypatch):
    sizes = []
    many = steer._steer.Session.step_many
    monkeypatch.setattr(stepper._steer.Session, "step_many", staticmethod(lambda cores: sizes.append(len(cores)) or many(cores)))
    expected = [open_session(demo, i + 1).chat(prompt).read() for i, prompt in enumerate(PROMPTS)]

    async def main():
        replies = [open_session(demo, i + 1).chat(prompt) for i, prompt in enumerate(PROMPTS)]
        return await asyncio.gather(*(reply.read_async() for reply in replies))

    assert asyncio.run(main()) == expected
    assert max(sizes) == len(PROMPTS)


def test_the_loop_goes_on_while_a_step_runs(demo):
    """Between two steps the loop does other work: more turns of it than steps, in order of what happened, not of a clock."""
    order = []

    async def main():
        stop = asyncio.Event()

        async def other():
            while not stop.is_set():
                order.append("loop")
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        session = open_session(demo)
        async for _ in session.chat("こんにちは"):
            order.append("step")
        stop.set()
        await task

    asyncio.run(main())
    steps = [i for i, what in enumerate(order) if what == "step"]
    assert len(steps) > 3 and all(later - earlier > 1 for earlier, later in zip(steps, steps[1:], strict=False))


def test_a_cancelled_task_ends_its_turn_and_frees_the_session(demo):
    async def main():
        session = open_session(demo, tokens=200)
        session.set_generation(temperature=0.0, token_max=200, stop_tokens=[])
        heard = []

        async def listen():
            async for step in session.chat("こんにちは"):
                heard.append(step)

        task = asyncio.create_task(listen())
        while len(heard) < 3:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert session.step().finish == "cancelled"
        assert session.messages[-1] == {"role": "assistant", "content": "".join(step.text for step in heard)}
        session.set_generation(temperature=0.0, token_max=5)
        assert (await session.chat("hello")) != ""  # the conversation is free at once

    asyncio.run(main())


def test_a_closed_iterator_ends_its_turn(demo):
    async def main():
        session = open_session(demo)
        reply = session.chat("こんにちは")
        async for _ in reply:
            break
        await reply.aclose()
        assert reply.ended and session.step().finish == "cancelled"
        async for _ in session.chat("hello"):
            break  # and so does one that nobody holds any more
        gc.collect()
        assert session.step().finish == "cancelled"

    asyncio.run(main())


def test_a_timeout_is_a_cancel(demo):
    async def main():
        session = open_session(demo)
        session.set_generation(temperature=0.0, stop_tokens=[])
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(session.chat("こんにちは").read_async(), 0.05)
        assert session.step().finish == "cancelled"

    asyncio.run(main())


def test_a_failing_step_raises_where_it_is_awaited(demo):
    async def main():
        session = open_session(demo)
        reply = session.chat("hello")
        session.close()
        with pytest.raises(steer.ArgumentError):
            await reply

    asyncio.run(main())


def test_two_loops_in_two_threads_share_a_model(demo):
    expected = [open_session(demo, i + 1).chat(prompt).read() for i, prompt in enumerate(PROMPTS)]
    texts = {}

    def work(i):
        async def main():
            texts[i] = await open_session(demo, i + 1).chat(PROMPTS[i])

        asyncio.run(main())

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(PROMPTS))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [texts[i] for i in range(len(PROMPTS))] == expected


# ---- 32 tasks with random cancels ----------------------------------------------------------------------------------------


def memory_bytes():
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def one_task(demo, draw):
    with open_session(demo, draw.randrange(1, 1000), tokens=draw.randrange(2, 12)) as session:
        reply = session.chat(draw.choice(PROMPTS))
        kind = draw.randrange(4)
        if kind == 0:
            return await reply
        async for step in reply:
            session.cancel(0 if kind == 1 and draw.random() < 0.2 else 2**31)
            if kind == 2 and draw.random() < 0.3:
                break
        return None


async def one_round(demo, draw):
    tasks = [asyncio.create_task(one_task(demo, random.Random(draw.random()))) for _ in range(32)]
    for _ in range(draw.randrange(5, 60)):
        await asyncio.sleep(0.001)
    for task in draw.sample(tasks, 10):
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    unexpected = [one for one in results if isinstance(one, BaseException) and not isinstance(one, asyncio.CancelledError)]
    assert unexpected == []


def alive(kind):
    gc.collect()
    return sum(type(one) is kind for one in gc.get_objects())


def test_32_tasks_with_random_cancels_leak_nothing(demo):
    draw = random.Random(11)
    gc.collect()
    block = 64 * demo.info.cache_bytes_per_token  # a session here takes one or two
    for _ in range(12):  # libtorch's pools fill
        asyncio.run(one_round(demo, draw))
    before = memory_bytes(), alive(steer.Session), alive(steer.Reply)
    for _ in range(16):
        asyncio.run(one_round(demo, draw))
    assert (alive(steer.Session), alive(steer.Reply)) == before[1:]
    assert demo.info.device_bytes_used <= demo.info.weight_bytes + 2 * 32 * block  # 512 sessions shared those of 32
    assert steer._steer._calls() == 0
    assert sum(thread.name == "steer-steps" for thread in threading.enumerate()) <= 1
    assert memory_bytes() - before[0] < 16e6
    thread = demo._stepper._thread
    if thread is not None:
        thread.join(timeout=30 * stepper.IDLE_SECONDS)
        assert not thread.is_alive()
