"""Children of the server begin, however busy its gRPC is."""

import json
import os
import subprocess
import sys

CHILDREN = 20


def test_grpc_has_no_hand_in_the_start_of_a_child() -> None:
    """Its handlers of fork() crash some children; each of them is told of in the log."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.spawning", str(CHILDREN)],
        env={
            **{k: v for k, v in os.environ.items() if k != "GRPC_ENABLE_FORK_SUPPORT"},
            "GRPC_VERBOSITY": "info",
        },
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    assert json.loads(done.stdout) == [0] * CHILDREN
    assert "fork()" not in done.stderr
