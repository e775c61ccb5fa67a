"""Hold on the demo model: the strength goes where the gauge asks for it, by the formula, and says so where it cannot."""

import numpy as np
import pytest

import steer_c as sc
from test_calibration import Demo, demo  # noqa: F401

RATE = 0.1


def held_session(demo, target, reading, **options):  # noqa: F811
    session = demo.model.session(twin=1, context_max=1024)
    session.set_generation(seed=5, stop_tokens=[])
    gauge = session.gauge(demo.calibrated, demo.calibrated.info.gauge_layer, reading=reading, scale=sc.SCALE_CALIBRATED, window=8)
    session.inject(demo.calibrated, options.pop("strength", 0.0), unit=sc.UNIT_RELATIVE, hold_gauge=gauge, hold_target=target,
                   hold_rate=RATE, **options)
    return session


def talk(session, demo, turns=4, tokens=40):  # noqa: F811
    """Several questions, so that there is something to settle over: gauges, strengths, flags of every token."""
    steps = []
    for i in range(turns):
        ids, marks = demo.model.chat_encode([("user", demo.pairs[i][0][1])])
        session.set_tokens(ids, marks=marks)
        while len([1 for step in steps if step.token >= 0]) < (i + 1) * tokens:
            steps.append(session.step())
    return [step for step in steps if step.token >= 0]


@pytest.mark.parametrize("reading", [sc.READING_TWIN, sc.READING_OWN_CORRECTED])
def test_the_strength_moves_by_the_formula(demo, reading):  # noqa: F811
    slope = demo.stored["slope_twin" if reading == sc.READING_TWIN else "slope_corrected"]
    safe = demo.stored["safe_pass"]
    with held_session(demo, 0.6, reading) as session:
        steps = talk(session, demo, turns=1, tokens=30)
    strength, weighted, weight = 0.0, 0.0, 0.0
    for now, then in zip(steps, steps[1:]):
        value = now.gauges[0]
        assert now.strengths[0] == pytest.approx(strength, abs=1e-5)
        if not np.isnan(value):
            weighted, weight = weighted * 15 / 17 + value, weight * 15 / 17 + 1  # 16 tokens, by the usual weights
            error = 0.6 - weighted / weight
            if abs(error) > 0.05:
                strength = float(np.clip(strength + np.clip(error / (32 * slope), -RATE, RATE), -safe, safe))
        assert then.strengths[0] == pytest.approx(strength, abs=1e-4)


def test_a_target_out_of_reach_is_said(demo):  # noqa: F811
    with held_session(demo, 9.0, sc.READING_TWIN) as session:
        steps = talk(session, demo, turns=2)
    assert steps[-1].flags & sc.STEP_HOLD_LIMIT
    assert steps[-1].strengths[0] == pytest.approx(demo.stored["safe_pass"])
    with held_session(demo, 9.0, sc.READING_TWIN, strength_max=0.2) as session:
        assert talk(session, demo, turns=1)[-1].strengths[0] == pytest.approx(0.2)


def test_holds_that_make_no_sense_are_refused(demo):  # noqa: F811
    with demo.model.session(twin=1) as session:
        gauge = {"layer": demo.calibrated.info.gauge_layer, "scale": sc.SCALE_CALIBRATED}
        own = session.gauge(demo.calibrated, reading=sc.READING_OWN, **gauge)
        natural = session.gauge(demo.calibrated, gauge["layer"], reading=sc.READING_TWIN)
        twin = session.gauge(demo.calibrated, reading=sc.READING_TWIN, **gauge)
        good = {"unit": sc.UNIT_RELATIVE, "hold_gauge": twin, "hold_target": 0.5, "hold_rate": 0.1}
        for change, words in (({"hold_gauge": own}, "holds the push itself"), ({"hold_gauge": natural}, "natural scale"),
                              ({"hold_gauge": twin + 7}, "not one of this session"), ({"unit": sc.UNIT_RAW}, "RELATIVE or GAPS"),
                              ({"hold_rate": 0.0}, "hold_rate"), ({"hold_target": float("nan")}, "hold_target"),
                              ({"hold_gauge": 0}, "hold_gauge")):
            with pytest.raises(sc.SteerError, match=words):
                session.inject(demo.calibrated, 0.2, **{**good, **change})
        held = session.inject(demo.calibrated, 0.2, **good)
        with pytest.raises(sc.SteerError, match="is held by"):
            session.remove_gauge(twin)
        session.set_strength(held, 0.9)
