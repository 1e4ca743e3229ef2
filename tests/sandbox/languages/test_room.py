"""The room that ordinary programs have: for their compilers' files, and for shared memory."""

from collections.abc import AsyncGenerator

import pytest

from sandbox.docker_runner import DockerRunner
from sandbox.languages import LANGUAGES
from sandbox.model import Case, Verdict
from tests.support.sandboxes import executed, job, running

pytestmark = pytest.mark.docker

# What the compiler made, and nothing that it left.
_C = """
#include <dirent.h>
#include <stdio.h>
#include <string.h>
int memo[17000000] = {-1};
int main() {
  DIR *build = opendir("/build");
  int others = 0;
  for (struct dirent *each; (each = readdir(build));)
    others += each->d_name[0] != '.' ? strncmp(each->d_name, "main", 4) != 0 : strlen(each->d_name) > 2;
  printf("%d %d\\n", memo[0] + memo[16999999], others);
}
"""
LARGE = {
    "c": _C,
    "cpp": _C,
    "go": """
package main

import (
	"fmt"
	"os"
)

var memo = [9000000]int{-1}

func main() {
	entries, _ := os.ReadDir("/build")
	fmt.Println(memo[0]+memo[8999999], len(entries)-2)
}
""",
    "rust": """
static MEMO: [u8; 70_000_000] = [255; 70_000_000];

fn main() {
    let entries = std::fs::read_dir("/build").unwrap().count() as i32;
    println!("{} {}", MEMO[std::env::args().count()] as i8, entries - 2);
}
""",
}
SHARING = {
    "pool": """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

def square(number):
    return number * number

if __name__ == "__main__":
    with multiprocessing.Pool(4) as pool, ProcessPoolExecutor(4) as executor:
        print(sum(pool.map(square, range(100))) + sum(executor.map(square, range(100))))
""",
    "queue": """
import multiprocessing
results = multiprocessing.Queue()
workers = [multiprocessing.Process(target=results.put, args=(n,)) for n in (328350, 328350)]
for worker in workers: worker.start()
print(sum(results.get() for _ in workers))
for worker in workers: worker.join()
""",
    "memory": """
from multiprocessing import Array, Lock, Process, shared_memory
block, lock, total = shared_memory.SharedMemory(create=True, size=1 << 20), Lock(), Array("l", 1)
block.buf[1000] = 50
def add():
    with lock:
        total[0] += 6567 * block.buf[1000]
workers = [Process(target=add) for _ in range(2)]
for worker in workers: worker.start()
for worker in workers: worker.join()
print(total[0])
""",
}
_NAMED = """
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
int main() {
  sem_t *one = sem_open("/one", O_CREAT | O_EXCL, 0600, 0);
  int file = shm_open("/two", O_CREAT | O_EXCL | O_RDWR, 0600);
  if (one == SEM_FAILED || file < 0 || ftruncate(file, 4096)) return 1;
  int *shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (fork() == 0) { *shared = 656700; sem_post(one); _exit(0); }
  sem_wait(one);
  printf("%d\\n", *shared);
  wait(0);
}
"""


@pytest.fixture(scope="module")
async def runner(sandbox_image: str) -> AsyncGenerator[DockerRunner, None]:
    async with running(sandbox_image, pool_size=2) as made:
        yield made


@pytest.mark.parametrize("language", LARGE)
async def test_a_large_program_is_compiled_and_nothing_is_left_of_it(
    runner: DockerRunner, language: str
) -> None:
    limits = LANGUAGES[language].limits
    got = await executed(
        runner, job(language, LARGE[language], Case(b"", b"-1 0\n"), limits=limits)
    )
    assert got.verdicts == [Verdict.ACCEPTED], (got.compiled, got.cases)


@pytest.mark.parametrize(
    ("language", "source"),
    [*(("python", each) for each in SHARING.values()), ("c", _NAMED)],
    ids=[*SHARING, "named"],
)
async def test_processes_share_memory_of_their_case(
    runner: DockerRunner, language: str, source: str
) -> None:
    """The names are the same in both, and the first leaves its own."""
    cases = (Case(b"", b"656700\n"), Case(b"", b"656700\n"))
    got = await executed(runner, job(language, source, *cases, limits=LANGUAGES[language].limits))
    assert got.verdicts == [Verdict.ACCEPTED, Verdict.ACCEPTED], got.cases
