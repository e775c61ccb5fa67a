"""Several characters in one event loop: tasks that wait for a token at the same time share one forward."""

from __future__ import annotations

import asyncio
import sys

import steer


async def speak(model: steer.Model, persona: steer.Vector, words: str, strength: float) -> str:
    with model.session() as session:
        session.set_generation(token_max=40, seed=1)
        session.steer(persona, strength)
        text = ""
        async for step in session.chat(words):
            text += step.text
        return text


async def main(words: str) -> None:
    model = await asyncio.to_thread(steer.Model.from_pretrained, steer.demo_model_path())
    persona = steer.Vector.from_file(steer.demo_vector_path(), model=model)
    strengths = [0.0, 4.0, 8.0]
    for strength, text in zip(strengths, await asyncio.gather(*(speak(model, persona, words, one) for one in strengths))):
        print(f"{strength:4.0f}  {text}")


if __name__ == "__main__":
    asyncio.run(main(" ".join(sys.argv[1:]) or "こんにちは"))
