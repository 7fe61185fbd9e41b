"""The body of an HTTP answer, unpacked, within a limit of bytes."""

import zlib
from collections.abc import Iterable, Iterator, Mapping

from limbeck.captions.skipped import PassingError, SkippedError

PICTURES = ("image/", "application/octet-stream", "binary/octet-stream")
PACKED = ("gzip", "x-gzip", "deflate")


def body(headers: Mapping[bytes, str], chunks: Iterable[bytes], limit: int) -> bytes:
    """What the chunks make, by lower-case `headers`; `SkippedError` if it is no picture, or longer than `limit`."""
    kind = headers.get(b"content-type", "").strip().lower()
    if kind and not kind.startswith(PICTURES):
        raise SkippedError("not a picture")
    length = headers.get(b"content-length", "")
    if length.isdecimal() and int(length[:20]) > limit:
        raise SkippedError("too many bytes")
    encoding = headers.get(b"content-encoding", "").strip().lower()
    if encoding in PACKED:
        chunks = _unpacked(chunks, limit)
    elif encoding not in ("", "identity"):
        raise SkippedError("unknown content encoding")
    data = bytearray()
    for chunk in chunks:
        data += chunk
        if len(data) > limit:
            raise SkippedError("too many bytes")
    return bytes(data)


def _unpacked(chunks: Iterable[bytes], limit: int) -> Iterator[bytes]:
    """No more than `limit` + 1 bytes of it at once, however little was packed."""
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # gzip or zlib, by their headers
    try:
        for chunk in chunks:
            yield unpacker.decompress(chunk, limit + 1)
            if unpacker.unconsumed_tail:
                raise SkippedError("too many bytes")
    except zlib.error:
        raise SkippedError("broken content encoding") from None
    if not unpacker.eof:
        raise PassingError("connection failed")
