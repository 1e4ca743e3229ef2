"""Threads and processes as ordinary programs have them, within what a case has by itself."""

from collections.abc import AsyncGenerator

import pytest

from sandbox.docker_runner import DockerRunner
from sandbox.languages import LANGUAGES
from sandbox.model import Case, Verdict
from tests.support.sandboxes import executed, job, running

pytestmark = pytest.mark.docker

# Each has 200 threads at once, which add the numbers from 0 to 199.
_ALL_AT_ONCE = """
import threading
barrier, lock, total = threading.Barrier(200), threading.Lock(), 0
def add(number):
    global total
    barrier.wait()
    with lock:
        total += number
threads = [threading.Thread(target=add, args=(number,)) for number in range(200)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(total)
"""
_CPP = """
#include <atomic>
#include <iostream>
#include <thread>
#include <vector>
int main() {
  std::atomic<int> total{0}, there{0};
  std::vector<std::thread> threads;
  for (int number = 0; number < 200; number++)
    threads.emplace_back([&, number] {
      for (there++; there < 200;) std::this_thread::yield();
      total += number;
    });
  for (auto &thread : threads) thread.join();
  std::cout << total << std::endl;
}
"""
THREADS = {
    "python": _ALL_AT_ONCE,
    "c": """
#include <pthread.h>
#include <stdio.h>
static pthread_barrier_t barrier;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long total;
static void *add(void *number) {
  pthread_barrier_wait(&barrier);
  pthread_mutex_lock(&lock);
  total += (long)number;
  pthread_mutex_unlock(&lock);
  return 0;
}
int main(void) {
  pthread_t threads[200];
  pthread_barrier_init(&barrier, 0, 200);
  for (long n = 0; n < 200; n++) if (pthread_create(&threads[n], 0, add, (void *)n)) return 1;
  for (int n = 0; n < 200; n++) pthread_join(threads[n], 0);
  printf("%ld\\n", total);
}
""",
    "cpp": _CPP,
    "java": """
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;

public class Main {
  public static void main(String[] arguments) throws Exception {
    ExecutorService pool = Executors.newFixedThreadPool(200);
    AtomicInteger total = new AtomicInteger();
    CountDownLatch there = new CountDownLatch(200);
    for (int n = 0; n < 200; n++) {
      int number = n;
      pool.submit(() -> { there.countDown(); there.await(); return total.addAndGet(number); });
    }
    pool.shutdown();
    pool.awaitTermination(1, TimeUnit.HOURS);
    System.out.println(total);
  }
}
""",
    "go": """
package main

import (
	"fmt"
	"runtime"
	"sync"
)

func main() {
	var there, done sync.WaitGroup
	var lock sync.Mutex
	total := 0
	there.Add(200)
	done.Add(200)
	for n := 0; n < 200; n++ {
		go func(n int) {
			runtime.LockOSThread()
			there.Done()
			there.Wait()
			lock.Lock()
			total += n
			lock.Unlock()
			done.Done()
		}(n)
	}
	done.Wait()
	fmt.Println(total)
}
""",
    "rust": """
use std::sync::{Arc, Barrier};
use std::thread;

fn main() {
    let barrier = Arc::new(Barrier::new(200));
    let threads: Vec<_> = (0..200)
        .map(|number| {
            let barrier = barrier.clone();
            thread::spawn(move || {
                barrier.wait();
                number
            })
        })
        .collect();
    println!("{}", threads.into_iter().map(|thread| thread.join().unwrap()).sum::<i32>());
}
""",
}


@pytest.fixture(scope="module")
async def runner(sandbox_image: str) -> AsyncGenerator[DockerRunner, None]:
    async with running(sandbox_image) as made:
        yield made


@pytest.mark.parametrize("language", THREADS)
async def test_a_case_has_two_hundred_threads(runner: DockerRunner, language: str) -> None:
    limits = LANGUAGES[language].limits
    cases = (Case(b"", b"19900\n"), Case(b"", b"19900\n"))
    got = await executed(runner, job(language, THREADS[language], *cases, limits=limits))
    assert got.verdicts == [Verdict.ACCEPTED, Verdict.ACCEPTED], (got.compiled, got.cases)
