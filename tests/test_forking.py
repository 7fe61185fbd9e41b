"""What is forked has imported everything."""

import sys

import forking

HEAVY = {"imported", "limbeck.pipeline", "torch"}


def missing():
    """Ends with the number of heavy modules that are not there."""
    sys.exit(len(HEAVY - sys.modules.keys()))


def test_a_forked_process_has_imported_everything():
    process = forking.context().Process(target=missing)
    process.start()
    process.join()
    assert process.exitcode == 0
