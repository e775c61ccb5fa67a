"""What a persona library must show of its vectors, on the demo model: docs/persona_measures.md has the whole tables.

Fewer prompts than there. Style and form are the generator's own scores, which know nothing of libsteer.
"""

import numpy as np
import pytest

import persona_measures as pm
import steer_c as sc

pytestmark = pytest.mark.usefixtures("torch_library")


@pytest.fixture(scope="module")
def demo():
    model = pm.open_model()
    return model, pm.calibrated(model, pm.shipped_vector()), pm.load_prompts(40)


def test_the_dial_does_not_show_the_slider(demo):
    """Change at equal style, at half the safe maximum, in persona gaps."""
    model, vector, prompts = demo
    half = vector.info.strength_safe / 2
    at_dial = pm.leaks(model, vector, (0.0, half / 2, half), prompts, vector.info.gauge_layer)
    above = pm.leaks(model, vector, (0.0, half / 2, half), prompts, vector.info.gauge_layer + 1)
    print(at_dial, above)
    assert all(abs(at_dial[name].change) <= 0.1 for name in ("corrected", "twin"))  # below the push: exact in every reading
    assert all(abs(above[name].change) <= 0.1 for name in ("corrected", "twin"))
    assert above["raw"].change > 0.3  # the slider itself
    assert all(found["twin"].style > 0.5 for found in (at_dial, above))  # what the dial is for


def test_a_mean_difference_beats_the_older_recipe(demo):
    model, _, prompts = demo
    mean, legacy = (pm.measure(model, pm.by_recipe(model, **recipe), 0.3, prompts) for recipe in ({}, pm.LEGACY))
    assert mean.style >= legacy.style + 0.2 and mean.form > legacy.form


def test_a_budget_keeps_language_whole_far_beyond_what_is_safe(demo):
    model, vector, prompts = demo
    strength, asked = 3 * vector.info.strength_safe, pm.prompted(model, prompts)
    assert asked.style > 0.9
    for name, how in pm.STRONG.items():
        kept = pm.measure(model, vector, strength, prompts, kl_budget=pm.BUDGET, **how)
        print(name, kept.style, kept.form, kept.perplexity, asked.perplexity)
        assert kept.perplexity <= 1.25 * asked.perplexity
        assert kept.style >= 0.9
        assert kept.form >= (0.93 if how else 0.85)
    assert pm.measure(model, vector, strength, prompts).form < 0.1  # without it


@pytest.mark.parametrize("target", [0.4, 0.8])
def test_hold_keeps_the_gauge_where_it_is_told(demo, target):
    model, vector, _ = demo
    held = pm.hold(model, vector, target, pm.load_prompts())
    assert len(held.values) >= 64
    assert held.values.mean() == pytest.approx(target, abs=0.1) and held.limited == 0


def test_hold_says_what_is_out_of_reach(demo):
    model, vector, _ = demo
    held = pm.hold(model, vector, 3.0, pm.load_prompts(), tokens=400)
    assert held.limited > 0.9 and held.strengths.mean() == pytest.approx(vector.info.strength_safe, rel=0.02)


def test_the_guard_sees_word_salad_and_lets_sound_replies_pass(demo):
    salad, caught, sound, false = pm.guard_rates(*demo)
    assert salad > 40 and caught >= 0.95
    assert sound > 80 and false <= 0.02


def test_the_recommended_site_tells_the_voices_apart_by_words_that_both_share(demo):
    """Where a calibration says to read, held-out pairs show it: the AUC of tokens that both voices hold."""
    model, vector, _ = demo
    with sc.Vector.extract(model, pm.load_pairs(by_system=True), holdout=0.3) as measured:
        assert measured.layer(vector.info.gauge_layer, sc.ROWS_READ).auc_content >= 0.90
        assert np.isfinite(measured.layer(0, sc.ROWS_READ).auc_content)
