"""Match features of queries and Pins, in one pass over the Pins' terms.

Per field and over all fields together: BM25 (Robertson and Zaragoza 2009; k1 = 1.2, b = 0.75), the share of the query's
terms found, plain and weighted by rarity, the longest run of query terms in order, and the share of neighbouring
query terms that stand together. Over the title: the last query term (often the thing asked for), numbers, how much of
the title the query covers, equality, where query terms stand, and how alike the closest title term is to each query
term (for typos).

A query term is found where it stands, where it is written as one with its neighbour ("fence panel", "fencepanel"), and
where it is written as two.
"""

import numpy as np

from limbeck import ahead, compiled
from limbeck.signals.terms import Queries, Terms

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
APART = 1 << 30  # a bit of tokens (terms.py)
_SLOTS = 256  # that terms fall into, by number; a power of two
_SIEVE = 2_048  # words of 32 bits: terms that a query asks for are told from most others by the lower bits of number
_AT_ONCE = 16  # tokens that go through it together
_AHEAD, _FETCHED = 6, 128  # Pins ahead of the one that is read, and how many of their tokens are asked for
_ALIKE = np.dtype([("term", np.int32), ("word", np.int32), ("value", np.float32)])  # how alike; no term: −1
_LOGARITHMS = np.log1p(np.arange(4_096, dtype=np.float32))  # of lengths; longer fields are as long

_ALL = len(FIELDS) * len(PER_FIELD)
_TITLE = _ALL + len(ALL) + 1
_LENGTHS = _TITLE + len(TITLE)
_QUERY = _LENGTHS + len(FIELDS)


def features(
    queries: Queries, pins: Terms, mean_lengths: np.ndarray, rows: np.ndarray, begins: np.ndarray, more: int = 0
) -> np.ndarray:
    """Features of query q and each Pin of `rows[begins[q]:begins[q + 1]]`, float32 (rows, f + more).

    Row −1 is an unknown Pin, without any text. A query without terms has no features: its rows are zeros. So are the
    columns beyond the features, where others may be put.
    """
    out = np.zeros((len(rows), len(NAMES) + more), dtype=np.float32)
    _features(queries, pins, mean_lengths, np.ascontiguousarray(rows, dtype=np.int64), begins, out)
    return out


@compiled.making
def _features(queries, pins, mean_lengths, rows, begins, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    counts, best = np.zeros((len(mean_lengths), MOST_TERMS), dtype=np.int32), np.zeros(MOST_TERMS, dtype=np.float32)
    slots, shared = np.zeros(_SLOTS, dtype=np.uint64), np.zeros(len(pins.gram_sizes), dtype=np.uint8)
    hits = np.empty(_longest(pins.offsets, rows), dtype=np.int64)
    for q in range(len(begins) - 1):
        words = queries.words[queries.begins[q] : queries.begins[q + 1]]
        if len(words):
            sieve = np.zeros(_SIEVE, np.uint32)
            asked = _mark(words, slots, sieve)
            alike = _likeness(words, asked[0], queries.grams, pins, shared, sieve)
            told = words, slots, sieve, asked, alike, mean_lengths
            _of_query(told, pins.tokens, pins.offsets, rows, begins[q], begins[q + 1], (hits, counts, best), out)


@compiled.within
def _of_query(told, tokens, offsets, rows, begin, end, room, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    words, slots, sieve, asked, alike, mean_lengths = told
    hits, counts, best = room
    m, rare, unknown = len(words), np.float32(0), np.float32(0)
    for j in range(m):
        rare += words[j].rarity
        unknown += not words[j].known
    for i in range(begin, end):
        if i + _AHEAD < len(rows) and rows[i + _AHEAD] >= 0:
            _fetch(tokens, offsets, rows[i + _AHEAD])
        line = out[i]
        line[_QUERY], line[_QUERY + 1], line[_QUERY + 2] = m, rare, unknown / np.float32(m)
        if rows[i] >= 0:
            bounds = offsets[rows[i]]
            last = _sieved(sieve, tokens, bounds[0], bounds[-1], hits)
            found = _fields(words, slots, hits, last, tokens, bounds, counts, line)
            _summaries(words, counts, found, bounds, mean_lengths, line)
            _title(words, tokens, bounds, counts, line)
            _alike(words, asked, counts, alike, hits, last, tokens, bounds[1], best, line)
            _forget(words, found, counts)


@compiled.within
def _fetch(tokens, offsets, row):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Have a Pin's tokens brought near, a few lines of them at most: the rest follows by itself."""
    begin, end = offsets[row, 0], min(offsets[row, offsets.shape[1] - 1], offsets[row, 0] + _FETCHED)
    for t in range(begin, end, ahead.LINE // 4):
        ahead.fetch(tokens.ctypes.data + 4 * t)


@compiled.kernel
def _longest(offsets, rows):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The terms of the Pin that has the most."""
    most = 0
    for row in rows:
        if row >= 0:
            most = max(most, offsets[row, -1] - offsets[row, 0])
    return most


@compiled.kernel
def _mark(words, slots, sieve):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Let all terms by which a word may be found through the sieve, and set bit j of the slots of those of word j.

    Returns the bits of the words that terms may be like, which numbers are not, and of those that no Pin has.
    """
    slots[:] = 0
    spelled, unknown = np.uint64(0), np.uint64(0)
    for j in range(len(words)):
        bit = np.uint64(1) << np.uint64(j)
        for term in (words[j].term, words[j].glued, words[j].first):
            if term >= 0:
                slots[_slot(term)] |= bit
                _let_through(sieve, term)
        spelled |= np.uint64(0) if words[j].number else bit
        unknown |= np.uint64(0) if words[j].known else bit
    return spelled, unknown


@compiled.within
def _slot(term):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    return np.uint32(np.uint32(term) * np.uint32(2654435769)) >> np.uint32(24)  # numba multiplies in 64 bits


@compiled.within
def _let_through(sieve, term):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    low = np.uint32(term)
    sieve[(low >> np.uint32(5)) & np.uint32(_SIEVE - 1)] |= np.uint32(1) << (low & np.uint32(31))


@compiled.within
def _passes(sieve, token):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """1 for tokens of all terms that were let through, and of few others; 0 for the rest."""
    low = np.uint32(token)  # without APART, which is above what the sieve looks at
    return (sieve[(low >> np.uint32(5)) & np.uint32(_SIEVE - 1)] >> (low & np.uint32(31))) & np.uint32(1)


@compiled.within
def _sieved(sieve, tokens, begin, end, hits):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Where tokens stand that the query may ask for, in order; returns how many. Of most stretches no token passes."""
    count, last = 0, max(0, len(tokens) - _AT_ONCE)
    for first in range(begin, end, _AT_ONCE):
        some, start = np.uint32(0), np.uint64(min(first, last))
        for k in range(min(_AT_ONCE, len(tokens))):
            some |= _passes(sieve, tokens[start + np.uint64(k)])
        if some:
            for t in range(first, min(first + _AT_ONCE, end)):
                hits[count] = t
                count += np.int64(_passes(sieve, tokens[t]))
    return count


@compiled.within
def _fields(words, slots, hits, last, tokens, bounds, counts, line):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Count terms by field, in `counts` of zeros; phrases. Returns the bits of the fields that have any."""
    m, last_field, found, here, f = np.float32(len(words)), len(bounds) - 1, 0, 0, 0
    while here < last:
        while hits[here] >= bounds[f + 1]:
            f += 1
        begin, end, from_here = bounds[f], bounds[f + 1], here
        while here < last and hits[here] < end:
            here += 1
        run, together, covered, first, after = _count(words, slots, tokens, hits, from_here, here, end, counts[f])
        if run:
            found |= 1 << f | 1 << last_field
            for j in range(len(words)):
                counts[last_field, j] += counts[f, j]
            at = f * len(PER_FIELD)
            line[at + 3] = run / m
            line[at + 4] = together / (m - 1) if m > 1 else np.float32(1)
            if f == 0:
                length = np.float32(end - begin)
                line[_TITLE + 3] = covered / length
                line[_TITLE + 8], line[_TITLE + 9] = 1 - (first - begin) / length, (after - begin) / length
    return found


@compiled.within
def _forget(words, fields, counts):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Make the counts of the fields that have any zeros again."""
    for f in range(len(counts)):
        if (fields >> f) & 1:
            for j in range(len(words)):
                counts[f, j] = 0


@compiled.within
def _count(words, slots, tokens, hits, from_hit, to_hit, end, counts):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Count each query term of a field, which has one at some of these hits.

    Returns the longest run of consecutive query terms, how many of them stand before their neighbour, how many of the
    field's terms are query terms, where the first one is, and what is after the last one.
    """
    m = len(words)
    longest, together, seen, covered, first, after = 0, 0, np.uint64(0), 0, end, 0
    for hit in range(from_hit, to_hit):
        t = hits[hit]
        token = tokens[t] & ~APART
        candidates = slots[_slot(token)]
        while candidates:
            j = _lowest(candidates)
            candidates &= candidates - np.uint64(1)
            taken, read = _step(words[j], token, tokens, t + 1, end)
            if not taken:
                continue
            for k in range(j, j + taken):
                counts[k] += 1
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


@compiled.within
def _step(word, token, tokens, after, end):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """How many query terms from `word` on are found at a token, and in how many tokens: 0 and 0, or 1 or 2 of each."""
    if token == word.term:
        return 1, 1
    if token == word.glued:
        return 2, 1
    if token == word.first and after < end and tokens[after] == word.second:
        return 1, 2
    return 0, 0


@compiled.within
def _summaries(words, counts, fields, bounds, mean_lengths, line):  # type: ignore[no-untyped-def]  # pragma: no cover
    """BM25, share of terms found, and that share weighted by rarity, of the fields that have any, and all; lengths."""
    last_field, rare = len(bounds) - 1, line[_QUERY + 1]
    for f in range(last_field):
        line[_LENGTHS + f] = _LOGARITHMS[min(bounds[f + 1] - bounds[f], len(_LOGARITHMS) - 1)]
    for f in range(last_field + 1):
        if not (fields >> f) & 1:
            continue
        length = np.float32(bounds[f + 1] - bounds[f] if f < last_field else bounds[f] - bounds[0])
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


@compiled.within
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


@compiled.within
def _alike(words, asked, counts, alike, hits, last, tokens, title, best, line):  # type: ignore[no-untyped-def]  # pragma: no cover
    """How alike the closest term of the title, which ends at `title`, is to each query term.

    And how alike the closest one of any field is, for terms no Pin has.
    """
    (spelled, unknown), m, here = asked, len(words), 0
    for j in range(m):
        best[j] = 0
    while here < last and hits[here] < title:
        _closer(spelled, alike, tokens[hits[here]] & ~APART, best)
        here += 1
    total, least, weight = np.float32(0), np.float32(1), np.float32(0)
    for j in range(m):
        most = np.float32(1) if counts[0, j] else best[j]
        total += most
        weight += most * words[j].rarity
        least = min(least, most)
    line[_TITLE + 5], line[_TITLE + 6] = total / np.float32(m), least
    line[_TITLE + 7] = weight / line[_QUERY + 1]
    line[_ALL + 3] = np.float32(1)
    if unknown:
        for hit in range(here, last):
            _closer(spelled & unknown, alike, tokens[hits[hit]] & ~APART, best)
        total = np.float32(0)
        for j in range(m):
            if not words[j].known:
                total += np.float32(1) if counts[0, j] else best[j]
        line[_ALL + 3] = total / np.float32(_ones(unknown))


@compiled.within
def _closer(asked, alike, token, best):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Raise `best` of those words asked for that a token is more alike."""
    slot = _mixed(token, alike)
    while alike[slot].term >= 0:
        j = alike[slot].word
        if alike[slot].term == token and (asked >> np.uint64(j)) & np.uint64(1):
            best[j] = max(best[j], alike[slot].value)
        slot = (slot + np.uint64(1)) & np.uint64(len(alike) - 1)


@compiled.making
def _likeness(words, asked, grams, pins, shared, sieve):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The Dice coefficients of the trigrams of the words asked for and of all terms that are alike.

    Lets those terms through the sieve; they stand by a hash of their numbers, at least half of all places empty.
    `shared` are zeros, as many as terms, and are left as they were.
    """
    spans, size = _spans(words, asked, grams, pins)
    found, count = np.empty(size, _ALIKE), 0
    for j in range(len(words)):
        mine = range(words[j].grams, words[j].grams_end)
        for g in mine:
            for p in range(spans[g, 0], spans[g, 1]):
                shared[pins.gram_terms[p]] += np.uint8(1)
        for g in mine:
            for p in range(spans[g, 0], spans[g, 1]):
                term = pins.gram_terms[p]
                common, shared[term] = shared[term], np.uint8(0)
                value = np.float32(2 * common) / np.float32(len(mine) + pins.gram_sizes[term])
                if value > np.float32(LEAST_ALIKE):
                    found[count].term, found[count].word, found[count].value = term, j, value
                    count += 1
    return _placed(found[:count], sieve)


@compiled.making
def _spans(words, asked, grams, pins):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Which entries of the Pins' terms each trigram of the words asked for has, (grams, 2), and how many they are."""
    spans, size = np.zeros((len(grams), 2), np.int64), 0
    for j in range(len(words)):
        if (asked >> np.uint64(j)) & np.uint64(1):
            for g in range(words[j].grams, words[j].grams_end):
                place = np.searchsorted(pins.gram_hashes, grams[g])
                if place < len(pins.gram_hashes) and pins.gram_hashes[place] == grams[g]:
                    spans[g, 0], spans[g, 1] = pins.gram_begins[place], pins.gram_begins[place + 1]
                    size += spans[g, 1] - spans[g, 0]
    return spans, size


@compiled.making
def _placed(found, sieve):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Each term where its number's hash says, or behind that; all are let through the sieve."""
    size = 16
    while size < 2 * len(found):
        size *= 2
    alike = np.empty(size, _ALIKE)
    for slot in range(size):
        alike[slot].term = -1
    for one in found:
        _let_through(sieve, one.term)
        slot = _mixed(one.term, alike)
        while alike[slot].term >= 0:
            slot = (slot + np.uint64(1)) & np.uint64(size - 1)
        alike[slot].term, alike[slot].word, alike[slot].value = one.term, one.word, one.value
    return alike


@compiled.within
def _mixed(term, alike):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """The slot at which a term is first looked for."""
    return ((np.uint64(term) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)) & np.uint64(len(alike) - 1)


@compiled.within
def _lowest(bits):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Which is the lowest bit that is set."""
    return _ones((bits & (~bits + np.uint64(1))) - np.uint64(1))


@compiled.within
def _ones(bits):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """How many bits are set."""
    bits -= (bits >> np.uint64(1)) & np.uint64(0x5555555555555555)
    bits = (bits & np.uint64(0x3333333333333333)) + ((bits >> np.uint64(2)) & np.uint64(0x3333333333333333))
    bits = (bits + (bits >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((bits * np.uint64(0x0101010101010101)) >> np.uint64(56))
