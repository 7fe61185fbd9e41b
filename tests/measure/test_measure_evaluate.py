import dataclasses
import io

import ir_measures
import msgspec
import numpy as np
import pyarrow as pa
import pytest
import scipy.stats
import sklearn.metrics
from ir_measures import P, nDCG
from rich.console import Console

from limbeck import settings
from limbeck.errors import InputError
from limbeck.measure import evaluate, trec
from limbeck.measure.evaluation import Evaluation
from limbeck.measure.sample import canonical_order, from_truth, median_level
from limbeck.measure.scores import METRICS
from limbeck.relevance import expected_level, from_columns

MEASURE = settings.Measure(baseline="poor", bootstrap=60)


@pytest.fixture(scope="module")
def evaluation(labelled):
    return evaluate.evaluate(*labelled, MEASURE, seed=0)


def test_the_true_level_is_the_raters_median():
    raters = [[3], [2, 5, 5], [1, 2], [2, 4], [1, 1, 4, 5], [3, 4], [1, 2, 3, 3], [1, 1, 2, 5]]
    counts = np.asarray([np.bincount(r, minlength=6)[1:] for r in raters], float)
    # halves: 1.5 → 1 (mean on it), 2.5 → 3 (mean 2.75), 3.5 → 3, 2.5 → 2 (mean 2.25), 1.5 → 2 (mean 2.25)
    assert median_level(counts).tolist() == [3, 5, 1, 3, 3, 3, 2, 2]
    assert median_level(counts / counts.sum(1, keepdims=True)).tolist() == median_level(counts).tolist()


def test_values_agree_with_independent_oracles(labelled, evaluation):
    grades, truth = labelled
    sample = from_truth(truth.take(pa.array(canonical_order(truth))))
    level = np.empty(len(sample), int)
    level[canonical_order(truth)] = sample.level
    for name, distribution in grades.items():
        found = {m: e.value for m, e in evaluation.grader(name).metrics.items()}
        predicted, score = distribution.argmax(1) + 1, expected_level(distribution)
        exact = distribution / distribution.sum(1, keepdims=True, dtype=float)
        assert found["accuracy"] == pytest.approx(sklearn.metrics.accuracy_score(level, predicted))
        assert found["macro_f1"] == pytest.approx(sklearn.metrics.f1_score(level, predicted, average="macro"))
        kappa = sklearn.metrics.cohen_kappa_score(level, predicted, weights="quadratic")
        assert found["kappa"] == pytest.approx(kappa)
        for cut in (3, 4, 5):
            want = sklearn.metrics.roc_auc_score(level >= cut, exact[:, cut - 1 :].sum(1))
            assert found[f"auroc_{cut}"] == pytest.approx(want, abs=1e-5)
        want = sklearn.metrics.log_loss(level, exact, labels=[1, 2, 3, 4, 5])
        assert found["log_loss"] == pytest.approx(want, abs=1e-5)
        mean = np.round(expected_level(from_columns(truth)), 4)  # thirds in float32 do not tie
        assert found["spearman"] == pytest.approx(scipy.stats.spearmanr(score, mean).statistic, abs=1e-5)


def test_ranking_metrics_agree_with_ir_measures(tmp_path, labelled, evaluation):
    grades, truth = labelled
    trec.write(tmp_path, grades, truth)
    qrels = list(ir_measures.read_trec_qrels(str(tmp_path / "qrels.txt")))
    gainful = {q.query_id for q in qrels if q.relevance > 0}
    for name in grades:
        run = list(ir_measures.read_trec_run(str(tmp_path / f"run-{name}.txt")))
        ndcg = [m.value for m in ir_measures.iter_calc([nDCG @ 20], qrels, run) if m.query_id in gainful]
        precision = ir_measures.calc_aggregate([P(rel=3) @ 8], qrels, run)[P(rel=3) @ 8]
        assert evaluation.grader(name).metrics["ndcg@20"].value == pytest.approx(np.mean(ndcg))
        assert evaluation.grader(name).metrics["p@8"].value == pytest.approx(precision)
    assert evaluation.ranked_queries == len(gainful)


def test_a_perfect_grader_gets_the_best_of_everything(labelled):
    _, truth = labelled
    one_rater = truth.filter(pa.compute.equal(truth.column("raters"), 1))
    perfect = from_columns(one_rater)
    grades = {"perfect": perfect, "reverse": perfect[:, ::-1].copy()}
    found = evaluate.evaluate(grades, one_rater, settings.Measure(baseline="reverse", bootstrap=30), seed=0).grader(
        "perfect"
    )
    for name, metric in METRICS.items():
        if name != "p@8":  # bounded by how many relevant Pins there are
            estimate, best = found.metrics[name], float(metric.higher_is_better)
            assert (estimate.value, estimate.low, estimate.high) == pytest.approx((best, best, best), abs=1e-6)
    assert found.against_baseline["kappa"].p_holm < 0.05


def test_the_order_of_rows_changes_nothing(labelled, evaluation):
    grades, truth = labelled
    order = np.random.default_rng(3).permutation(truth.num_rows)
    shuffled = evaluate.evaluate({n: g[order] for n, g in grades.items()}, truth.take(pa.array(order)), MEASURE, seed=0)
    assert shuffled == evaluation


def test_the_stronger_grader_leads_and_beats_the_baseline(evaluation):
    assert evaluation.lead.leader == "good"
    assert evaluation.lead.runner_up == "fair"
    assert evaluation.baseline == "poor"
    assert evaluation.grader("poor").against_baseline == {}
    for comparison in evaluation.grader("good").against_baseline.values():
        assert comparison.p <= comparison.p_holm
    spearman = evaluation.grader("good").against_baseline["spearman"]
    assert spearman.p_holm < 0.001
    assert spearman.difference.low > 0


def test_every_interval_holds_its_value(evaluation):
    for result in evaluation.graders:
        for estimate in result.metrics.values():
            assert estimate.low <= estimate.value <= estimate.high


def test_segments_partition_the_pairs(labelled, evaluation):
    names = {d: [s.name for s in evaluation.segments if s.dimension == d] for d in ("language", "country", "frequency")}
    assert sorted(names["language"]) == ["de", "en", "es"]
    assert names["frequency"] == ["head", "torso", "tail", "unseen"]
    assert names["country"] == []  # all unknown: nothing to compare
    for dimension in ("language", "frequency"):
        assert sum(s.pairs for s in evaluation.segments if s.dimension == dimension) == evaluation.pairs
    english = pa.compute.equal(labelled[1].column("language"), "en")
    part = {n: g[english.to_numpy()] for n, g in labelled[0].items()}
    alone = evaluate.evaluate(part, labelled[1].filter(english), MEASURE, seed=0)
    (segment,) = [s for s in evaluation.segments if s.name == "en"]
    assert segment.metrics["good"]["spearman"] == alone.grader("good").metrics["spearman"]


def test_the_confusion_matrix_and_the_reliability_bins_count_every_pair(evaluation):
    for result in evaluation.graders:
        assert np.sum(result.confusion) == sum(b.pairs for b in result.reliability) == evaluation.pairs
        assert np.sum(result.confusion, axis=1).tolist() == evaluation.levels


def test_the_human_ceiling_by_hand():
    shares = {"p1": [0.0, 0.0], "p2": [1 / 3, 0.0], "p3": [0.0, 0.5], "p4": [0.0, 0.5], "p5": [2 / 3, 0.0]}
    columns = {"query": ["a", "b"], "pin_id": ["x", "y"], "language": ["en", "en"], "country": ["US", "US"]}
    truth = pa.table(columns | {"raters": [3, 2]} | {k: pa.array(v, pa.float32()) for k, v in shares.items()})
    fives = np.tile(np.asarray([0, 0, 0, 0, 1], np.float32), (2, 1))
    found = evaluate.evaluate({"poor": fives}, truth, MEASURE, seed=0).ceiling
    # raters 2, 5, 5: others' medians 5, 3 (of 2 and 5: 3.5, down), 3; raters 3, 4: others 4, 3
    assert found.rater["accuracy"].value == 0
    assert found.rater["off_by_one"].value == pytest.approx(2 / 5)
    assert found.graders["poor"]["accuracy"].value == pytest.approx(1 / 5)
    assert found.raters_per_pair == 2.5


def test_single_raters_have_no_ceiling(labelled):
    grades, truth = labelled
    alone = pa.compute.equal(truth.column("raters"), 1)
    part = {n: g[alone.to_numpy()] for n, g in grades.items()}
    assert evaluate.evaluate(part, truth.filter(alone), MEASURE, seed=0).ceiling is None


def test_one_query_gives_values_without_intervals(labelled):
    grades, truth = labelled
    one = pa.compute.equal(truth.column("query"), truth.column("query")[0])
    found = evaluate.evaluate({n: g[one.to_numpy()] for n, g in grades.items()}, truth.filter(one), MEASURE, seed=0)
    accuracy = found.grader("good").metrics["accuracy"]
    assert accuracy.value is not None
    assert accuracy.low is None
    assert found.grader("good").against_baseline["accuracy"].p is None


def test_without_resamples_there_are_values_only(labelled, evaluation):
    found = evaluate.evaluate(*labelled, dataclasses.replace(MEASURE, bootstrap=0), seed=0)
    for quick, full in zip(found.graders, evaluation.graders):
        assert {m: e.value for m, e in quick.metrics.items()} == {m: e.value for m, e in full.metrics.items()}
        assert all(e.low is None for e in quick.metrics.values())
    assert found.ceiling.rater["kappa"] == dataclasses.replace(evaluation.ceiling.rater["kappa"], low=None, high=None)


def test_an_evaluation_survives_json(evaluation):
    assert msgspec.json.decode(msgspec.json.encode(evaluation), type=Evaluation) == evaluation


def test_an_unknown_baseline_and_an_empty_table_are_refused(labelled):
    grades, truth = labelled
    with pytest.raises(InputError, match="The graders are good, fair, poor"):
        evaluate.evaluate(grades, truth, dataclasses.replace(MEASURE, baseline="pour"), seed=0)
    with pytest.raises(InputError, match="no held-out judgments"):
        evaluate.evaluate({"poor": np.zeros((0, 5))}, truth.slice(0, 0), MEASURE, seed=0)
    with pytest.raises(ValueError, match="shape"):
        evaluate.evaluate({"poor": grades["poor"][:-1]}, truth, MEASURE, seed=0)
    with pytest.raises(ValueError, match="not probabilities"):
        evaluate.evaluate({"poor": grades["poor"] * 2}, truth, MEASURE, seed=0)


def test_worst_mistakes_are_confident_and_far_off(labelled):
    grades, truth = labelled
    found = evaluate.worst(grades, truth, "poor", 5)
    assert len(found) == 5
    assert [m.severity for m in found] == sorted((m.severity for m in found), reverse=True)
    rows = list(zip(truth.column("query").to_pylist(), truth.column("pin_id").to_pylist()))
    for mistake in found:
        given = grades["poor"][rows.index((mistake.query, mistake.pin_id))]
        assert mistake.distribution == tuple(map(float, given))
        assert mistake.severity == pytest.approx(abs(mistake.expected - mistake.level) * given.max(), abs=1e-5)
    everything = evaluate.worst(grades, truth, "poor", 10**6)
    assert len(everything) == truth.num_rows


def test_the_terminal_table_names_every_grader(evaluation):
    out = io.StringIO()
    Console(file=out, width=140).print(evaluate.summary_table(evaluation))
    text = out.getvalue()
    assert text.index("good") < text.index("fair") < text.index("poor (baseline)")
    assert "nDCG@20" in text


def test_trec_files_hold_ids_of_any_kind(tmp_path):
    columns = {
        "query": ["café\tau lait", "a b"],
        "pin_id": ["pin 1", "图\n2"],
        "language": [None] * 2,
        "country": [None] * 2,
    }
    shares = {f"p{i}": pa.array([float(i == 4)] * 2, pa.float32()) for i in range(1, 6)}
    truth = pa.table(columns | {"raters": [1, 1]} | shares)
    trec.write(tmp_path, {"text match": np.full((2, 5), 0.2, np.float32)}, truth)
    qrels = list(ir_measures.read_trec_qrels(str(tmp_path / "qrels.txt")))
    assert [(q.query_id, q.doc_id, q.relevance) for q in qrels] == [("1", "%E5%9B%BE%0A2", 3), ("2", "pin%201", 3)]
    run = list(ir_measures.read_trec_run(str(tmp_path / "run-text-match.txt")))
    assert ir_measures.calc_aggregate([nDCG @ 20], qrels, run)[nDCG @ 20] == 1
    assert (tmp_path / "queries.tsv").read_text(encoding="utf-8") == "1\ta b\n2\tcafé au lait\n"
