"""Attacks on the network; nothing is ever sent to an address outside."""

import pytest

from sandbox.docker_runner import DockerRunner
from sandbox.model import Verdict
from tests.support.attacks import attack

pytestmark = pytest.mark.docker


async def test_there_is_nothing_but_loopback(runner: DockerRunner) -> None:
    outcome = await attack(
        runner,
        """
def lines(name):
    try:
        return open(name).read().splitlines()
    except FileNotFoundError:
        return []
say({"interfaces": sorted(os.listdir("/sys/class/net")),
     "listed": [line.split(":")[0].strip() for line in lines("/proc/net/dev")[2:]],
     "routes": lines("/proc/net/route")[1:],
     "routes6": [line.split()[-1] for line in lines("/proc/net/ipv6_route")],
     "neighbours": lines("/proc/net/arp")[1:]})
""",
    )
    said = outcome.said()
    assert said["interfaces"] == said["listed"] == ["lo"]
    assert said["routes"] == said["neighbours"] == []
    assert set(said["routes6"]) <= {"lo"}


async def test_names_do_not_resolve(runner: DockerRunner) -> None:
    """Whatever servers are named, no datagram can be sent to them."""
    outcome = await attack(
        runner,
        """
import socket
servers = []
try:
    servers = [line.split()[1] for line in open("/etc/resolv.conf") if line.startswith("nameserver")]
except OSError:
    pass
try:
    found = socket.getaddrinfo("name.invalid", 80)
except socket.gaierror as error:
    found = error.errno
def connect(family, address):
    # Of a datagram socket this sends nothing: it only looks for a route.
    socket.socket(family, socket.SOCK_DGRAM).connect((address, 53))
ways = {}
for family, address in ((2, "192.0.2.1"), (2, "172.17.0.1"), (10, "2001:db8::1"),
                        *((10 if ":" in server else 2, server) for server in servers)):
    ways[address] = attempt(connect, family, address)
say({"found": found, "ways": ways})
""",
    )
    said = outcome.said()
    assert said["found"] < 0
    assert len(said["ways"]) >= 3
    assert set(said["ways"].values()) == {"EAFNOSUPPORT"}


async def test_only_sockets_within_the_container_are_given(runner: DockerRunner) -> None:
    outcome = await attack(
        runner,
        """
both = (ctypes.c_int * 2)()
found = {}
# Packet, netlink, vsock, key, alg, bluetooth, tipc, can, xdp, kcm, rds, and all the others.
for family in range(64):
    for kind in (1, 2, 3, 5, 1 | 0o4000):
        for protocol in (0, 1, 6, 17, 132, 136, 255, 262):
            one = call(41, family, kind, protocol)
            two = call(53, family, kind, protocol, both)
            for number in (one, *both):
                attempt(os.close, number) if isinstance(number, int) else None
            found[f"{family} {kind} {protocol}"] = [one, two]
say([[name, how] for name, how in found.items()
     if not name.startswith("1 ") and how != ["EAFNOSUPPORT"] * 2])
""",
    )
    assert outcome.said() == []


async def test_what_waits_in_sockets_is_charged_to_the_container(runner: DockerRunner) -> None:
    """Unread bytes are memory of the kernel, which has to be the container's."""
    outcome = await attack(
        runner,
        """
import socket
kept, taken = [], 0
def fill(one):
    global taken
    one.setblocking(False)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
    try:
        while True:
            taken += one.send(bytes(16 << 10))
    except OSError:
        pass
try:
    # About 180 MiB, were there no end to it.
    while taken < 180 << 20:
        kept.append(socket.socketpair(type=(socket.SOCK_STREAM, socket.SOCK_DGRAM)[len(kept) % 2]))
        for one in kept[-1]:
            fill(one)
except OSError:
    pass
say(taken)
""",
        b"",
        b"",
    )
    for case in outcome.cases:
        assert case.verdict is Verdict.MEMORY_LIMIT, case
        assert case.facts.out_of_memory_kills


async def test_nothing_can_be_left_unread_on_loopback(runner: DockerRunner) -> None:
    """Not charged to the container everywhere: a thousand sockets could hold gigabytes."""
    outcome = await attack(
        runner,
        """
import socket
def wait_on_loopback(family, kind):
    one, other = socket.socket(family, kind), socket.socket(family, kind)
    one.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 4242))
    if kind == socket.SOCK_STREAM:
        one.listen()
    other.connect(one.getsockname())
    other.send(bytes(1000))
say([attempt(wait_on_loopback, family, kind)
     for family in (socket.AF_INET, socket.AF_INET6)
     for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)])
""",
    )
    assert outcome.said() == ["EAFNOSUPPORT"] * 4


async def test_no_socket_of_the_host_is_there(runner: DockerRunner) -> None:
    """Neither Docker's, nor any other file that is a socket, nor an abstract name."""
    outcome = await attack(
        runner,
        """
import socket, stat
sockets = []
for path, names, files in os.walk("/"):
    if path == "/":
        names[:] = [name for name in names if name not in ("proc", "sys")]
    for name in files:
        try:
            if stat.S_ISSOCK(os.lstat(os.path.join(path, name)).st_mode):
                sockets.append(os.path.join(path, name))
        except OSError:
            pass
one = socket.socket(socket.AF_UNIX)
found = {name: attempt(one.connect, name) for name in (
    "/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock",
    "/run/systemd/private", "/run/dbus/system_bus_socket", "\\0/containerd-shim")}
names = [line.split()[7:] for line in open("/proc/net/unix").read().splitlines()[1:]]
say({"sockets": sockets, "found": found, "names": [name for name in names if name]})
""",
    )
    said = outcome.said()
    assert said["sockets"] == said["names"] == []
    assert set(said["found"].values()) <= {"ENOENT", "ECONNREFUSED", "EACCES"}
