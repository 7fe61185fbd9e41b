"""What a service counts that no status tells: faults, and those that a fall-back hid from the client."""

import re

_FAULT = r'requests_total\{.*status="5\d\d"'
_HIDDEN = r'degraded_total\{.*reason="text match: the student failed"'
_FAILURES = re.compile(f"^limbeck_(?:{_FAULT}|{_HIDDEN}).*$", re.MULTILINE)


def failures(client):
    """The lines of `/metrics` that tell of them."""
    return _FAILURES.findall(client.get("/metrics").text)
