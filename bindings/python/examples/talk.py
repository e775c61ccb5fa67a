"""A chat on standard input: the reply streams, its gauge follows. `./run python bindings/python/examples/talk.py [MODEL [VECTOR]]`"""

from __future__ import annotations

import sys

import steer


def main(model_path: str, vector_path: str, strength: float = 8.0) -> None:
    model = steer.Model.from_pretrained(model_path)
    persona = steer.Vector.from_file(vector_path, model=model)
    session = model.session()
    dial = session.gauge(persona, window=8)
    slider = session.steer(persona, strength)
    for line in sys.stdin:
        words = line.strip()
        if words.startswith("/strength "):
            slider.set(float(words.split()[1]), ramp_tokens=8)
            continue
        value = float("nan")
        for step in session.chat(words):
            print(step.text, end="", flush=True)
            value = step[dial]
        print(f"\n[persona {value:+.3f}]")


if __name__ == "__main__":
    main(*sys.argv[1:3] or (str(steer.demo_model_path()), str(steer.demo_vector_path())))
