"""The arithmetic of extraction against numpy and scikit-learn: rows of every method, the report, areas under curves.

States are random, so every answer has another way to it. Needs the built tool vector_probe.
"""
import json
import subprocess

import numpy as np
import pytest
import safetensors.numpy

import steer_c as sc

decomposition = pytest.importorskip("sklearn.decomposition")
linear_model = pytest.importorskip("sklearn.linear_model")
metrics = pytest.importorskip("sklearn.metrics")

METHODS = {"mean difference": sc.METHOD_MEAN_DIFFERENCE, "centred PCA": sc.METHOD_PCA_CENTRED,
           "uncentred PCA": sc.METHOD_PCA_UNCENTRED, "PCA of pairs": sc.METHOD_PCA_PAIRS, "probe": sc.METHOD_PROBE}


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def ask(probe, tmp_path):
    """ask(what, tensors, arguments...) -> what vector_probe says"""
    program = probe("vector_probe")

    def call(what, tensors, *arguments, **metadata):
        safetensors.numpy.save_file({name: np.ascontiguousarray(array) for name, array in tensors.items()}, tmp_path / "x", metadata)
        done = subprocess.run([program, what, tmp_path / "x", *map(str, arguments)], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return call


@pytest.fixture
def extract(ask):
    """extract(positive, negative, groups, ...): states are [pairs, layers, hidden] float32"""
    def call(positive, negative, groups, holdout=0.3, seed=0, method=sc.METHOD_MEAN_DIFFERENCE, content=None, layer_begin=0):
        tensors = {"positive": positive, "negative": negative, "groups": np.asarray(groups, dtype=np.int64)}
        if content is not None:
            tensors["content_positive"], tensors["content_negative"] = content
        return ask("extract", tensors, holdout, seed, method, layer_begin=str(layer_begin))

    return call


def values(row):
    return np.array(row["values"])


def cosine(a, b):
    return a @ b / (np.linalg.norm(a) * np.linalg.norm(b))


def weights_of(groups, pairs):
    """Of each pair, so that groups count alike; sum one."""
    of_groups = np.asarray(groups)[pairs]
    each = np.array([1.0 / (of_groups == group).sum() for group in of_groups])
    return each / each.sum()


def weighted_component(data, weights, centred):
    data = data - (weights @ data if centred else 0)
    return np.linalg.svd(data * np.sqrt(weights)[:, None], full_matrices=False)[2][0]


def expected_probe(states, classes, weights):
    """scikit-learn on states as they are: a penalty on weights for states over spread is one that many times weaker here."""
    spread = weights @ ((states - weights @ states / weights.sum()) ** 2).sum(1) / weights.sum()
    model = linear_model.LogisticRegression(C=1.0 / spread, solver="newton-cholesky", tol=1e-12, max_iter=1000)
    return model.fit(states, classes, sample_weight=weights).coef_[0]


def expected_row(method, positive, negative, weights):
    difference = positive - negative
    mean = weights @ difference
    if method == "mean difference":
        return mean
    if method == "probe":
        states = np.stack([positive, negative], 1).reshape(-1, positive.shape[1])
        return expected_probe(states, np.tile([1, 0], len(positive)), np.repeat(weights, 2) * len(weights))
    if method == "PCA of pairs":
        row = weighted_component(np.concatenate([difference / 2, -difference / 2]), np.tile(weights, 2) / 2, True)
    else:
        row = weighted_component(difference, weights, method == "centred PCA")
    return row if row @ mean > 0 else -row


def random_states(rng, pairs, layers, hidden, offset=0.0):
    """What tells the voices apart, a topic that both have, and some directions that vary more than others."""
    direction = rng.standard_normal((layers, hidden))
    stretch = np.exp(rng.standard_normal((layers, hidden)))
    negative = stretch * rng.standard_normal((pairs, layers, hidden)) + offset
    positive = negative + 0.5 * direction + 0.7 * stretch * rng.standard_normal((pairs, layers, hidden))
    return positive.astype(np.float32), negative.astype(np.float32)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("pairs, hidden, offset", [(40, 24, 0.0), (40, 24, 30.0), (17, 96, 0.0), (300, 12, 0.0)])
def test_rows_equal_numpy_and_sklearn(extract, rng, method, pairs, hidden, offset):
    """More pairs than components and fewer; offset: one direction far larger than the rest. Groups of unequal size."""
    positive, negative = random_states(rng, pairs, 3, hidden, offset)
    groups = rng.integers(0, 9, pairs)
    result = extract(positive, negative, groups, method=METHODS[method])
    train = result["order"][: result["train_pairs"]]
    weights, halves = weights_of(groups, train), np.array(result["halves"])
    for layer in range(3):
        one, other = (states[train, layer].astype(np.float64) for states in (positive, negative))
        expected = expected_row(method, one, other, weights)
        ours = values(result["rows"][layer])
        assert np.abs(ours - expected).max() < 2e-5 * np.abs(expected).max()
        parts = [expected_row(method, one[halves == half], other[halves == half],
                              weights[halves == half] / weights[halves == half].sum()) for half in (0, 1)]
        assert result["rows"][layer]["split_half_cosine"] == pytest.approx(cosine(*parts), abs=2e-5)


def test_principal_components_equal_sklearn(extract, rng):
    """Each pair a group of its own, so that no weights are needed: scikit-learn's PCA as anyone would call it."""
    positive, negative = random_states(rng, 60, 2, 40)
    difference = (positive - negative).astype(np.float64)
    for method, component in (
            ("centred PCA", lambda d: decomposition.PCA(1).fit(d).components_[0]),
            ("uncentred PCA", lambda d: decomposition.TruncatedSVD(1, algorithm="arpack").fit(d).components_[0]),
            ("PCA of pairs", lambda d: decomposition.PCA(1).fit(np.concatenate([d / 2, -d / 2])).components_[0])):
        result = extract(positive, negative, range(60), holdout=0.0, method=METHODS[method])
        for layer in range(2):
            ours, theirs = values(result["rows"][layer]), component(difference[:, layer])
            theirs *= np.sign(theirs @ difference[:, layer].mean(0))  # its sign is left to chance, ours is the persona's
            assert np.abs(ours - theirs).max() < 1e-5, (method, layer)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed, offset", [(0, 0.0), (1, 3.0), (2, 1000.0)])
def test_the_report_equals_numpy(extract, rng, method, seed, offset):
    pairs, layers, hidden = 40, 4, 24
    positive, negative = random_states(rng, pairs, layers, hidden, offset)
    content = random_states(rng, pairs, layers, hidden, offset)
    groups = rng.integers(0, 9, pairs)
    result = extract(positive, negative, groups, 0.3, seed, METHODS[method], content, layer_begin=2)
    train, held = result["order"][: result["train_pairs"]], result["order"][result["train_pairs"]:]
    assert sorted(result["order"]) == list(range(pairs))
    assert not {groups[i] for i in train} & {groups[i] for i in held}
    assert result["holdout_groups"] == round(0.3 * len(set(groups)))
    classes = [1] * len(held) + [0] * len(held)
    weights = weights_of(groups, held)
    for layer in range(layers):
        ours = result["rows"][layer]
        unit = values(ours) / np.linalg.norm(values(ours))
        p, n = (states[held, layer].astype(np.float64) @ unit for states in (positive, negative))
        cp, cn = (states[held, layer].astype(np.float64) @ unit for states in content)
        states = np.concatenate([positive[held, layer], negative[held, layer]]).astype(np.float64)
        separation = lambda a, b: (a.mean() - b.mean()) / np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2)
        expected = dict(norm=np.linalg.norm(values(ours)), auc=metrics.roc_auc_score(classes, np.concatenate([p, n])),
                        auc_content=metrics.roc_auc_score(classes, np.concatenate([cp, cn])),
                        explained_variance=(states @ unit).var() / states.var(axis=0).sum(), persona=weights @ p, neutral=weights @ n)
        for name, figure in expected.items():
            assert ours[name] == pytest.approx(figure, rel=1e-5, abs=1e-5 * (1 + offset)), name
        assert result["separation"][layer] == pytest.approx(separation(p, n), rel=1e-4)
        assert result["content_separation"][layer] == pytest.approx(separation(cp, cn), rel=1e-4)


@pytest.mark.parametrize("levels", [2, 5, 1000])
def test_areas_equal_sklearn(ask, rng, levels):
    """Few levels: most comparisons are ties."""
    positive, negative = (rng.integers(0, levels, n).astype(np.float32) for n in (83, 131))
    classes = [1] * 83 + [0] * 131
    expected = metrics.roc_auc_score(classes, np.concatenate([positive, negative]))
    assert ask("auc", {"positive": positive, "negative": negative}) == pytest.approx(expected, abs=1e-12)


def planted(rng, pairs, hidden, noise, topic):
    """An offset of one along a direction, noise of that size in every component of both voices, a topic that both have."""
    direction = rng.standard_normal(hidden)
    direction /= np.linalg.norm(direction)
    shared = topic * rng.standard_normal((pairs, 1, hidden))
    negative, positive = (shared + noise * rng.standard_normal((pairs, 1, hidden)) for _ in range(2))
    return direction, (positive + direction).astype(np.float32), negative.astype(np.float32)


@pytest.mark.parametrize("method", METHODS)
def test_a_planted_direction_is_recovered(extract, rng, method):
    """Expected of the noise alone: cos = 1 / sqrt(1 + 2 s^2 (H - 1) / (N a^2)), 0.993 here. Centred PCA looks at how the
    differences differ and takes away what they have in common: it must not find it. (A probe spends some of its pairs on
    telling them apart exactly: at a noise of 0.2 it is at 0.973 where the mean difference is at 0.985.)"""
    pairs, hidden, noise = 250, 64, 0.15
    direction, positive, negative = planted(rng, pairs, hidden, noise, topic=0.05)
    result = extract(positive, negative, np.arange(pairs), 0.2, 0, METHODS[method])
    row = result["rows"][0]
    expected = 1 / np.sqrt(1 + 2 * noise**2 * (hidden - 1) / result["train_pairs"])
    assert expected > 0.98
    found = cosine(values(row), direction)
    assert found < 0.5 if method == "centred PCA" else found > 0.98
    if method == "mean difference":
        assert found == pytest.approx(expected, abs=0.006)
        # Two halves share no noise: each has twice the whole's.
        assert row["split_half_cosine"] == pytest.approx(1 / (1 + 4 * noise**2 * (hidden - 1) / result["train_pairs"]), abs=0.02)


def test_a_probe_is_no_row_to_write_with(extract, rng):
    """One voice is loud in a few components that tell little: a probe turns away from them, the mean difference does not."""
    pairs, hidden = 300, 32
    direction, positive, negative = planted(rng, pairs, hidden, 0.2, topic=0.0)
    for states in (positive, negative):
        states[:, 0, :4] += 3 * rng.standard_normal((pairs, 4))
    rows = {name: values(extract(positive, negative, np.arange(pairs), 0.0, 0, METHODS[name])["rows"][0])
            for name in ("mean difference", "probe")}
    loud = {name: np.linalg.norm(row[:4]) / np.linalg.norm(row) for name, row in rows.items()}
    assert loud["probe"] < 0.5 * loud["mean difference"]
