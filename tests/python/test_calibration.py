"""steer_vector_calibrate against transformers' states and NumPy, and what stands on it: units, calibrated and corrected gauges.

On the demo model, whose persona is real; its replies are measured by the generator's own score, which knows nothing of us."""

import json
import struct

import numpy as np
import pytest
import torch

import demo_sweep
import steer_c as sc
from parity import Row, run_hooked
from test_door_parity import GREEDY

METRICS = ("cosine", "projection", "dot")
PAIRS = 8


class Demo:
    def __init__(self, scratch):
        from transformers import AutoModelForCausalLM

        self.folder = demo_sweep.DEMO / "model"
        self.model = sc.Model(self.folder, dtype=sc.DTYPE_F32)
        self.reference = AutoModelForCausalLM.from_pretrained(self.folder, dtype=torch.float32).eval()
        self.vector = sc.Vector.load(demo_sweep.DEMO / "vectors" / "gyaru.safetensors")
        lines = (demo_sweep.DEMO / "contrast.jsonl").read_text(encoding="utf-8").splitlines()
        chosen = [pair for pair in map(json.loads, lines) if pair["split"] == "train"][::52][:PAIRS]
        assert len(chosen) == PAIRS
        self.pairs = [((None, p["prompt"], p["positive"]), (None, p["prompt"], p["negative"]), i) for i, p in enumerate(chosen)]
        self.calibrated = self.vector.calibrate(self.model, self.pairs, seed=3)
        path = scratch / "calibrated.safetensors"
        self.calibrated.save(path)
        self.stored = stored_calibration(path)
        self.layers = range(self.vector.info.layer_begin, self.vector.info.layer_end)
        self.rows = {layer: np.array(self.vector.row(layer), dtype=np.float64) for layer in self.layers}

    def texts(self, side):
        for pair in self.pairs:
            _, prompt, reply = pair[side]
            ids, marks = self.model.chat_encode([("user", prompt), ("assistant", reply)], flags=0)
            yield ids, [i - 1 for i, mark in enumerate(marks) if mark]

    def states(self, ids, pushes=(), directions=()):
        """[T, sites, H] after the pushes; site k is at k + 1."""
        return run_hooked(self.reference, Row(ids, pushes=list(pushes)), directions).after.astype(np.float64)


def stored_calibration(path):
    raw = path.read_bytes()
    [size] = struct.unpack("<Q", raw[:8])
    return json.loads(json.loads(raw[8 : 8 + size])["__metadata__"]["steer.calibration"])


@pytest.fixture(scope="module")
def demo(torch_library, tmp_path_factory):
    return Demo(tmp_path_factory.mktemp("calibration"))


def readings(z, row):
    along = z @ row
    return np.stack([along / (np.maximum(np.linalg.norm(z, axis=-1), 1e-6) * np.linalg.norm(row)), along / np.linalg.norm(row), along], -1)


def scale_of(demo, layer, metric, smoothing):
    return demo.stored["scales"][((layer - demo.layers[0]) * 3 + metric) * 3 + smoothing]


def test_scales_and_norms_are_numpys(demo):
    neutral, persona = ([(demo.states(ids), choosing) for ids, choosing in demo.texts(side)] for side in (1, 0))
    for layer in demo.layers:
        norms = np.concatenate([np.linalg.norm(states[choosing, layer + 1], axis=-1) for states, choosing in neutral])
        rho = np.median(norms[norms <= 8 * np.median(norms)])
        assert demo.stored["rho"][layer - demo.layers[0]] == pytest.approx(rho, rel=1e-4)
        for metric in range(3):
            for smoothing, length in enumerate((1, 8, 10**9)):
                samples = [[], []]
                for voice, texts in enumerate((neutral, persona)):
                    for states, choosing in texts:
                        values = readings(states[choosing, layer + 1], demo.rows[layer])[:, metric]
                        samples[voice] += smooth(values, length).tolist()
                scale = scale_of(demo, layer, metric, smoothing)
                for name, values in zip(("neutral", "persona"), samples):
                    spread = np.std(values) + 1e-9
                    np.testing.assert_allclose(scale[name], np.percentile(values, (5, 25, 50, 75, 95)), atol=1e-3 * spread, rtol=1e-4)
                low, high = map(np.array, samples)
                expected = (high.mean() - low.mean()) / np.sqrt((high.var(ddof=1) + low.var(ddof=1)) / 2)
                assert scale["separation"] == pytest.approx(expected, rel=1e-3)
    for layer in demo.layers:
        along = [np.concatenate([readings(states[choosing, layer + 1], demo.rows[layer])[:, 1] for states, choosing in texts]).mean()
                 for texts in (neutral, persona)]
        found = [demo.stored[name][layer - demo.layers[0]] for name in ("neutral", "persona")]
        np.testing.assert_allclose(found, along, rtol=1e-4, atol=1e-4)
        if layer == demo.stored["band_end"] - 1:
            assert demo.stored["gap"] == pytest.approx(along[1] - along[0], rel=1e-4)


@pytest.mark.parametrize("unit, bound", [(sc.UNIT_GAPS, 0.0), (sc.UNIT_GAPS, 1.0), (sc.UNIT_RELATIVE, -0.1)])
def test_intervals_in_units_hold_what_they_say(demo, unit, bound):
    """Pins at a mean of the texts, or at a share of the norm: the state itself is looked at by a gauge behind them."""
    ids, marks = demo.model.chat_encode([("user", demo.pairs[0][0][1])])
    with demo.model.session() as session:
        session.set_generation(**GREEDY)
        session.inject(demo.calibrated, 1.0, op=sc.OP_INTERVAL, unit=unit, low=bound, high=bound)
        for layer in demo.layers:
            session.gauge(demo.calibrated, layer, tap=sc.TAP_AFTER, metric=sc.METRIC_PROJECTION, rows=sc.ROWS_WRITE)
        steps = reply_steps(session, ids, marks, 6)
    for step in steps:
        for layer, value in zip(demo.layers, step.gauges, strict=True):
            at = layer - demo.layers[0]
            neutral, persona, rho = (demo.stored[name][at] for name in ("neutral", "persona", "rho"))
            expected = bound * rho if unit == sc.UNIT_RELATIVE else neutral + bound * (persona - neutral)
            assert value == pytest.approx(expected, abs=1e-5 * rho)


def relative_factors(demo):
    """By the formula: push_k = r p_k rho_last / |sum p|, p_k = rho_k v_k / |v_k|."""
    band = range(demo.stored["band_begin"], demo.stored["band_end"])
    rho = {layer: demo.stored["rho"][layer - demo.layers[0]] for layer in band}
    p = {layer: rho[layer] * demo.rows[layer] / np.linalg.norm(demo.rows[layer]) for layer in band}
    length = np.linalg.norm(sum(p.values()))
    return {layer: p[layer] * rho[band[-1]] / length for layer in band}


def pushes_of(demo, strength):
    factors = relative_factors(demo)
    pushes = [{"site": layer, "kind": "add", "strength": strength, "span": 3, "direction": i} for i, layer in enumerate(factors)]
    return pushes, [factors[layer] for layer in factors]


def smooth(values, length=8):
    window = min(length, len(values))
    return np.convolve(values, np.ones(window) / window, mode="valid")


@pytest.mark.parametrize("strength", [-0.6, 0.45, 1.25])
def test_the_response_is_the_streams_own_answer(demo, strength):
    """Its shift, spread and clarity, of the two voices' own readings with and without the push."""
    pushes, directions = pushes_of(demo, strength)
    at, count = demo.stored["strengths"].index(pytest.approx(strength)), len(demo.stored["strengths"])
    plain, own = ({layer: ([], []) for layer in demo.layers} for _ in range(2))  # of each voice: [tokens, metrics] of each text
    for voice, side in enumerate((1, 0)):
        for ids, choosing in demo.texts(side):
            without, pushed, so_far = demo.states(ids), demo.states(ids, pushes, directions), 0.0
            for layer in demo.layers:
                so_far = so_far + strength * relative_factors(demo).get(layer, 0.0)
                plain[layer][voice].append(readings(without[choosing, layer + 1], demo.rows[layer]))
                own[layer][voice].append(readings(pushed[choosing, layer + 1] - so_far, demo.rows[layer]))
    for layer in demo.layers:
        for metric in range(3):
            where = (layer - demo.layers[0]) * 3 + metric
            before, after = ([np.concatenate(voice)[:, metric] for voice in found[layer]] for found in (plain, own))
            scale = scale_of(demo, layer, metric, 0)
            tolerance = 2e-3 * abs(scale["persona"][4] - scale["neutral"][0])
            centre, moved = np.concatenate(before).mean(), np.concatenate(after).mean()
            assert demo.stored["centre"][where] == pytest.approx(centre, abs=tolerance)
            assert demo.stored["shift"][where * count + at] == pytest.approx(moved - centre, abs=tolerance), (layer, METRICS[metric])
            spread = (after[1].mean() - after[0].mean()) / (before[1].mean() - before[0].mean())
            assert demo.stored["spread"][where * count + at] == pytest.approx(spread, abs=5e-3)
            low, high = (np.concatenate([smooth(text[:, metric]) for text in voice]) for voice in own[layer])
            clarity = (high.mean() - low.mean()) / np.sqrt((high.var(ddof=1) + low.var(ddof=1)) / 2)
            assert demo.stored["clarity"][where * count + at] == pytest.approx(clarity, abs=1e-2)


def reply_steps(session, prompt_ids, marks, count):
    session.set_tokens(prompt_ids, marks=marks)
    steps = [step for step in (session.step() for _ in range(count + 1)) if not step.is_prompt]
    return steps[:count]


@pytest.mark.parametrize("unit", [sc.UNIT_RELATIVE, sc.UNIT_GAPS])
def test_units_push_what_their_formulas_say(demo, unit):
    """Teacher-forced against hooks: the reply's log-probabilities are those under the formula's pushes."""
    strength = 0.5 if unit == sc.UNIT_RELATIVE else 1.0
    factors = relative_factors(demo)
    if unit == sc.UNIT_GAPS:
        last = max(factors)
        along = sum(factors.values()) @ demo.rows[last] / np.linalg.norm(demo.rows[last])
        factors = {layer: factor * demo.stored["gap"] / along for layer, factor in factors.items()}
    ids, marks = demo.model.chat_encode([("user", demo.pairs[0][0][1])])
    with demo.model.session() as session:
        session.set_generation(**GREEDY)
        session.inject(demo.calibrated, strength, unit=unit)
        steps = reply_steps(session, ids, marks, 12)
    whole = ids + [step.token for step in steps][:-1]
    pushes = [{"site": layer, "kind": "add", "strength": strength, "span": 3, "direction": i} for i, layer in enumerate(factors)]
    logits = torch.tensor(run_hooked(demo.reference, Row(whole, pushes=pushes), list(factors.values())).logits)
    expected = torch.log_softmax(logits[len(ids) - 1 :], -1).max(-1).values
    np.testing.assert_allclose([step.log_prob for step in steps], expected, atol=2e-4)


def test_calibrated_gauges_are_the_natural_ones_on_the_scale(demo):
    layer = demo.calibrated.info.gauge_layer
    ids, marks = demo.model.chat_encode([("user", demo.pairs[0][0][1])])
    for metric in range(3):
        for window, smoothing in ((1, 0), (8, 1), (64, 2)):
            scale = scale_of(demo, layer, metric, smoothing)
            zero, one = scale["neutral"][2], scale["persona"][2]
            with demo.model.session(twin=1) as session:
                session.set_generation(**GREEDY)
                session.inject(demo.calibrated, 0.3, unit=sc.UNIT_RELATIVE)
                common = {"metric": metric, "window": window}
                for reading in (sc.READING_OWN, sc.READING_TWIN):
                    for kind in (sc.SCALE_NATURAL, sc.SCALE_CALIBRATED):
                        session.gauge(demo.calibrated, layer, reading=reading, scale=kind, **common)
                session.gauge(demo.calibrated, layer, reading=sc.READING_OWN_CORRECTED, **common)
                session.gauge(demo.calibrated, layer, reading=sc.READING_RAW, scale=sc.SCALE_CALIBRATED, **common)
                steps = reply_steps(session, ids, marks, 14)
            at = demo.stored["strengths"].index(pytest.approx(0.3))
            where = (layer - demo.layers[0]) * 3 + metric
            shift, spread, clarity = (demo.stored[key][where * len(demo.stored["strengths"]) + at] for key in ("shift", "spread", "clarity"))
            centre = demo.stored["centre"][where]
            for step in steps:
                own, own_scaled, twin, twin_scaled, corrected, raw = step.gauges
                assert own_scaled == pytest.approx((own - zero) / (one - zero), abs=1e-4)
                assert twin_scaled == pytest.approx((twin - zero) / (one - zero), abs=1e-4)
                if clarity < 1.0:
                    assert np.isnan(corrected)  # the push drowns the voices there
                else:
                    assert corrected == pytest.approx(centre + (own - centre - shift) / spread, rel=1e-4, abs=2e-4 * abs(one - zero))
                assert np.isnan(raw)  # a push is in it: no place on this scale


def test_corrected_is_unknown_where_nothing_was_measured(demo):
    layer = demo.calibrated.info.gauge_layer
    ids, marks = demo.model.chat_encode([("user", demo.pairs[0][0][1])])

    def value(**inject):
        with demo.model.session() as session:
            session.set_generation(**GREEDY)
            strength = inject.pop("strength")
            session.inject(demo.calibrated, strength, **inject)
            session.gauge(demo.calibrated, layer, reading=sc.READING_OWN_CORRECTED)
            [step] = reply_steps(session, ids, marks, 1)
            return step.gauges[0]

    assert np.isfinite(value(strength=0.4, unit=sc.UNIT_RELATIVE))
    assert np.isfinite(value(strength=0.0))
    assert np.isnan(value(strength=2.0))
    assert np.isnan(value(strength=1.6, unit=sc.UNIT_RELATIVE))
    assert np.isnan(value(strength=0.4, unit=sc.UNIT_RELATIVE, span=sc.SPAN_REPLY))


def test_a_calibration_is_kept_in_the_file_and_refused_elsewhere(demo, tmp_path):
    path = tmp_path / "again.safetensors"
    demo.calibrated.save(path)
    loaded = sc.Vector.load(path)
    assert loaded.info.calibrated == 1 and loaded.info.strength_safe == demo.calibrated.info.strength_safe
    assert stored_calibration(path) == demo.stored
    again = tmp_path / "and_again.safetensors"
    loaded.save(again)
    assert again.read_bytes() == path.read_bytes()
    with demo.model.session() as session:
        session.inject(loaded, 0.3, unit=sc.UNIT_RELATIVE)
        with pytest.raises(sc.SteerError, match="steer_vector_calibrate"):
            session.inject(demo.vector, 0.3, unit=sc.UNIT_RELATIVE)
        with pytest.raises(sc.SteerError, match="steer_vector_calibrate"):
            session.gauge(demo.vector, 4, scale=sc.SCALE_CALIBRATED)
        with pytest.raises(sc.SteerError, match=r"\[3, 5\)"):
            session.inject(loaded, 0.3, unit=sc.UNIT_RELATIVE, layer_begin=3, layer_end=5)


def test_the_safe_maximum_is_where_its_rule_says(demo):
    """The last strength that passes and the first that fails, looked at with our own tokens and transformers' logits."""
    passes, fails, rule = (demo.stored[key] for key in ("safe_pass", "safe_fail", "safe_rule"))
    assert demo.calibrated.info.strength_safe == pytest.approx(passes)
    assert fails == pytest.approx(passes + 0.15) and rule == "kl"
    found = []
    for strength in (passes, fails):
        values = []
        pushes, directions = pushes_of(demo, strength)
        for i, pair in enumerate(demo.pairs):
            ids, marks = demo.model.chat_encode([("user", pair[1][1])])
            with demo.model.session() as session:
                session.set_generation(seed=3 + i + 1, token_max=64)
                session.inject(demo.calibrated, strength, unit=sc.UNIT_RELATIVE)
                session.set_tokens(ids, marks=marks)
                tokens = []
                while True:
                    step = session.step()
                    tokens += [step.token] if step.token >= 0 else []
                    if step.finish:
                        break
            whole = ids + tokens[:-1]
            log_p, log_q = (torch.log_softmax(torch.tensor(run_hooked(demo.reference, Row(whole, pushes=list(push)), directions).logits[
                len(ids) - 1 :]).double(), -1) for push in (pushes, ()))
            values += (log_p.exp() * (log_p - log_q)).sum(-1).tolist()
        found.append(np.percentile(values, 90))
    assert found[0] <= 0.7 < found[1]
