"""Programs in every language that do the same things.

`HELLO` prints a greeting in several scripts, `SUM` adds the numbers on standard input,
`BROKEN` does not compile, `CRASH` ends with an error of its own, `DEEP` calls itself 50,000
times, and the others reach one limit each: `BUSY` CPU time, `SLEEP` the clock, `MEMORY`
and `HUGE` memory, in many pieces and in one, `FLOOD` the output.
"""

GREETING = "héllo wörld €😀\n".encode()

PYTHON = {
    "HELLO": "print('héllo wörld €😀')",
    "SUM": "import sys\nprint(sum(map(int, sys.stdin.read().split())))",
    "BROKEN": "print(1",
    "CRASH": "print([][1])",
    "DEEP": """
import sys
sys.setrecursionlimit(60_000)
def depth(n):
    return 0 if n == 0 else 1 + depth(n - 1)
print(depth(50_000))
""",
    "BUSY": "while True: pass",
    "SLEEP": "import time\ntime.sleep(1000)",
    "MEMORY": "kept = []\nwhile True: kept.append([0] * 1000)",
    "HUGE": "kept = bytearray(b'x') * (3 << 30)\nprint(len(kept))",
    "FLOOD": "while True: print('x' * 1000)",
}

C = {
    "HELLO": '#include <stdio.h>\nint main(void) { puts("héllo wörld €😀"); }',
    "SUM": """
#include <stdio.h>
int main(void) {
  long long sum = 0, each;
  while (scanf("%lld", &each) == 1) sum += each;
  printf("%lld\\n", sum);
}
""",
    "BROKEN": "int main(void) { return 1 }",
    "CRASH": "int main(void) { volatile int *nothing = 0; return *nothing; }",
    "DEEP": """
#include <stdio.h>
#include <string.h>
static int depth(int n) {
  volatile char frame[1000];
  frame[n % 1000] = 1;
  return n == 0 ? 0 : frame[n % 1000] + depth(n - 1);
}
int main(void) { printf("%d\\n", depth(50000)); }
""",
    "BUSY": "int main(void) { for (volatile unsigned n = 0;; n++) {} }",
    "SLEEP": "#include <unistd.h>\nint main(void) { sleep(1000); }",
    "MEMORY": """
#include <stdlib.h>
#include <string.h>
int main(void) {
  for (;;) {
    char *volatile piece = malloc(100000);
    memset(piece, 1, 100000);
  }
}
""",
    "HUGE": """
#include <stdio.h>
#include <stdlib.h>
int main(void) {
  unsigned char *volatile piece = malloc(3UL << 30);
  long sum = 0;
  for (unsigned long n = 0; n < 3UL << 30; n += 1000) piece[n] = 1;
  for (unsigned long n = 0; n < 3UL << 30; n += 1000) sum += piece[n];
  printf("%ld", sum);
}
""",
    "FLOOD": '#include <stdio.h>\nint main(void) { for (;;) puts("xxxxxxxxxxxxxxxx"); }',
}

CPP = {
    "HELLO": '#include <iostream>\nint main() { std::cout << "héllo wörld €😀\\n"; }',
    "SUM": """
#include <bits/stdc++.h>
int main() {
  long long sum = 0;
  for (long long each; std::cin >> each;) sum += each;
  std::cout << sum << std::endl;
}
""",
    "BROKEN": "int main() { std::vector<int> v; }",
    "CRASH": "#include <vector>\nint main() { return std::vector<int>().at(1); }",
    "DEEP": C["DEEP"].replace("(void)", "()"),
    "BUSY": "int main() { volatile unsigned n = 0; for (;;) n = n + 1; }",
    "SLEEP": "#include <chrono>\n#include <thread>\n"
    "int main() { std::this_thread::sleep_for(std::chrono::hours(1)); }",
    "MEMORY": "#include <list>\nint main() { std::list<long> kept; for (;;) kept.push_back(1); }",
    "HUGE": "#include <cstdio>\n#include <vector>\n"
    'int main() { std::vector<char> kept(3ULL << 30, 1); printf("%zu", kept.size()); }',
    "FLOOD": '#include <iostream>\nint main() { for (;;) std::cout << "xxxxxxxxxxxxxxxx\\n"; }',
}

JAVA = {
    "HELLO": """
public class Main {
  public static void main(String[] arguments) { System.out.println("héllo wörld €😀"); }
}
""",
    "SUM": """
package org.example;

import java.util.*;

public class Solution {
  public static void main(String[] arguments) {
    Scanner in = new Scanner(System.in);
    long sum = 0;
    while (in.hasNextLong()) sum += in.nextLong();
    System.out.println(sum);
  }
}
""",
    "BROKEN": "class Main { int x = ; }",
    "CRASH": "class Main { public static void main(String[] a) { System.out.println(a[1]); } }",
    "DEEP": """
class Main {
  static int depth(int n) { return n == 0 ? 0 : 1 + depth(n - 1); }
  public static void main(String[] arguments) { System.out.println(depth(50_000)); }
}
""",
    "BUSY": "class Main { public static void main(String[] a) { for (long n = 0;; n++) {} } }",
    "SLEEP": """
class Main {
  public static void main(String[] a) throws InterruptedException { Thread.sleep(1_000_000); }
}
""",
    "MEMORY": """
import java.util.*;

class Main {
  public static void main(String[] arguments) {
    List<int[]> kept = new ArrayList<>();
    for (;;) kept.add(new int[1000]);
  }
}
""",
    "HUGE": """
class Main {
  public static void main(String[] a) { System.out.println(new long[400_000_000].length); }
}
""",
    "FLOOD": """
class Main {
  public static void main(String[] a) { for (;;) System.out.println("x".repeat(1000)); }
}
""",
}

JAVASCRIPT = {
    "HELLO": "console.log('héllo wörld €😀');",
    "SUM": """
const words = require('fs').readFileSync(0, 'utf8').split(/\\s+/).filter(Boolean);
console.log(words.reduce((sum, word) => sum + Number(word), 0));
""",
    "BROKEN": "console.log(1",
    "CRASH": "undefined.nothing;",
    "DEEP": "function depth(n) { return n === 0 ? 0 : 1 + depth(n - 1); }\n"
    "console.log(depth(50000));",
    "BUSY": "for (;;) {}",
    "SLEEP": "setTimeout(() => {}, 1000000);",
    "MEMORY": "const kept = [];\nfor (;;) kept.push({ n: kept.length, more: [1, 2, 3] });",
    "HUGE": "console.log(new Array(1e8).fill(1).concat(new Array(1e8).fill(2)).length);",
    "FLOOD": "for (;;) console.log('x'.repeat(1000));",
}

GO = {
    "HELLO": 'package main\n\nimport "fmt"\n\nfunc main() { fmt.Println("héllo wörld €😀") }',
    "SUM": """
package main

import "fmt"

func main() {
	var sum, each int64
	for {
		if _, err := fmt.Scan(&each); err != nil {
			break
		}
		sum += each
	}
	fmt.Println(sum)
}
""",
    "BROKEN": "package main\n\nfunc main() { unused := 1 }",
    "CRASH": 'package main\n\nfunc main() { panic("no") }',
    "DEEP": """
package main

import "fmt"

func depth(n int) int {
	if n == 0 {
		return 0
	}
	return 1 + depth(n-1)
}

func main() { fmt.Println(depth(50000)) }
""",
    "BUSY": "package main\n\nfunc main() {\n\tfor n := 0; ; n++ {\n\t}\n}",
    "SLEEP": 'package main\n\nimport "time"\n\nfunc main() { time.Sleep(time.Hour) }',
    "MEMORY": """
package main

var kept [][]byte

func main() {
	for {
		piece := make([]byte, 100000)
		for n := range piece {
			piece[n] = 1
		}
		kept = append(kept, piece)
	}
}
""",
    "HUGE": """
package main

func main() {
	piece := make([]byte, 3<<30)
	for n := range piece {
		piece[n] = 1
	}
	println(len(piece))
}
""",
    "FLOOD": 'package main\n\nimport "fmt"\n\nfunc main() {\n\tfor {\n\t\tfmt.Println("xxxxx")\n\t}\n}',
}
RUST = {
    "HELLO": 'fn main() { println!("héllo wörld €😀"); }',
    "SUM": """
use std::io::Read;

fn main() {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).unwrap();
    let sum: i64 = text.split_whitespace().map(|word| word.parse::<i64>().unwrap()).sum();
    println!("{}", sum);
}
""",
    "BROKEN": "fn main() { let text = String::new(); drop(text); drop(text); }",
    "CRASH": 'fn main() { let none: Option<i32> = None; none.expect("no"); }',
    "DEEP": """
fn depth(n: u32) -> u32 {
    let frame = [n; 100];
    let same = unsafe { std::ptr::read_volatile(&frame[7]) };
    if same == 0 { 0 } else { same - (n - 1) + depth(n - 1) }
}

fn main() { println!("{}", depth(50_000)); }
""",
    "BUSY": "fn main() { loop { std::sync::atomic::compiler_fence(std::sync::atomic::Ordering::SeqCst); } }",
    "SLEEP": "fn main() { std::thread::sleep(std::time::Duration::from_secs(1000)); }",
    "MEMORY": "fn main() { let mut kept = Vec::new(); loop { kept.push(vec![1u8; 100_000]); } }",
    "HUGE": 'fn main() { let kept = vec![1u8; 3 << 30]; println!("{}", kept.len()); }',
    "FLOOD": 'fn main() { loop { println!("{}", "x".repeat(1000)); } }',
}

PROGRAMS = {
    "python": PYTHON,
    "c": C,
    "cpp": CPP,
    "cpp17": CPP,
    "java": JAVA,
    "javascript": JAVASCRIPT,
    "go": GO,
    "rust": RUST,
}
