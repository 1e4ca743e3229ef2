"""Tells why a container has ended, from what its daemon remembers."""

import contextlib
import time

import docker

# So long after its stream a container's end is waited for.
_WITHIN_S = 3
_KILLED = "137"
_EVENTS = ["oom", "kill", "die"]


def ran_out_of_memory(api: docker.APIClient, container_id: str) -> bool:
    """Says whether the kernel ended a container's first process, for want of memory.

    A container that ends is removed, so that it cannot be asked. That memory ran out in it
    proves nothing alone, nor does the status of a process that was killed: both together
    do, where the daemon did not kill it.

    Raises:
        docker.errors.APIError: The daemon refuses to tell.
        requests.RequestException: It went away.
    """
    events = api.events(
        since=0,
        until=int(time.time()) + _WITHIN_S,
        filters={"type": "container", "container": container_id, "event": _EVENTS},
        decode=True,
    )
    seen: set[str] = set()
    killed = False
    with contextlib.closing(events):
        # In any order.
        for event in events:
            what = str(event.get("Action"))
            seen.add(what)
            if what == "die":
                status = event.get("Actor", {}).get("Attributes", {}).get("exitCode")
                killed = status == _KILLED and "kill" not in seen
            if killed and "oom" in seen:
                return True
    return False
