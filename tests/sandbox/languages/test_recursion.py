"""Recursion is bounded by memory, in every language, and ends when it never would."""

from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from sandbox.docker_runner import DockerRunner
from sandbox.languages import LANGUAGES
from sandbox.model import Case, Stopped, Verdict
from tests.support.sandboxes import executed, job, running

pytestmark = pytest.mark.docker
each_language = pytest.mark.parametrize("language", LANGUAGES)

# Each reads how deep it should go: a path of that length, walked from its beginning.
_C = """
#include <stdio.h>
static int depth(int n) { volatile int own = n; return n == 0 ? 0 : 1 + depth(n - 1) + own - n; }
int main(void) { int n; if (scanf("%d", &n) != 1) return 1; printf("%d\\n", depth(n)); }
"""
PATHS = {
    "python": """
import sys
sys.setrecursionlimit(1 << 30)
def depth(n):
    return 0 if n == 0 else 1 + depth(n - 1)
print(depth(int(input())))
""",
    "c": _C,
    "cpp": _C.replace("(void)", "()"),
    "cpp17": _C.replace("(void)", "()"),
    "java": """
import java.util.*;

public class Main {
  static List<List<Integer>> next = new ArrayList<>();
  static boolean[] seen;
  static int walk(int at) {
    seen[at] = true;
    int most = 0;
    for (int each : next.get(at)) if (!seen[each]) most = Math.max(most, 1 + walk(each));
    return most;
  }
  static int depth(int n) { return n == 0 ? 0 : 1 + depth(n - 1); }
  public static void main(String[] arguments) {
    int n = new Scanner(System.in).nextInt();
    if (n > 1_000_000) System.out.println(depth(n));
    seen = new boolean[n + 1];
    for (int at = 0; at <= n; at++) next.add(at < n ? List.of(at + 1) : List.of());
    System.out.println(walk(0));
  }
}
""",
    "javascript": """
function depth(n) { return n === 0 ? 0 : 1 + depth(n - 1); }
console.log(depth(Number(require('fs').readFileSync(0, 'utf8'))));
""",
    "go": """
package main

import "fmt"

func depth(n int) int {
	if n == 0 {
		return 0
	}
	return 1 + depth(n-1)
}

func main() {
	var n int
	fmt.Scan(&n)
	fmt.Println(depth(n))
}
""",
    "rust": """
fn depth(n: u64) -> u64 {
    let own = n;
    let same = unsafe { std::ptr::read_volatile(&own) };
    if same == 0 { 0 } else { 1 + depth(same - 1) + own - n }
}

fn main() {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    println!("{}", depth(line.trim().parse().unwrap()));
}
""",
}


@pytest.fixture(scope="module")
async def runner(sandbox_image: str) -> AsyncGenerator[DockerRunner, None]:
    async with running(sandbox_image, pool_size=2) as made:
        yield made


@each_language
async def test_a_million_calls_fit_and_endless_ones_end(
    runner: DockerRunner, language: str
) -> None:
    limits = replace(LANGUAGES[language].limits, cpu_s=20.0, wall_s=300.0)
    cases = (Case(b"1000000\n", b"1000000\n"), Case(b"2000000000\n"), Case(b"10\n", b"10\n"))
    got = await executed(runner, job(language, PATHS[language], *cases, limits=limits))
    first, endless, after = got.cases
    assert first.verdict is Verdict.ACCEPTED, first
    assert endless.verdict in (Verdict.MEMORY_LIMIT, Verdict.RUNTIME_ERROR), endless
    assert endless.facts.stopped is Stopped.NOT
    assert after.verdict is Verdict.ACCEPTED, after


async def test_node_ends_its_stack_before_the_memory_is_full(runner: DockerRunner) -> None:
    """It is an error of the program's then, which that can catch."""
    source = """
function depth(n) { return 1 + depth(n + 1); }
try { depth(0); } catch (error) { console.log(error instanceof RangeError ? 'caught' : error); }
"""
    limits = replace(LANGUAGES["javascript"].limits, cpu_s=30.0, wall_s=300.0)
    got = await executed(runner, job("javascript", source, Case(b"", b"caught\n"), limits=limits))
    assert got.verdicts == [Verdict.ACCEPTED], got.cases


@pytest.mark.parametrize("bytes_", ["RLIM_INFINITY", "getrlimit(resource.RLIMIT_STACK)[1]"])
async def test_python_may_ask_for_more_stack_as_it_often_does(
    runner: DockerRunner, bytes_: str
) -> None:
    source = f"""
import resource, sys, threading
resource.setrlimit(resource.RLIMIT_STACK, (resource.{bytes_}, resource.{bytes_}))
threading.stack_size(512 << 20)
sys.setrecursionlimit(10**6)
def depth(n):
    return 0 if n == 0 else 1 + depth(n - 1)
thread = threading.Thread(target=lambda: print(depth(200_000)))
thread.start()
thread.join()
"""
    limits = LANGUAGES["python"].limits
    got = await executed(runner, job("python", source, Case(b"", b"200000\n"), limits=limits))
    assert got.verdicts == [Verdict.ACCEPTED], got.cases
