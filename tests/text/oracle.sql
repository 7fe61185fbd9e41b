-- What limbeck.text.gather computes, said once more for DuckDB: the oracle of the tests and a peer in the benchmark.
-- Expects views pins, boards, saves, links, impressions, captions.
WITH newest AS (
    SELECT greatest((SELECT max(epoch_us(saved_at)) FROM saves),
        (SELECT max(epoch_us(searched_at)) FROM impressions)) AS micros
), since AS (
    SELECT micros - $window_days * 86_400_000_000 AS micros FROM newest
), saved AS (
    SELECT DISTINCT pin_id, user_id,
        trim(regexp_replace(lower(title), '[^\p{L}\p{M}\p{N}''’\x{200c}\x{200d}]+', ' ', 'g')) AS token
    FROM saves JOIN boards USING (board_id)
    WHERE epoch_us(saved_at) >= (SELECT micros FROM since) AND token <> ''
), titles AS (
    SELECT pin_id, token, count(*) AS users FROM saved
    WHERE contains(token, ' ') GROUP BY ALL HAVING count(*) >= $min_users
), words AS (
    SELECT pin_id, word AS token, count(DISTINCT user_id) AS users
    FROM (SELECT pin_id, user_id, unnest(string_split(token, ' ')) AS word FROM saved)
    GROUP BY ALL HAVING count(DISTINCT user_id) >= $min_users
), implied AS (
    SELECT pin_id, word AS token, max(users) AS said_by
    FROM (SELECT pin_id, users, unnest(string_split(token, ' ')) AS word FROM titles) GROUP BY ALL
), board_evidence AS (
    SELECT pin_id, token, users::DOUBLE AS weight FROM titles
    UNION ALL
    SELECT pin_id, token, users::DOUBLE FROM words LEFT JOIN implied USING (pin_id, token)
    WHERE said_by IS NULL OR users > said_by
), engaged AS (
    SELECT pin_id, user_id, lower(trim(query)) AS token,
        saved AS save, NOT saved AND coalesce(dwell_seconds >= 10, false) AS long_click
    FROM impressions WHERE epoch_us(searched_at) >= (SELECT micros FROM since) AND (clicked OR saved) AND token <> ''
), query_evidence AS (
    SELECT pin_id, token,
        count(*) FILTER (save) * $save_weight + (count(*) FILTER (long_click) * $long_click_weight
            + count(*) FILTER (NOT save AND NOT long_click) * $click_weight) AS weight
    FROM engaged GROUP BY ALL HAVING count(DISTINCT user_id) >= $min_users
), evidence AS (
    SELECT 'board' AS source, * FROM board_evidence UNION ALL SELECT 'query', * FROM query_evidence
), common AS (
    SELECT source, token, count(*) AS pins FROM evidence GROUP BY ALL
), scored AS (
    SELECT source, pin_id, token,
        round(weight * greatest(ln((SELECT count(*) FROM pins) / pins), 0) * 1e6)::BIGINT AS score
    FROM evidence JOIN common USING (source, token)
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY source, pin_id ORDER BY score DESC, token) AS rank FROM scored
), tokens AS (
    SELECT pin_id,
        list(token ORDER BY rank) FILTER (source = 'board' AND rank <= $top_board_titles) AS board_titles,
        list(token ORDER BY rank) FILTER (source = 'query' AND rank <= $top_engaged_queries) AS engaged_queries
    FROM ranked GROUP BY ALL
)
SELECT pins.pin_id, pins.title, pins.description, caption, coalesce(board_titles, []) AS board_titles,
    coalesce(engaged_queries, []) AS engaged_queries, links.title AS link_title, links.description AS link_description
FROM pins LEFT JOIN links USING (link) LEFT JOIN captions USING (pin_id) LEFT JOIN tokens USING (pin_id)
ORDER BY pin_id
