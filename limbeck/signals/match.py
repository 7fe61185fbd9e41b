"""Match features of queries and Pins, in one pass over the Pins' terms.

Per field and over all fields together: BM25 (Robertson and Zaragoza 2009; k1 = 1.2, b = 0.75), the share of the query's
terms found, plain and weighted by rarity, the longest run of query terms in order, and the share of neighbouring
query terms that stand together. Over the title: the last query term (often the thing asked for), numbers, how much of
the title the query covers, equality, where query terms stand, and how alike the closest title term is to each query
term (for typos).

A query term is found where it stands, where it is written as one with its neighbour ("fence panel", "fencepanel"), and
where it is written as two.
"""

from typing import NamedTuple

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
ALL = PER_FIELD[:3]
TITLE = (
    "last_term",
    "numbers",
    "numbers_missing",
    "coverage",
    "equal",
    "closest_mean",
    "closest_least",
    "closest_rarity",
    "first_found",
    "last_found",
)
QUERY = ("terms", "rarity", "unknown_terms")
NAMES = (
    *(f"{field}.{name}" for field in FIELDS for name in PER_FIELD),
    *(f"all.{name}" for name in ALL),
    "all.closest_unknown",
    *(f"title.{name}" for name in TITLE),
    *(f"{field}.length" for field in FIELDS),
    *(f"query.{name}" for name in QUERY),
)
FAMILIES = {  # as settings.FAMILIES names them: kinds, then fields
    "bm25": tuple(name for name in NAMES if name.endswith(".bm25")),
    "shares": tuple(name for name in NAMES if name.endswith(("share", ".closest_unknown"))),
    "phrases": tuple(name for name in NAMES if name.endswith((".phrase", ".neighbours"))),
    "title_words": tuple(f"title.{name}" for name in TITLE),
    "lengths": tuple(name for name in NAMES if name.endswith(".length") or name.startswith("query.")),
    **{field: tuple(name for name in NAMES if name.startswith(f"{field}.")) for field in (*FIELDS, "all")},
}
K1, B = 1.2, 0.75
MOST_TERMS = 32  # of a query; more are ignored
LEAST_ALIKE = 0.3  # spellings that share less are not alike at all: any two words share something
APART = 1 << 30  # a bit of tokens, see Terms
_SLOTS = 256  # that terms fall into, by number; a power of two

_ALL = len(FIELDS) * len(PER_FIELD)
_TITLE = _ALL + len(ALL) + 1
_LENGTHS = _TITLE + len(TITLE)
_QUERY = _LENGTHS + len(FIELDS)


class Terms(NamedTuple):
    """Terms of many Pins: `tokens[offsets[p, f]:offsets[p, f + 1]]` are those of Pin p's field f.

    The first term of a text, and of each entry of a list, has the bit APART set: no phrase spans two entries.
    """

    tokens: np.ndarray  # int32
    offsets: np.ndarray  # int64 (pins, fields + 1)
    gram_offsets: np.ndarray  # of each term, as in `grams.Grams`
    grams: np.ndarray
    signatures: np.ndarray


WORD = np.dtype(
    [
        ("term", np.int32),
        ("glued", np.int32),  # the word and the next one, written as one
        ("first", np.int32),  # the two words that this one is made of
        ("second", np.int32),
        ("rarity", np.float32),  # inverse document frequency
        ("known", np.bool_),  # whether any Pin of the index has the term
        ("number", np.bool_),
        ("grams", np.int64),  # where its trigrams begin and end
        ("grams_end", np.int64),
        ("signature", np.uint64),
    ]
)


class Queries(NamedTuple):
    """Terms of queries, one after another, in the Pins' numbering; −1 for what no Pin has."""

    begins: np.ndarray  # int64 (queries + 1,)
    words: np.ndarray  # WORD (m,)
    grams: np.ndarray


def features(
    queries: Queries, pins: Terms, mean_lengths: np.ndarray, rows: np.ndarray, begins: np.ndarray
) -> np.ndarray:
    """Features of query q and each Pin of `rows[begins[q]:begins[q + 1]]`, float32 (rows, f).

    Row −1 is an unknown Pin, without any text. A query without terms has no features: its rows are zeros.
    """
    out = np.zeros((len(rows), len(NAMES)), dtype=np.float32)
    _features(queries, pins, mean_lengths, np.ascontiguousarray(rows, dtype=np.int64), begins, out)
    return out


_compiled = numba.njit(cache=True, nogil=True, error_model="numpy")
_inlined = numba.njit(inline="always", error_model="numpy")  # what runs for each term: a call costs more than its work


@_compiled
def _features(queries, pins, mean_lengths, rows, begins, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    counts = np.zeros((len(mean_lengths), MOST_TERMS), dtype=np.int32)
    slots = np.zeros(_SLOTS, dtype=np.uint64)
    keys = np.empty((MOST_TERMS, _SLOTS), dtype=np.int32)
    held = queries.grams, keys, np.empty((MOST_TERMS, _SLOTS), dtype=np.float32)
    for q in range(len(begins) - 1):
        words = queries.words[queries.begins[q] : queries.begins[q + 1]]
        m = len(words)
        if m == 0:
            continue
        _mark(words, slots)
        keys[:m] = -1
        rare, unknown = np.float32(0), np.float32(0)
        for j in range(m):
            rare += words[j].rarity
            unknown += not words[j].known
        for i in range(begins[q], begins[q + 1]):
            line = out[i]
            line[_QUERY], line[_QUERY + 1], line[_QUERY + 2] = m, rare, unknown / np.float32(m)
            if rows[i] >= 0:
                bounds = pins.offsets[rows[i]]
                _fields(words, slots, pins.tokens, bounds, counts, line)
                _summaries(words, counts, bounds, mean_lengths, line)
                _title(words, pins.tokens, bounds, counts, line)
                _alike(words, counts, held, pins, bounds, line)


@_compiled
def _mark(words, slots):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Set bit j of the slots of all terms by which word j may be found: the Pins' other terms need not be compared."""
    slots[:] = 0
    for j in range(len(words)):
        for term in (words[j].term, words[j].glued, words[j].first):
            if term >= 0:
                slots[_slot(term)] |= np.uint64(1) << np.uint64(j)


@_inlined
def _slot(term):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    return np.uint32(np.uint32(term) * np.uint32(2654435769)) >> np.uint32(24)  # numba multiplies in 64 bits


@_compiled
def _fields(words, slots, tokens, bounds, counts, line):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Count terms by field; phrases."""
    m, last_field = np.float32(len(words)), len(bounds) - 1
    counts[:, : len(words)] = 0
    for f in range(last_field):
        begin, end = bounds[f], bounds[f + 1]
        if begin == end:
            continue
        run, together, covered, first, after = _count(words, slots, tokens, bounds, f, counts)
        if run:
            for j in range(len(words)):
                counts[last_field, j] += counts[f, j]
            at = f * len(PER_FIELD)
            line[at + 3] = run / m
            line[at + 4] = together / (m - 1) if m > 1 else np.float32(1)
            if f == 0:
                length = np.float32(end - begin)
                line[_TITLE + 3] = covered / length
                line[_TITLE + 8], line[_TITLE + 9] = 1 - (first - begin) / length, (after - begin) / length


@_compiled
def _count(words, slots, tokens, bounds, f, counts):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Count each query term.

    Returns the longest run of consecutive query terms, how many of them stand before their neighbour, how many of the
    field's terms are query terms, where the first one is, and what is after the last one.
    """
    m, begin, end = len(words), bounds[f], bounds[f + 1]
    longest, together, seen, covered, first, after = 0, 0, np.uint64(0), 0, end, begin
    for t in range(begin, end):
        token = tokens[t] & ~APART
        candidates = slots[_slot(token)]
        while candidates:
            j = _lowest(candidates)
            candidates &= candidates - np.uint64(1)
            taken, read = _step(words[j], token, tokens, t + 1, end)
            if not taken:
                continue
            for k in range(j, j + taken):
                counts[f, k] += 1
            first = min(first, t)
            covered += max(0, t + read - max(t, after))
            after = max(after, t + read)
            here, there = j + taken, t + read
            while here < m and there < end and taken:
                taken, read = _step(words[here], tokens[there], tokens, there + 1, end)
                here, there = here + taken, there + read
            longest = max(longest, here - j)
            if here - j > 1 and not (seen >> np.uint64(j)) & np.uint64(1):
                seen |= np.uint64(1) << np.uint64(j)
                together += 1
    return longest, together, covered, first, after


@_inlined
def _step(word, token, tokens, after, end):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """How many query terms from `word` on are found at a token, and in how many tokens: 0 and 0, or 1 or 2 of each."""
    if token == word.term:
        return 1, 1
    if token == word.glued:
        return 2, 1
    if token == word.first and after < end and tokens[after] == word.second:
        return 1, 2
    return 0, 0


@_compiled
def _summaries(words, counts, bounds, mean_lengths, line):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """BM25, share of terms found, and that share weighted by rarity, of each field and all; lengths of fields."""
    last_field, rare = len(bounds) - 1, line[_QUERY + 1]
    for f in range(last_field + 1):
        length = np.float32(bounds[f + 1] - bounds[f] if f < last_field else bounds[f] - bounds[0])
        if length == 0:
            continue
        norm = np.float32(K1) * (np.float32(1 - B) + np.float32(B) * length / mean_lengths[f])
        score, found, weight = np.float32(0), 0, np.float32(0)
        for j in range(len(words)):
            if counts[f, j]:
                count, rarity = np.float32(counts[f, j]), words[j].rarity
                score += rarity * count * np.float32(K1 + 1) / (count + norm)
                found += 1
                weight += rarity
        at = f * len(PER_FIELD)
        line[at], line[at + 1], line[at + 2] = score, found / np.float32(len(words)), weight / rare
        if f < last_field:
            line[_LENGTHS + f] = np.log1p(length)


@_compiled
def _title(words, tokens, bounds, counts, line):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """What is asked of the title but likeness."""
    m, begin, end, at = len(words), bounds[0], bounds[1], _TITLE
    asked, got, equal = 0, 0, end - begin == m
    for j in range(m):
        asked += words[j].number
        got += words[j].number and counts[0, j] > 0
        equal = equal and tokens[begin + j] & ~APART == words[j].term
    line[at] = counts[0, m - 1] > 0
    line[at + 1] = got / np.float32(asked) if asked else np.float32(0)
    line[at + 2] = asked - got
    line[at + 4] = equal


@_compiled
def _alike(words, counts, held, pins, bounds, line):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """How alike the title's closest term is to each query term; the closest of any field, for terms no Pin has."""
    asked, unknown, total, least, weight = 0, np.float32(0), np.float32(0), np.float32(1), np.float32(0)
    for j in range(len(words)):
        best = np.float32(1) if counts[0, j] else _closest(words, j, held, pins, bounds[0], bounds[1])
        total += best
        weight += best * words[j].rarity
        least = min(least, best)
        if not words[j].known:
            asked += 1
            unknown += max(best, _closest(words, j, held, pins, bounds[1], bounds[-1]))
    line[_ALL + 3] = unknown / np.float32(asked) if asked else np.float32(1)
    line[_TITLE + 5], line[_TITLE + 6] = total / np.float32(len(words)), least
    line[_TITLE + 7] = weight / line[_QUERY + 1]


@_compiled
def _closest(words, j, held, pins, begin, end):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Dice coefficient of the trigrams of a query term and those of the closest term; numbers are like no other.

    What was worked out stays in a slot of `held` until another term takes it.
    """
    word, (grams, keys, values), best = words[j], held, np.float32(0)
    if word.number:
        return best
    size = word.grams_end - word.grams
    sharing = size - _ones(word.signature)  # trigrams beyond the first on the same bit
    fewest = (np.float32(LEAST_ALIKE) * size - 2 * sharing) / np.float32(2 - LEAST_ALIKE)  # shared bits that may do
    for t in range(begin, end):
        token = pins.tokens[t] & ~APART
        signature = pins.signatures[token]
        shared = _ones(signature & word.signature)
        if shared <= fewest:
            continue
        most = np.float32(2 * min(shared + sharing, size))
        if most > max(best, np.float32(LEAST_ALIKE)) * np.float32(size + _ones(signature)):
            slot = token & (_SLOTS - 1)
            if keys[j, slot] != token:
                a, b = pins.gram_offsets[token], pins.gram_offsets[token + 1]
                common = _common(grams, word.grams, word.grams_end, pins.grams, a, b)
                keys[j, slot], values[j, slot] = token, np.float32(2 * common) / np.float32(size + b - a)
            alike = values[j, slot]
            if alike > np.float32(LEAST_ALIKE):
                best = max(best, alike)
    return best


@_inlined
def _common(grams, a, a_end, others, b, b_end):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """How many trigrams two terms share, both in ascending order."""
    common = 0
    while a < a_end and b < b_end:
        one, other = grams[a], others[b]
        common += one == other
        a += one <= other
        b += other <= one
    return common


@_inlined
def _lowest(bits):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Which is the lowest bit that is set."""
    return _ones((bits & (~bits + np.uint64(1))) - np.uint64(1))


@_inlined
def _ones(bits):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """How many bits are set."""
    bits -= (bits >> np.uint64(1)) & np.uint64(0x5555555555555555)
    bits = (bits & np.uint64(0x3333333333333333)) + ((bits >> np.uint64(2)) & np.uint64(0x3333333333333333))
    bits = (bits + (bits >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((bits * np.uint64(0x0101010101010101)) >> np.uint64(56))
