"""The system calls that a program may make: a list of what is allowed, not of what is not.

Docker's own list differs between versions, and older ones let through what opens ways
to the host (vsock sockets, io_uring) or into other processes (ptrace). A call that only
an attack makes ends the program with SIGSYS, so that it can be told; what a runtime may
try and do without is refused. So is `sync`, with which the host would write all its disks.
"""

import errno
import json
from typing import Any

_FILES = """
    access chdir chmod chown close close_range copy_file_range creat dup dup2 dup3 eventfd
    eventfd2 faccessat faccessat2 fadvise64 fallocate fchdir fchmod fchmodat fchmodat2 fchown
    fchownat fcntl fdatasync fgetxattr flistxattr flock fstat fstatfs fsync ftruncate
    futimesat getcwd getdents getdents64 getxattr inotify_add_watch inotify_init
    inotify_init1 inotify_rm_watch ioctl lchown lgetxattr link linkat listxattr llistxattr
    lseek lstat memfd_create mkdir mkdirat newfstatat open openat openat2 pipe pipe2 pread64
    preadv preadv2 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv rename
    renameat renameat2 rmdir sendfile splice stat statfs statx symlink symlinkat
    sync_file_range tee truncate umask unlink unlinkat utime utimensat utimes
    vmsplice write writev
"""
_WAITING = """
    epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait poll ppoll
    pselect6 select signalfd signalfd4 timerfd_create timerfd_gettime timerfd_settime
"""
_MEMORY = """
    brk madvise membarrier mincore mlock mlock2 mlockall mmap mprotect mremap msync munlock
    munlockall munmap get_mempolicy
"""
_PROCESSES = """
    arch_prctl capget execve execveat exit exit_group fork futex futex_waitv
    get_robust_list getcpu getegid geteuid getgid getgroups getpgid getpgrp getpid getppid
    getpriority getresgid getresuid getrlimit getrusage getsid gettid getuid ioprio_get
    pidfd_open pidfd_send_signal prctl prlimit64 restart_syscall rseq sched_get_priority_max
    sched_get_priority_min sched_getaffinity sched_getattr sched_getparam
    sched_getscheduler sched_rr_get_interval sched_setaffinity sched_setparam
    sched_setscheduler sched_yield set_robust_list set_thread_area set_tid_address setfsgid
    setfsuid setgid setgroups setpgid setpriority setregid setresgid setresuid setreuid
    setrlimit setsid setuid sysinfo tgkill times tkill uname vfork wait4 waitid
"""
_SIGNALS_AND_TIME = """
    alarm clock_getres clock_gettime clock_nanosleep getitimer getrandom gettimeofday kill
    nanosleep pause rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn
    rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo setitimer sigaltstack time
    timer_create timer_delete timer_getoverrun timer_gettime timer_settime
"""
# With these a program is held to its folders; it can but take more from itself with them.
_LANDLOCK = "landlock_add_rule landlock_create_ruleset landlock_restrict_self"
# For the sockets that `_of_unix` gives.
_SOCKETS = """
    accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg
    recvmsg sendmmsg sendmsg sendto setsockopt shutdown
"""
_ATTACKS = """
    acct add_key bpf delete_module finit_module fsconfig fsmount fsopen fspick init_module
    ioperm iopl kcmp kexec_file_load kexec_load keyctl lookup_dcookie mount mount_setattr
    move_mount move_pages name_to_handle_at open_by_handle_at open_tree perf_event_open
    pidfd_getfd pivot_root process_madvise process_vm_readv process_vm_writev ptrace
    quotactl quotactl_fd reboot request_key setns swapoff swapon umount umount2 unshare
    userfaultfd vhangup
"""
# Runtimes try these and have another way where the kernel does not know them.
_UNKNOWN = "clone3 io_uring_enter io_uring_register io_uring_setup"

_AF_UNIX = 1
# All flags of `clone` that make a namespace.
_CLONE_NAMESPACES = 0x7E020000


def profile() -> str:
    """Returns the profile as the JSON that Docker takes."""
    allowed = _FILES + _WAITING + _MEMORY + _PROCESSES + _SIGNALS_AND_TIME + _SOCKETS + _LANDLOCK
    rules: list[dict[str, Any]] = [
        _rule(allowed, "SCMP_ACT_ALLOW"),
        _rule(_ATTACKS, "SCMP_ACT_KILL_PROCESS"),
        {**_rule(_UNKNOWN, "SCMP_ACT_ERRNO"), "errnoRet": errno.ENOSYS},
        _rule("clone", "SCMP_ACT_ALLOW", _masked(0, _CLONE_NAMESPACES, 0)),
    ]
    rules += _of_unix("socket") + _of_unix("socketpair")
    return json.dumps({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": rules})


def _of_unix(name: str) -> list[dict[str, Any]]:
    """Returns rules that give sockets within one machine, and no others.

    What waits in those is charged to the container. What waits on loopback in TCP and UDP
    is not, where control groups are of version 1: it would take the host's own memory.
    And for other families the kernel may load modules that nobody uses.
    """
    others = _rule(name, "SCMP_ACT_ERRNO", _compared("SCMP_CMP_NE", 0, _AF_UNIX))
    return [
        _rule(name, "SCMP_ACT_ALLOW", _compared("SCMP_CMP_EQ", 0, _AF_UNIX)),
        {**others, "errnoRet": errno.EAFNOSUPPORT},
    ]


def _rule(names: str, action: str, *arguments: dict[str, Any]) -> dict[str, Any]:
    return {"names": names.split(), "action": action, "args": list(arguments)}


def _compared(how: str, index: int, value: int) -> dict[str, Any]:
    return {"index": index, "value": value, "op": how}


def _masked(index: int, mask: int, value: int) -> dict[str, Any]:
    return {"index": index, "value": mask, "valueTwo": value, "op": "SCMP_CMP_MASKED_EQ"}
