"""How a classifier learns: from shares, as a text may be of several classes, of each to some part."""

from collections.abc import Mapping

import numpy as np
import torch
from scipy.sparse import csr_array, vstack
from torch import nn

from limbeck.signals.classifier import Accuracy, Classifier
from limbeck.signals.sage import unit

STEPS, BATCH, RATE, DECAY = 600, 512, 0.05, 1e-3
MOST = 100_000  # texts of a side that are learnt from
HELD_OUT = 0.1  # of those, which are measured on instead
Side = tuple[np.ndarray, csr_array]  # texts: their untuned vectors (n, d), and what is known of their classes (n, k)


def fit(base: np.ndarray, shares: csr_array, seed: int) -> Classifier:
    """Learn from untuned vectors (n, d) and each one's shares (n, k), which sum to one."""
    random = np.random.default_rng(seed)
    model = nn.Linear(base.shape[1], shares.shape[1])
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for _ in range(STEPS if len(base) else 0):
        drawn = random.integers(len(base), size=BATCH)
        logits = model(torch.from_numpy(unit(base[drawn])))
        loss = nn.functional.cross_entropy(logits, torch.from_numpy(shares[drawn].toarray().astype(np.float32)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return Classifier(model.weight.detach().numpy().copy(), model.bias.detach().numpy().copy())


def learn(sides: Mapping[str, Side], seed: int) -> tuple[Classifier, dict[str, Accuracy]]:
    """Learn from all texts of all sides of which something is known, but for some that are held out to measure by."""
    random = np.random.default_rng(seed)
    lessons, kept = [], {}
    for name, (base, known) in sides.items():
        rows = np.flatnonzero(known.sum(axis=1))
        rows = np.sort(random.permutation(rows)[:MOST])
        held = random.random(len(rows)) < HELD_OUT
        lessons.append((base[rows[~held]], known[rows[~held]]))
        kept[name] = (base[rows[held]], known[rows[held]])
    shares = csr_array(vstack([known for _, known in lessons]))
    model = fit(np.concatenate([base for base, _ in lessons]), shares, seed)
    commonest = int(shares.sum(axis=0).argmax())
    return model, {name: _accuracy(model, base, known.toarray(), commonest) for name, (base, known) in kept.items()}


def _accuracy(model: Classifier, base: np.ndarray, known: np.ndarray, commonest: int) -> Accuracy:
    """A class is right if a text has no other class of a larger share."""
    if not len(base):
        return Accuracy(0, None, None)
    best = known.max(axis=1)
    found = model.probabilities(base).argmax(axis=1)
    right, common = (known[np.arange(len(base)), found] >= best).mean(), (known[:, commonest] >= best).mean()
    return Accuracy(len(base), float(right), float(common))
