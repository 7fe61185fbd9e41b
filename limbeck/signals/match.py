"""Match features of one query and many Pins, in one pass over the Pins' terms.

Per field and over all fields together: BM25 (Robertson and Zaragoza 2009; k1 = 1.2, b = 0.75), the share of the query's
terms found, plain and weighted by rarity, the longest run of query terms in order, and the share of neighbouring
query terms that stand together. Over the title: the last query term (often the thing asked for), numbers, how much of
the title the query covers, equality, and how alike the closest title term is to each query term (for typos).
"""

from dataclasses import dataclass

import numba
import numpy as np

FIELDS = (
    "title",
    "description",
    "caption",
    "board_titles",
    "engaged_queries",
    "link_title",
    "link_description",
)
PER_FIELD = ("bm25", "share", "rarity_share", "phrase", "neighbours")
TITLE = ("last_term", "numbers", "numbers_missing", "coverage", "equal", "closest_mean", "closest_least")
QUERY = ("terms", "rarity", "unknown_terms")
NAMES = (
    *(f"{field}.{name}" for field in (*FIELDS, "all") for name in PER_FIELD[: 5 if field != "all" else 3]),
    *(f"title.{name}" for name in TITLE),
    *(f"{field}.length" for field in FIELDS),
    *(f"query.{name}" for name in QUERY),
)
K1, B = 1.2, 0.75
MOST_TERMS = 32  # of a query; more are ignored
_MEMO = 8_192  # slots in which the likeness of terms is remembered within one query


@dataclass(frozen=True)
class Terms:
    """Terms of many Pins: `tokens[field_offsets[p, f]:field_offsets[p, f + 1]]` are those of Pin p's field f."""

    tokens: np.ndarray  # int32
    offsets: np.ndarray  # int64 (pins, fields + 1)
    gram_offsets: np.ndarray  # int64 (terms + 1,): the character trigrams of each term
    grams: np.ndarray  # int32


@dataclass(frozen=True)
class Query:
    """A query in the same numbering of terms; −1 for a term that no Pin has."""

    terms: np.ndarray  # int32 (m,)
    rarity: np.ndarray  # float32 (m,): inverse document frequency
    numbers: np.ndarray  # bool (m,)
    gram_offsets: np.ndarray  # int64 (m + 1,)
    grams: np.ndarray  # int32


def features(query: Query, pins: Terms, rows: np.ndarray, mean_lengths: np.ndarray) -> np.ndarray:
    """Features of a query and the Pins `rows` (−1: an unknown Pin, without any text), float32 (n, f)."""
    out = np.zeros((len(rows), len(NAMES)), dtype=np.float32)
    if len(query.terms):
        q, p = query, pins
        _features(
            (q.terms, q.rarity, q.numbers, q.gram_offsets, q.grams),
            (p.tokens, p.offsets, p.gram_offsets, p.grams),
            np.ascontiguousarray(rows, dtype=np.int64),
            mean_lengths,
            out,
        )
    return out


@numba.njit(cache=True, nogil=True)
def _features(query, pins, rows, mean_lengths, out):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    terms, rarity = query[0], query[1]
    tokens, offsets = pins[0], pins[1]
    m, fields = len(terms), len(mean_lengths) - 1
    counts = np.zeros((fields + 1, m), dtype=np.int32)
    memo_key = np.full((m, _MEMO), -1, dtype=np.int32)
    memo = np.zeros((m, _MEMO), dtype=np.float32)
    rare = np.float32(0)
    unknown = np.float32(0)
    for j in range(m):
        rare += rarity[j]
        unknown += terms[j] < 0
    for i in range(len(rows)):
        line = out[i]
        last = len(line)
        line[last - 3], line[last - 2], line[last - 1] = m, rare, unknown / m
        row = rows[i]
        if row < 0:
            continue
        counts[:] = 0
        at = 0
        length_all = 0
        for f in range(fields):
            begin, end = offsets[row, f], offsets[row, f + 1]
            length_all += end - begin
            if end > begin:
                run, together = _count(terms, tokens, begin, end, counts[f])
                for j in range(m):
                    counts[fields, j] += counts[f, j]
                _summary(counts[f], rarity, rare, end - begin, mean_lengths[f], line, at)
                line[at + 3] = run / np.float32(m)
                line[at + 4] = together / np.float32(m - 1) if m > 1 else line[at + 1]
            at += 5
        if length_all:
            _summary(counts[fields], rarity, rare, length_all, mean_lengths[fields], line, at)
        at += 3
        _title(query, pins, row, counts[0], memo_key, memo, line, at)
        at += 7
        for f in range(fields):
            line[at + f] = np.log1p(np.float32(offsets[row, f + 1] - offsets[row, f]))


@numba.njit(cache=True, nogil=True)
def _count(terms, tokens, begin, end, counts):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Count each query term; return the longest run of consecutive query terms and how many neighbours stand so."""
    m = len(terms)
    longest, together, seen = 0, 0, np.uint64(0)
    for t in range(begin, end):
        for j in range(m):
            if tokens[t] != terms[j]:
                continue
            counts[j] += 1
            run = 1
            while j + run < m and t + run < end and tokens[t + run] == terms[j + run]:
                run += 1
            longest = max(longest, run)
            if run > 1 and not (seen >> np.uint64(j)) & np.uint64(1):
                seen |= np.uint64(1) << np.uint64(j)
                together += 1
    return longest, together


@numba.njit(cache=True, nogil=True)
def _summary(counts, rarity, rare, length, mean_length, line, at):  # type: ignore[no-untyped-def]  # pragma: no cover
    """BM25, share of terms found, and that share weighted by rarity, of one field."""
    norm = np.float32(K1) * (np.float32(1 - B) + np.float32(B) * np.float32(length) / mean_length)
    score, found, weight = np.float32(0), np.float32(0), np.float32(0)
    for j in range(len(counts)):
        if counts[j]:
            score += rarity[j] * np.float32(counts[j]) * np.float32(K1 + 1) / (np.float32(counts[j]) + norm)
            found += 1
            weight += rarity[j]
    line[at], line[at + 1], line[at + 2] = score, found / len(counts), weight / rare


@numba.njit(cache=True, nogil=True)
def _title(query, pins, row, counts, memo_key, memo, line, at):  # type: ignore[no-untyped-def]  # pragma: no cover
    terms, numbers = query[0], query[2]
    tokens, offsets = pins[0], pins[1]
    begin, end, m = offsets[row, 0], offsets[row, 1], len(terms)
    asked, got, total, least, covered = 0, 0, np.float32(0), np.float32(1), 0
    for j in range(m):
        best = np.float32(1) if counts[j] else np.float32(0)
        if numbers[j]:
            asked += 1
            got += counts[j] > 0
        if not counts[j]:
            for t in range(begin, end):
                best = max(best, _alike(query, pins, j, tokens[t], memo_key, memo))
        total += best
        least = min(least, best)
    for t in range(begin, end):
        for j in range(m):
            if tokens[t] == terms[j]:
                covered += 1
                break
    line[at] = counts[m - 1] > 0
    line[at + 1] = got / np.float32(asked) if asked else np.float32(0)
    line[at + 2] = asked - got
    line[at + 3] = covered / np.float32(end - begin) if end > begin else np.float32(0)
    equal = end - begin == m
    if equal:
        for j in range(m):
            equal = equal and tokens[begin + j] == terms[j]
    line[at + 4] = equal
    line[at + 5] = total / np.float32(m)
    line[at + 6] = least


@numba.njit(cache=True, nogil=True)
def _alike(query, pins, j, token, memo_key, memo):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Dice coefficient of the character trigrams of query term j and a term, remembered within the query."""
    slot = token % _MEMO
    if memo_key[j, slot] == token:
        return memo[j, slot]
    a, a_end = query[3][j], query[3][j + 1]
    b, b_end = pins[2][token], pins[2][token + 1]
    size, common = np.float32(a_end - a + b_end - b), 0
    while a < a_end and b < b_end:
        if query[4][a] == pins[3][b]:
            common += 1
            a += 1
            b += 1
        elif query[4][a] < pins[3][b]:
            a += 1
        else:
            b += 1
    memo_key[j, slot] = token
    memo[j, slot] = np.float32(2 * common) / size if size else np.float32(0)
    return memo[j, slot]
