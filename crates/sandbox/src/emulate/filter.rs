//! The system-call filter, in the kernel's classic BPF.
//!
//! Written out here because one filter must both refuse and refer, which no filter library of ours can express.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use libc::{BPF_ABS, BPF_ALU, BPF_AND, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, sock_filter};

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;

/// Calls that wait for a disk. They succeed at once: all that is written here is thrown away or synced by the caller.
const SYNC: &[libc::c_long] = &[
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_sync,
    libc::SYS_syncfs,
    libc::SYS_msync,
    libc::SYS_sync_file_range,
];

/// Calls that make device nodes, and which argument is the mode.
const NODES: &[(libc::c_long, u32)] = &[
    (libc::SYS_mknodat, 2),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_mknod, 1),
];

/// Calls that are about owners or become somebody else.
const OWNERSHIP: &[libc::c_long] = &[
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_setgroups,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lstat,
];

const DO_NOTHING: u32 = libc::SECCOMP_RET_ERRNO;
const REFER: u32 = libc::SECCOMP_RET_USER_NOTIF;
const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;

/// The filter's program. Programs of another machine type are not filtered; `single` adds the calls about ownership.
fn program(single: bool) -> Vec<sock_filter> {
    let statement = |code: u32, k: u32| sock_filter { code: code as u16, jt: 0, jf: 0, k };
    let unless = |k: u32, skip: u8| sock_filter { code: (BPF_JMP | BPF_JEQ | BPF_K) as u16, jt: 0, jf: skip, k };
    // Offsets into `struct seccomp_data`: the number is at 0, the machine at 4, the arguments from 16 on.
    let load = |offset: u32| statement(BPF_LD | BPF_W | BPF_ABS, offset);
    let give = |action: u32| statement(BPF_RET | BPF_K, action);
    let number = |call: libc::c_long| u32::try_from(call).expect("system call numbers are small");
    let mut code = vec![load(4), sock_filter { jt: 1, ..unless(ARCHITECTURE, 0) }, give(ALLOW), load(0)];
    let mut on = |call, action| code.extend([unless(number(call), 1), give(action)]);
    SYNC.iter().for_each(|call| on(*call, DO_NOTHING));
    if single {
        OWNERSHIP.iter().for_each(|call| on(*call, REFER));
    }
    for (call, argument) in NODES {
        code.extend([
            unless(number(*call), 7),
            load(16 + 8 * argument),
            statement(BPF_ALU | BPF_AND | BPF_K, libc::S_IFMT),
            unless(libc::S_IFCHR, 1),
            give(REFER),
            unless(libc::S_IFBLK, 1),
            give(REFER),
            give(ALLOW),
        ]);
    }
    code.push(give(ALLOW));
    code
}

/// Puts this process and its descendants under the filter; gives the descriptor on which referred calls arrive.
pub(crate) fn install(single: bool) -> io::Result<OwnedFd> {
    let code = program(single);
    let program = libc::sock_fprog { len: u16::try_from(code.len()).expect("short"), filter: code.as_ptr().cast_mut() };
    let apply = |flags: libc::c_ulong| {
        // SAFETY: the program is alive during the call, which copies it; it is checked by the kernel.
        let fd = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) };
        if fd < 0 { Err(io::Error::last_os_error()) } else { Ok(fd) }
    };
    // Without the second flag (Linux 5.19) a signal may make a program repeat a referred call; that is harmless here.
    let fd = apply(libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)
        .or_else(|_| apply(libc::SECCOMP_FILTER_FLAG_NEW_LISTENER))?;
    // SAFETY: the kernel has just made this descriptor for us; it is close-on-exec.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a filter as the kernel does, for the instructions that ours uses.
    fn judge(code: &[sock_filter], machine: u32, number: libc::c_long, arguments: [u64; 6]) -> u32 {
        let mut at = 0;
        let mut accumulator = 0u32;
        loop {
            let sock_filter { code: op, jt, jf, k } = code[at];
            at += 1;
            match u32::from(op) {
                op if op == BPF_LD | BPF_W | BPF_ABS => {
                    accumulator = match k {
                        0 => number as u32,
                        4 => machine,
                        k => arguments[(k as usize - 16) / 8] as u32,
                    }
                }
                op if op == BPF_ALU | BPF_AND | BPF_K => accumulator &= k,
                op if op == BPF_JMP | BPF_JEQ | BPF_K => at += usize::from(if accumulator == k { jt } else { jf }),
                op if op == BPF_RET | BPF_K => return k,
                other => panic!("unknown instruction {other}"),
            }
        }
    }

    #[test]
    fn calls_are_judged() {
        let check = |single: bool, call: libc::c_long, arguments: [u64; 6], expected: u32| {
            let verdict = judge(&program(single), ARCHITECTURE, call, arguments);
            assert_eq!(verdict, expected, "single: {single}, call {call}, {arguments:?}");
        };
        let mode = |bits: u32| [0, 0, u64::from(bits), 0, 0, 0];
        for single in [false, true] {
            check(single, libc::SYS_fsync, [3, 0, 0, 0, 0, 0], DO_NOTHING);
            check(single, libc::SYS_read, [3, 0, 0, 0, 0, 0], ALLOW);
            check(single, libc::SYS_mknodat, mode(libc::S_IFCHR | 0o600), REFER);
            check(single, libc::SYS_mknodat, mode(libc::S_IFBLK), REFER);
            check(single, libc::SYS_mknodat, mode(libc::S_IFIFO | 0o600), ALLOW);
            check(single, libc::SYS_mknodat, mode(0o644), ALLOW);
        }
        check(false, libc::SYS_fchown, [0; 6], ALLOW);
        check(true, libc::SYS_fchown, [0; 6], REFER);
        check(true, libc::SYS_setgroups, [0; 6], REFER);
    }

    #[test]
    fn other_machines_are_left_alone() {
        assert_eq!(judge(&program(true), 0x4000_0003, libc::SYS_fsync, [0; 6]), ALLOW);
    }
}
