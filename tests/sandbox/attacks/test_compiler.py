"""Attacks while a program is compiled, and on what was compiled.

A compiler reads what nobody trusts, with limits that are larger than a program's. Here they
are made small, so that what would run into them does so at once.
"""

from dataclasses import replace

import pytest

from sandbox import box, docker_runner
from sandbox.docker_runner import DockerRunner
from sandbox.languages import COMPILE_LIMITS, LANGUAGES
from sandbox.model import Verdict
from tests.support.attacks import SMALL, attack, run

pytestmark = pytest.mark.docker

_MAIN = "int main(void) { return 0; }\n"
_NEST = "\n".join(f"#define A{n} A{n - 1} A{n - 1}" for n in range(1, 60))
_TEMPLATES = """
template <int A, int B> struct T { static const long v = T<A - 1, 2 * B>::v + T<A - 1, 2 * B + 1>::v; };
template <int B> struct T<0, B> { static const long v = B; };
int main() { return T<30, 1>::v; }
"""
_CONSTANTS = """
constexpr long f(long n) { long s = 0; while (n--) s += n; return s; }
constexpr long a = f(30000000), b = f(30000001), c = f(30000002), d = f(30000003);
int main() { return a + b + c + d; }
"""


@pytest.fixture
def small_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Holds compilers to little."""
    small = replace(COMPILE_LIMITS, cpu_s=1.0, wall_s=120.0)
    for module in (box, docker_runner):
        monkeypatch.setattr(module, "COMPILE_LIMITS", small)


async def _compiled(runner: DockerRunner, language: str, source: str) -> tuple[Verdict, str]:
    outcome = await run(runner, language, source)
    return outcome.compiled.verdict, outcome.compiled.message


@pytest.mark.parametrize(
    "name",
    [
        "/proc/1/environ",
        "/proc/1/mem",
        "/proc/1/fd/0",
        "/etc/shadow",
        "/root/x",
        "/scratch/../root/x",
    ],
)
@pytest.mark.parametrize("how", ['#include "{}"', '__asm__(".incbin \\"{}\\"");'])
async def test_it_reads_nothing_that_is_shut(runner: DockerRunner, name: str, how: str) -> None:
    verdict, message = await _compiled(runner, "c", how.format(name) + "\n" + _MAIN)
    assert verdict is Verdict.COMPILE_ERROR
    assert "ermission denied" in message or "No such file" in message or "not found" in message


async def test_its_own_environment_holds_no_secret(runner: DockerRunner) -> None:
    source = """
#include <stdio.h>
__asm__("start: .incbin \\"/proc/self/environ\\"\\nstop:");
__asm__("first: .incbin \\"/proc/self/cmdline\\"\\nlast:");
extern const char start[], stop[], first[], last[];
int main(void) { fwrite(start, 1, stop - start, stdout); fwrite(first, 1, last - first, stdout); }
"""
    outcome = await run(runner, "c", source)
    # Files of /proc have no size, and the assembler takes none.
    assert outcome.verdict in (Verdict.ACCEPTED, Verdict.COMPILE_ERROR)
    said = outcome.only.facts.stdout if outcome.cases else outcome.compiled.message.encode()
    names = {each.split(b"=")[0] for each in said.split(b"\0") if b"=" in each}
    assert not {name for name in names if b"DOCKER" in name or b"KEY" in name}


@pytest.mark.usefixtures("small_compiler")
@pytest.mark.parametrize(
    ("language", "source"),
    [
        ("c", '#include "/dev/zero"\n' + _MAIN),
        ("c", '#include "/dev/urandom"\n' + _MAIN),
        ("c", f"#define A0 x\n{_NEST}\nA59\n{_MAIN}"),
        ("cpp", _TEMPLATES),
        ("cpp", _CONSTANTS),
        ("c", '#include "main.c"\n#include "main.c"\n' + _MAIN),
    ],
    ids=["zero", "random", "macros", "templates", "constants", "itself"],
)  # fmt: skip
async def test_endless_work_ends_at_a_limit(
    runner: DockerRunner, language: str, source: str
) -> None:
    outcome = await run(runner, language, source)
    assert outcome.compiled.verdict in (
        Verdict.TIME_LIMIT,
        Verdict.MEMORY_LIMIT,
        Verdict.COMPILE_ERROR,
    )
    assert outcome.cases == ()
    # Another program is not the worse for it.
    after = await run(runner, "c", '#include <stdio.h>\nint main(void) { puts("well"); }')
    assert after.only.facts.stdout == b"well\n"


async def test_a_flood_of_messages_is_cut(runner: DockerRunner) -> None:
    lines = "\n".join(f"#warning {'x' * 500} {number}" for number in range(4000))
    outcome = await run(runner, "c", lines + "\n" + _MAIN)
    assert len(outcome.compiled.message.encode()) <= 2 * (64 << 10)
    assert outcome.compiled.message_cut
    assert outcome.verdict is Verdict.ACCEPTED


async def test_what_it_makes_is_bounded_and_the_program_told(runner: DockerRunner) -> None:
    """A program larger than the build folder, and one larger than its own memory."""
    for mebibytes in (150, 400):
        source = f"char a[{mebibytes} << 20] = {{1}};\n{_MAIN}"
        outcome = await run(runner, "c", source)
        assert outcome.compiled.verdict is Verdict.MEMORY_LIMIT
        assert outcome.compiled.message.startswith("what the compiler writes takes more than 256")
    outcome = await run(runner, "c", "char a[1L << 40];\nint main(void) { return a[1L << 39]; }")
    assert outcome.verdict in (Verdict.COMPILE_ERROR, Verdict.RUNTIME_ERROR, Verdict.MEMORY_LIMIT)


async def test_words_of_a_source_are_no_limit_where_nothing_is_written(
    runner: DockerRunner,
) -> None:
    for language in ("python", "javascript"):
        verdict, _ = await _compiled(runner, language, "= 'No space left on device'")
        assert verdict is Verdict.COMPILE_ERROR


async def test_it_leaves_nothing_running_and_nothing_in_the_folder(runner: DockerRunner) -> None:
    """The compiler's user is not the program's, and none of its processes is left."""
    outcome = await run(
        runner,
        "c",
        """
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
int main(void) {
  struct dirent *each; int number = 0;
  /* What started it may not be gone yet; what stays is another's. */
  for (int look = 0; number != 2 && look < 200; look++, usleep(10000)) {
    DIR *all = opendir("/proc");
    for (number = 0; (each = readdir(all));) if (atoi(each->d_name) > 0) number++;
    closedir(all);
  }
  DIR *work = opendir("/scratch"); int files = 0;
  while ((each = readdir(work))) files++;
  struct stat build; stat("/build/main", &build);
  printf("%d %d %d %o\\n", number, files, build.st_uid != getuid(), build.st_mode & 07777);
}
""",
    )
    assert outcome.only.facts.stdout == b"2 2 1 755\n"


async def test_the_program_cannot_be_changed_between_cases(runner: DockerRunner) -> None:
    outcome = await attack(
        runner,
        """
import fcntl
found = {}
for name in ("/build/main.py", "/build/main", "/build/json.py", "/build/new"):
    found["write " + name] = attempt(open, name, "ab")
    found["remove " + name] = attempt(os.unlink, name)
    found["mode " + name] = attempt(os.chmod, name, 0o777)
    found["times " + name] = attempt(os.utime, name)
    found["grow " + name] = attempt(os.truncate, name, 0)
found["folder"] = attempt(os.chmod, "/build", 0o777)
found["new folder"] = attempt(os.mkdir, "/build/json")
found["away"] = attempt(os.rename, "/build/main.py", "/scratch/main.py")
found["over"] = attempt(os.rename, "/scratch", "/build/main.py")
found["link"] = attempt(os.symlink, "/scratch", "/build/link")
found["hard link"] = attempt(os.link, "/build/main.py", "/build/other.py")
file = os.open("/build/main.py", os.O_RDONLY)
found["reopened"] = attempt(os.open, f"/proc/self/fd/{file}", os.O_RDWR)
found["lease"] = attempt(fcntl.fcntl, file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
fcntl.flock(file, fcntl.LOCK_EX)
say([sorted(os.listdir("/build")), [name for name, how in found.items() if how == "done"]])
""",
        b"",
        b"",
    )
    assert outcome.said(0) == outcome.said(1) == [["main.py"], []]


async def test_a_source_of_odd_bytes_is_an_error_of_its_own(runner: DockerRunner) -> None:
    for language in ("c", "python"):
        for source in ("\0", "\ufffe\0\x1b[2J", "\ud800", "x" * 200_000, "(" * 5000):
            outcome = await run(runner, language, source, limits=SMALL)
            ended = (Verdict.COMPILE_ERROR, Verdict.RUNTIME_ERROR)
            assert outcome.verdict in ended, (language, source[:10], outcome)
            outcome.compiled.message.encode("utf-8")


async def test_a_compiler_that_was_taken_over_leaves_nothing(
    runner: DockerRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if a source had made its compiler run what it likes: here, the source itself."""
    python = LANGUAGES["python"]
    taken = replace(python, compile=(python.run[0], "main.py"))
    monkeypatch.setattr(docker_runner, "LANGUAGES", {"python": taken})
    outcome = await attack(
        runner,
        """
if os.getcwd() == "/build":
    import socket
    os.chmod("/build/main.py", 0o4755)
    os.mkdir("/scratch/left", 0o000)
    open("/scratch/file", "w").close()
    one = socket.socket(socket.AF_UNIX)
    one.bind("\\0left")
    if os.fork() == 0:
        os.setsid()
        for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_IGN)
        os.fork()
        while True:
            time.sleep(0.01)
    time.sleep(0.3)
    os._exit(0)
for _ in range(200):
    others = [pid for pid in os.listdir("/proc") if pid.isdigit() and int(pid) not in (1, os.getpid())]
    if not others:
        break
    time.sleep(0.01)
names = [line.split()[7:] for line in open("/proc/net/unix").read().splitlines()[1:]]
say([others, os.listdir("/scratch"), [name for name in names if name]])
""",
        b"",
        b"",
    )
    assert outcome.said(0) == outcome.said(1) == [[], [], []]
