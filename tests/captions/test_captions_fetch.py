"""Fetching from a real server on this machine, under names that resolve to public addresses."""

import inspect
import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures_server import ADDRESS, PEM, png, serving, trust

from limbeck.captions import fetch
from limbeck.captions.fetch import Fetcher, Place, parse
from limbeck.captions.skipped import SkippedError

AT = "http://pictures.example"


@pytest.fixture
def world():
    with serving(
        inside_example=["10.0.0.7"], both_example=[ADDRESS, "127.0.0.1"], second_example=["8.8.8.8", ADDRESS]
    ) as one:
        yield one


def fetcher(world, seconds=20.0, max_bytes=100_000, **other):
    return Fetcher(seconds, max_bytes, world.resolve, world.dial, pauses=other.pop("pauses", ()), **other)


def reason(world, url, **limits):
    with pytest.raises(SkippedError) as skipped:
        fetcher(world, **limits).fetch(url)
    return skipped.value.reason


@pytest.mark.parametrize(
    "path", ["red.png", "red.png?size=2&x=ä b", "untyped", "octets", "chunked", "gzipped", "to/302 /red.png"]
)
def test_a_picture(world, path):
    assert fetcher(world).fetch(f"{AT}/{path}") == png()


def test_what_is_asked_of_the_server(world):
    fetcher(world).fetch("HTTP://Pictures.Example:8080/red.png?q=ü x#part")
    ((path, headers),) = world.server.seen
    assert path == "/red.png?q=%C3%BC%20x"
    assert headers["Host"] == "pictures.example:8080"
    assert headers["Accept-Encoding"] == "identity"
    assert headers["User-Agent"].startswith("limbeck/")
    assert not {"Cookie", "Authorization", "Referer"} & headers.keys()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(world, status):
    assert fetcher(world).fetch(f"{AT}/to/{status} {AT}/to/{status} /red.png") == png()
    assert len(world.server.seen) == 3


@pytest.mark.parametrize(
    ("to", "wanted"),
    [
        ("http://127.0.0.1:{port}/red.png", "address not public"),
        ("http://localhost:{port}/red.png", "address not public"),
        ("http://2130706433:{port}/red.png", "address not public"),
        ("http://0x7f.1:{port}/red.png", "address not public"),
        ("http://[::1]:{port}/red.png", "address not public"),
        ("http://[::ffff:127.0.0.1]:{port}/red.png", "address not public"),
        ("http://169.254.169.254/latest/meta-data/", "address not public"),
        ("http://inside.example/red.png", "address not public"),
        ("//inside.example/red.png", "address not public"),
        ("file:///etc/passwd", "neither http nor https"),
        ("ftp://pictures.example/red.png", "neither http nor https"),
        ("data:image/png;base64,AAAA", "neither http nor https"),
        ("http://[::1", "not a URL"),
        ("http://user:word@pictures.example/red.png", "not a URL"),
    ],
)
def test_redirects_lead_nowhere_else(world, monkeypatch, to, wanted):
    system = fetch.system_resolver
    literal = ("127.0.0.1", "localhost", "2130706433", "0x7f.1", "::1", "::ffff:127.0.0.1", "169.254.169.254")
    world.names |= {host: (lambda host=host: _resolved(system, host)) for host in literal}
    url = to.format(port=world.server.server_port)
    assert reason(world, f"{AT}/to/302 {url}") == wanted
    assert world.dialled == [ADDRESS], "only the first request was made"


def _resolved(system, host):
    try:
        return system(host, 80)
    except OSError:
        return ["::1"]


def test_production_code_has_no_way_around_the_check(world):
    """With nothing brought along, the server that runs here cannot be reached, by whatever name."""
    plain = Fetcher(5.0, 100_000, pauses=())
    for host in ("127.0.0.1", "localhost", "2130706433", "0", "[::1]", "127.1"):
        with pytest.raises(SkippedError, match=r"address not public|unknown host"):
            plain.fetch(f"http://{host}:{world.server.server_port}/red.png")
    assert world.server.seen == []
    assert not {"check", "checked", "allow", "allowed", "verify"} & inspect.signature(Fetcher).parameters.keys()


def test_a_proxy_of_the_environment_is_not_used(world, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setitem(os.environ, name, "http://10.0.0.1:3128")
    assert fetcher(world).fetch(f"{AT}/red.png") == png()
    assert world.dialled == [ADDRESS]


def test_a_name_that_is_rebound_after_the_check_gains_nothing(world):
    """Resolved once per request, and dialled by address: the second answer is never asked for, or is checked."""
    answers = iter([[ADDRESS], ["127.0.0.1"]])
    world.names["rebound.example"] = lambda: next(answers)
    assert fetcher(world).fetch("http://rebound.example/red.png") == png()
    assert world.asked == ["rebound.example"]
    assert world.dialled == [ADDRESS]
    assert reason(world, "http://rebound.example/red.png") == "address not public"
    assert world.dialled == [ADDRESS]


def test_a_redirect_to_the_same_name_is_resolved_and_checked_again(world):
    answers = iter([[ADDRESS], ["192.168.0.1"]])
    world.names["rebound.example"] = lambda: next(answers)
    assert reason(world, "http://rebound.example/to/302 /red.png") == "address not public"
    assert world.dialled == [ADDRESS]


def test_one_private_address_among_several_is_enough(world):
    assert reason(world, "http://both.example/red.png") == "address not public"
    assert world.dialled == []


def test_the_next_address_is_tried_where_nobody_answers(world):
    assert fetcher(world).fetch("http://second.example/red.png") == png()
    assert world.dialled == ["8.8.8.8", ADDRESS]


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("missing", "HTTP 404"),
        ("status/403", "HTTP 403"),
        ("status/204", "HTTP 204"),
        ("status/500", "HTTP 500"),
        ("nowhere", "HTTP 302"),
        ("loop", "too many redirects"),
        ("page", "not a picture"),
        ("long", "too many bytes"),
        ("endless", "too many bytes"),
        ("bomb", "too many bytes"),
        ("gzip_broken", "broken content encoding"),
        ("gzip_cut", "connection failed"),
        ("brotli", "unknown content encoding"),
        ("cut", "connection failed"),
        ("garbage", "connection failed"),
    ],
)
def test_what_is_no_picture_is_skipped_for_a_reason(world, path, wanted):
    assert reason(world, f"{AT}/{path}") == wanted
    assert len(world.server.seen) == (6 if path == "loop" else 1)


def test_headers_without_end_are_cut_off(world):
    assert reason(world, f"{AT}/endless_head") in ("too many bytes", "connection failed")


@pytest.mark.parametrize("path", ["slow", "slow_head"])
def test_a_byte_now_and_then_does_not_keep_the_time_running(world, path):
    begun = time.monotonic()
    assert reason(world, f"{AT}/{path}", seconds=1.0) == "timed out"
    assert time.monotonic() - begun < 10


def test_all_redirects_share_one_limit_of_time(world):
    begun = time.monotonic()
    assert reason(world, f"{AT}/to/302 /to/302 /slow", seconds=1.0) == "timed out"
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(("size", "fits"), [(len(png()), True), (len(png()) - 1, False)])
@pytest.mark.parametrize("path", ["red.png", "chunked"])
def test_the_limit_of_bytes_is_exact(world, path, size, fits):
    if fits:
        assert fetcher(world, max_bytes=size).fetch(f"{AT}/{path}") == png()
    else:
        assert reason(world, f"{AT}/{path}", max_bytes=size) == "too many bytes"


def test_unknown_names_and_closed_doors(world):
    assert reason(world, "http://nowhere.example/red.png") == "unknown host"
    world.names["closed.example"] = ["8.8.8.8"]
    assert reason(world, "http://closed.example/red.png") == "connection failed"


def test_what_may_pass_is_tried_again_and_what_will_not_is_not(world):
    assert fetcher(world, pauses=(0, 0)).fetch(f"{AT}/moody") == png()
    assert world.paths == ["/moody"] * 3
    assert reason(world, f"{AT}/missing", pauses=(0, 0)) == "HTTP 404"
    assert world.paths == [*["/moody"] * 3, "/missing"]
    assert reason(world, f"{AT}/status/503", pauses=(0,)) == "HTTP 503"
    assert len(world.paths) == 6


def test_over_tls_the_certificate_is_that_of_the_name():
    with serving(secure=True, other_example=[ADDRESS]) as world:
        mine = fetcher(world, trust=trust())
        assert mine.fetch("https://pictures.example/red.png") == png()
        assert world.server.seen[0][1]["Host"] == "pictures.example"
        assert reason(world, "https://other.example/red.png", trust=trust()) == "connection failed"
        assert reason(world, f"https://{ADDRESS}/red.png", trust=trust()) == "unknown host"
        assert reason(world, "https://pictures.example/red.png") == "connection failed", "a certificate nobody signed"
        assert reason(world, "http://pictures.example/red.png") == "connection failed"
        assert reason(world, "https://pictures.example/endless", trust=trust()) == "too many bytes"
        assert len(world.server.seen) == 2
    assert PEM.exists()


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("http://a.example", Place("http", "a.example", 80, "/")),
        (" https://A.Example:444/b c?d=e f#g ", Place("https", "a.example", 444, "/b%20c?d=e%20f")),
        ("http://bücher.example/ü%20x", Place("http", "xn--bcher-kva.example", 80, "/%C3%BC%20x")),
        ("http://１２７.0.0.1/", Place("http", "127.0.0.1", 80, "/")),
        ("http://[2606:4700::1111]/x", Place("http", "2606:4700::1111", 80, "/x")),
    ],
)
def test_how_urls_are_read(url, place):
    assert parse(url) == place


@pytest.mark.parametrize(
    "url",
    [
        "http://",
        "http:///x",
        "http://a.example:0/",
        "http://a.example:99999/",
        "http://a.example:x/",
        "http://a b.example/",
        "http://a.example\\@b.example/",
        "http://a@b.example/",
        "http://@b.example/",
        "http://a.example/\r\nHost: b.example",
        "http://a\tb.example/",
        "http://[fe80::1%25eth0]/",
        "http://a%2eexample/",
        f"http://{'a' * 64}.example/",
        "http://..example/",
    ],
)
def test_what_no_url_of_ours_looks_like(url):
    with pytest.raises(SkippedError, match="not a URL"):
        parse(url)


@given(st.text(max_size=40), st.sampled_from(["", "http://", "https://", "http://a.example/", "http://a.example:"]))
def test_any_text_is_read_or_refused(text, begin):
    try:
        place = parse(begin + text)
    except SkippedError:
        return
    assert place.scheme in ("http", "https")
    assert place.host.isascii()
    assert 0 < place.port < 65_536
    assert place.target.startswith("/")
    assert place.target.isascii()
    assert place.target.isprintable()
    assert " " not in place.target
