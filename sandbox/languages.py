"""The languages: how each is compiled and run, and what a case may use.

Sources lie in `/build`, which the program can read and not write; `/scratch` is where a
process starts and may write, and it is emptied after each. Adding a language takes a
row here, its packages in `images/packages.txt`, and its programs in the tests.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from sandbox.java_names import JavaNames, java_names
from sandbox.model import MIB, LanguageInfo, Limits

BUILD = "/build"
WORK = "/scratch"
# Where processes share memory by name, as `multiprocessing` and `sem_open` do.
SHARED = "/dev/shm"  # noqa: S108 - each container's own
BUILD_BYTES, WORK_BYTES, SHARED_BYTES = 256 * MIB, 64 * MIB, 64 * MIB
# What compilers write by the way is as large as what they make: it has the same room.
TEMPORARY = f"{BUILD}/.temporary"

DEFAULT_LIMITS = Limits(
    cpu_s=2.0,
    wall_s=10.0,
    memory_bytes=256 * MIB,
    # A case's result is one message, and a client of gRPC takes 4 MiB if nothing is set.
    output_bytes=1 * MIB,
    # Threads too; a pool of one for each task is usual, and virtual machines have their own.
    processes=256,
)
# For compilers, which are programs like any other: they read what nobody trusts.
COMPILE_LIMITS = Limits(
    cpu_s=30.0,
    wall_s=90.0,
    memory_bytes=1024 * MIB,
    output_bytes=256 * 1024,
    processes=256,
)
_LONGEST_S = 300.0

ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": WORK,
    "TMPDIR": WORK,
    "LANG": "C.UTF-8",
    # The same program does the same in each run.
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "GO111MODULE": "off",
    "GOCACHE": f"{TEMPORARY}/.go",
    "GOFLAGS": "-p=2",
}

# Of the stack, too, memory is the bound. Node, whose programs may catch its end, stops a
# little before the memory that they have by themselves; Java would need thrice its stack.
_JAVA_STACK = "-Xss1g"
_NODE_STACK = "--stack-size=400000"
# Virtual machines that hold a heap to a size of their own end at it with an error of their
# own, which nobody can tell from a crash. With a size beyond any limit they end where all
# programs do: the kernel kills them at the container's limit, and counts it. Java grows
# its heap by what is alive in it, whatever the size. Node is lazier the more it may have,
# and would reach the limit with garbage: its growth is held to what it is in a small heap.
_JAVA_HEAP = "-Xmx30g"
_NODE_HEAP = ("--max-old-space-size=30000", "--heap-growing-percent=40")


@dataclass(frozen=True, kw_only=True)
class Language:
    """One language.

    Attributes:
        id: By which a program names it.
        title: Its name for people, with the version that programs must be written for: who
            writes one is told this and no more, and would write for a newer one.
        file: Name of the file that holds the source.
        compile: Command that compiles, or checks the syntax, in `/build`.
        run: Command that runs what was compiled, in `/scratch`.
        version: Command that prints the version of its tools, run once for an image.
        least_memory_bytes: Memory in which a program that does nothing runs, about: with less
            none does, which is more often a slip than a wish.
        time_factor: How much longer than `DEFAULT_LIMITS` a case may take.
        memory_factor: How much more memory it may have.
        checks_only: Its compile command makes nothing and takes little memory.
        names: Tells the file and the class that a source names itself; they stand for
            `file`, and for `{file}` and `{main}` in the commands.
    """

    id: str
    title: str
    file: str
    compile: tuple[str, ...]
    run: tuple[str, ...]
    version: tuple[str, ...]
    least_memory_bytes: int
    time_factor: float = 1.0
    memory_factor: float = 1.0
    checks_only: bool = False
    names: Callable[[str], JavaNames] | None = None

    def of(self, source: str) -> "Language":
        """Returns it with the file and the commands that a source needs."""
        if self.names is None:
            return self
        names = self.names(source)
        words = {"{file}": names.file, "{main}": names.main}
        return replace(
            self,
            file=names.file,
            compile=tuple(words.get(word, word) for word in self.compile),
            run=tuple(words.get(word, word) for word in self.run),
        )

    @property
    def makes(self) -> str:
        """The program that its compiler makes; empty where an interpreter is what is run."""
        return self.run[0] if self.run[0].startswith(f"{BUILD}/") else ""

    @property
    def limits(self) -> Limits:
        """The limits of a case that sets none."""
        return replace(
            DEFAULT_LIMITS,
            cpu_s=DEFAULT_LIMITS.cpu_s * self.time_factor,
            wall_s=DEFAULT_LIMITS.wall_s * self.time_factor,
            memory_bytes=int(DEFAULT_LIMITS.memory_bytes * self.memory_factor),
        )

    def info(self, toolchain: str = "") -> LanguageInfo:
        """Returns it as clients see it."""
        return LanguageInfo(id=self.id, title=self.title, toolchain=toolchain, limits=self.limits)


def _c(id_: str, title: str, file: str, least_mib: int, *compiler: str) -> Language:
    return Language(
        id=id_,
        title=title,
        file=file,
        compile=(*compiler, "-O2", "-pipe", "-o", "main", file, "-lm"),
        run=(f"{BUILD}/main",),
        version=(compiler[0], "--version"),
        least_memory_bytes=least_mib * MIB,
    )


LANGUAGES = {
    language.id: language
    for language in (
        Language(
            id="python",
            title="Python 3.11",
            file="main.py",
            # Syntax alone: the same errors that running it would give, before any case.
            compile=(
                "/usr/bin/python3", "-ISc",
                "compile(open('main.py', 'rb').read(), 'main.py', 'exec', dont_inherit=True)",
            ),
            run=("/usr/bin/python3", f"{BUILD}/main.py"),
            version=("/usr/bin/python3", "--version"),
            least_memory_bytes=8 * MIB,
            checks_only=True,
            time_factor=2.0,
        ),
        _c("c", "C17 (GCC 12)", "main.c", 2, "/usr/bin/gcc", "-std=gnu17"),
        _c("cpp", "C++20 (GCC 12)", "main.cpp", 4, "/usr/bin/g++", "-std=gnu++20"),
        _c("cpp17", "C++17 (GCC 12)", "main.cpp", 4, "/usr/bin/g++", "-std=gnu++17"),
        Language(
            id="java",
            title="Java 17",
            file="Main.java",
            compile=(
                "/usr/bin/javac", "-J-XX:+UseSerialGC", "-J-XX:TieredStopAtLevel=1", "-J-Xmx512m",
                "-J-Xshare:auto", "-encoding", "UTF-8", "-d", ".", "{file}",
            ),
            run=(
                "/usr/bin/java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
                "-XX:-UsePerfData", _JAVA_STACK, _JAVA_HEAP, "-cp", BUILD, "{main}",
            ),
            names=java_names,
            version=("/usr/bin/java", "--version"),
            least_memory_bytes=36 * MIB,
            time_factor=2.0,
            memory_factor=2.0,
        ),
        Language(
            id="javascript",
            title="JavaScript (Node.js 18)",
            file="main.js",
            compile=(
                "/usr/bin/node", "--experimental-vm-modules", "--no-warnings",
                "/opt/sandbox/check.js", "main.js",
            ),
            run=(
                "/usr/bin/node", _NODE_STACK, *_NODE_HEAP,
                "--require=/opt/sandbox/before.js", f"{BUILD}/main.js",
            ),
            version=("/usr/bin/node", "--version"),
            least_memory_bytes=52 * MIB,
            checks_only=True,
            time_factor=2.0,
            memory_factor=2.0,
        ),
        Language(
            id="go",
            title="Go 1.19",
            file="main.go",
            compile=("/usr/bin/go", "build", "-o", "main", "main.go"),
            run=(f"{BUILD}/main",),
            version=("/usr/bin/go", "version"),
            least_memory_bytes=2 * MIB,
        ),
        Language(
            id="rust",
            title="Rust 1.63 (edition 2021)",
            file="main.rs",
            compile=("/usr/bin/rustc", "--edition=2021", "-O", "-o", "main", "main.rs"),
            run=(f"{BUILD}/main",),
            version=("/usr/bin/rustc", "--version"),
            least_memory_bytes=2 * MIB,
        ),
    )
}  # fmt: skip


def generous_wall_s(cpu_s: float) -> float:
    """Returns the wall-clock limit that goes with a CPU limit where none is given.

    A busy machine must not turn a program within its CPU limit into a slow one.
    """
    return min(max(DEFAULT_LIMITS.wall_s, 5 * cpu_s), _LONGEST_S)
