/* Becomes a program that nobody trusts: limits, another user, nothing inherited.
 *
 * usage: start FAILURE USER PROCESSES CPU_SECONDS FILE_BYTES FOLDER PROGRAM [ARGUMENT...]
 *
 * The runner starts this without copying itself, since a fork of Python costs more than
 * the whole life of a small program. For the same reason it stands without a C library:
 * what that does before main, on a virtual machine, takes longer than all of this.
 *
 * The program is a child of the runner, not of this: the kernel would add the runner's
 * memory, which this shares until it is executed, to the peak of what this becomes.
 *
 * On descriptor FAILURE the program's process id is written with a new line, and then what
 * cannot be done; it is closed on execution. The exit status is 127 where that fails.
 *
 * A program below /build was made from a source that nobody trusts either: one that cannot be
 * executed is told on its own standard error, with status 126.
 *
 * cc -O2 -static -nostdlib -ffreestanding -fno-stack-protector -o start start.c
 */
#include <asm/unistd.h>
#include <linux/fcntl.h>
#include <linux/landlock.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/signal.h>

enum { FILES_OPEN = 1024, CLOSE_ON_EXECUTION = 1, UNFIT = 126, HELD = 127 };
/* Deep recursion is legitimate; memory is what bounds it. No more, since each thread of a
 * program in C reserves as much. */
#define STACK_BYTES (1UL << 30)

#if defined(__x86_64__)
__asm__(".globl _start\n_start:\n mov %rsp, %rdi\n and $-16, %rsp\n call begin\n");
static long call(long number, long a, long b, long c, long d) {
  long result;
  register long fourth __asm__("r10") = d;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth)
                   : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
__asm__(".globl _start\n_start:\n mov x0, sp\n bl begin\n");
static long call(long number, long a, long b, long c, long d) {
  register long which __asm__("x8") = number;
  register long first __asm__("x0") = a;
  register long second __asm__("x1") = b;
  register long third __asm__("x2") = c;
  register long fourth __asm__("x3") = d;
  __asm__ volatile("svc 0"
                   : "+r"(first)
                   : "r"(which), "r"(second), "r"(third), "r"(fourth)
                   : "memory");
  return first;
}
#else
#error "the sandbox runs on x86-64 and on 64-bit ARM"
#endif

static long failure;

static void say(const char *text) {
  long length = 0;
  while (text[length]) length++;
  call(__NR_write, failure, (long)text, length, 0);
}

/* In one piece, with a new line after it. */
static void say_number(long value) {
  char digits[24];
  char *digit = digits + sizeof digits - 1;
  *digit = 0;
  *--digit = '\n';
  for (; value; value /= 10) *--digit = (char)('0' + value % 10);
  say(digit);
}

static long must(long result, const char *what) {
  if (result >= 0) return result;
  say(what);
  say(": error ");
  say_number(-result);
  for (;;) call(__NR_exit_group, HELD, 0, 0, 0);
}

static unsigned long number(const char *text) {
  unsigned long value = 0;
  while (*text) value = 10 * value + (unsigned long)(*text++ - '0');
  return value;
}

/* Whether a compiler made it. */
static int is_made(const char *program) {
  const char *folder = "/build/";
  while (*folder && *program == *folder) folder++, program++;
  return !*folder;
}

static void limit(long resource, unsigned long value) {
  const unsigned long both[2] = {value, value};
  must(call(__NR_prlimit64, 0, resource, (long)both, 0), "prlimit");
}

/* To a size that a program may raise as far as it could before, as those in Python often do. */
static void limit_stack(unsigned long value) {
  unsigned long both[2];
  must(call(__NR_prlimit64, 0, RLIMIT_STACK, 0, (long)both), "prlimit");
  both[0] = value < both[1] ? value : both[1];
  must(call(__NR_prlimit64, 0, RLIMIT_STACK, (long)both, 0), "prlimit");
}

/* Leaves a program its folders where it may write, the devices that swallow what is written,
 * and of what it may read all but the container's counters: by those one case could tell
 * another what it was given.
 *
 * The owners of files are a wall already. They leave a program its own files in /proc, by
 * which it could say that the runner is to go first when memory runs out. Linux before
 * 5.19, gVisor, or an engine that knows no Landlock do without. */
static void allow(long rules, const char *folder, unsigned long what) {
  struct landlock_path_beneath_attr rule;
  rule.allowed_access = what;
  rule.parent_fd = (int)must(call(__NR_openat, AT_FDCWD, (long)folder, O_PATH, 0), folder);
  must(call(__NR_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, (long)&rule, 0), folder);
  call(__NR_close, rule.parent_fd, 0, 0, 0);
}

/* Of one file, where there is one of this name. */
static void allow_reading(long rules, const char *file) {
  const long found = call(__NR_openat, AT_FDCWD, (long)file, O_PATH, 0);
  if (found < 0) return;
  call(__NR_close, found, 0, 0, 0);
  allow(rules, file, LANDLOCK_ACCESS_FS_READ_FILE);
}

static void keep_to(const char *folder) {
  /* All of them from the second version on; with the first, no file could change folders. */
  const unsigned long writing =
      LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
      LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |
      LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
      LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER;
  const unsigned long reading = LANDLOCK_ACCESS_FS_READ_FILE;
  const unsigned long both = reading | writing;
  const long version =
      call(__NR_landlock_create_ruleset, 0, 0, LANDLOCK_CREATE_RULESET_VERSION, 0);
  if (version < 2) return;
  const long rules =
      must(call(__NR_landlock_create_ruleset, (long)&both, sizeof both, 0, 0), "landlock");
  allow(rules, "/usr", reading);
  allow(rules, "/etc", reading);
  allow(rules, "/opt", reading);
  allow(rules, "/dev", reading);
  allow(rules, "/proc", reading);
  allow(rules, "/build", reading);
  allow(rules, "/sys/devices", reading);
  allow(rules, "/sys/kernel", reading);
  /* By their limit Java and Node choose the size of what they begin with, which would be the
   * host's without: it is no counter, and the same for all cases. */
  allow_reading(rules, "/sys/fs/cgroup/memory/memory.limit_in_bytes");
  allow_reading(rules, "/sys/fs/cgroup/memory.max");
  allow(rules, "/dev/null", LANDLOCK_ACCESS_FS_WRITE_FILE);
  allow(rules, "/dev/zero", LANDLOCK_ACCESS_FS_WRITE_FILE);
  allow(rules, "/dev/full", LANDLOCK_ACCESS_FS_WRITE_FILE);
  allow(rules, "/scratch", both);
  allow(rules, "/dev/shm", writing);
  allow(rules, folder, both);
  must(call(__NR_landlock_restrict_self, rules, 0, 0, 0), "landlock");
  call(__NR_close, rules, 0, 0, 0);
}

/* The stack holds the count of words, the words, a null, the environment, a null. */
__attribute__((used, noreturn)) void begin(long *stack) {
  char **words = (char **)(stack + 1);
  char **environment = words + stack[0] + 1;
  if (stack[0] < 8) must(-HELD, "words");
  failure = (long)number(words[1]);
  const long user = (long)number(words[2]);
  must(call(__NR_fcntl, failure, F_SETFD, CLOSE_ON_EXECUTION, 0), "fcntl");

  if (must(call(__NR_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0), "clone"))
    for (;;) call(__NR_exit_group, 0, 0, 0, 0);
  say_number(call(__NR_getpid, 0, 0, 0, 0));

  limit(RLIMIT_NPROC, number(words[3]));
  limit(RLIMIT_CPU, number(words[4]));
  limit(RLIMIT_FSIZE, number(words[5]));
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_NOFILE, FILES_OPEN);
  limit_stack(STACK_BYTES);
  limit(RLIMIT_MEMLOCK, 0);
  limit(RLIMIT_MSGQUEUE, 0);

  /* When memory runs out, the program goes and the runner stays. */
  const long score =
      must(call(__NR_openat, AT_FDCWD, (long)"/proc/self/oom_score_adj", O_WRONLY, 0), "open");
  must(call(__NR_write, score, (long)"1000", 4, 0), "oom_score_adj");
  call(__NR_close, score, 0, 0, 0);
  keep_to(words[6]);

  /* Its capabilities go with the user. */
  must(call(__NR_setgroups, 0, 0, 0, 0), "setgroups");
  must(call(__NR_setresgid, user, user, user, 0), "setresgid");
  must(call(__NR_setresuid, user, user, user, 0), "setresuid");
  call(__NR_umask, 022, 0, 0, 0);
  must(call(__NR_chdir, (long)words[6], 0, 0, 0), "chdir");
  const long refused = call(__NR_execve, (long)words[7], (long)(words + 7), (long)environment, 0);
  if (!is_made(words[7])) must(refused, words[7]);
  failure = 2;
  say("the program cannot be executed: error ");
  say_number(-refused);
  for (;;) call(__NR_exit_group, UNFIT, 0, 0, 0);
}
