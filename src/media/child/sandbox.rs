//! Sandbox: resource limits, access to the requested files only, no network, no other processes.
//!
//! Four independent layers: rlimits, Landlock (as far as the kernel supports it), seccomp with no_new_privs, and a low
//! priority. A program that the child executes inherits all of them.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, RulesetStatus, Scope,
};
use rustix::process::{Resource, Rlimit, getpid, nice, setrlimit};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};

use crate::media::protocol::{ChildLimits, ChildRequest, ChildTask};

type SandboxResult<T> = Result<T, Box<dyn std::error::Error>>;

/// Paths where programs find their libraries, fonts and tables; without secrets or user data.
const READABLE_SYSTEM_PATHS: [&str; 8] =
    ["/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/fonts", "/var/cache/fontconfig", "/dev/null", "/dev/urandom"];
/// Loaders, which are executed beside the program itself.
const DYNAMIC_LOADERS: [&str; 2] = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"];
/// Highest Landlock ABI whose rights are requested.
const LANDLOCK_ABI: ABI = ABI::V6;

/// Confines this process irrevocably. Returns the enforcement of Landlock: `full`, `partial` or `none`.
pub(super) fn enter_sandbox(order: &ChildRequest) -> Result<String, String> {
    set_rlimits(order.bounds).map_err(|error| format!("the limits cannot be set: {error}"))?;
    let status = apply_landlock(order).map_err(|error| format!("Landlock: {error}"))?;
    apply_seccomp().map_err(|error| format!("seccomp: {error}"))?;
    Ok(match status {
        RulesetStatus::FullyEnforced => "full",
        RulesetStatus::PartiallyEnforced => "partial",
        RulesetStatus::NotEnforced => "none",
    }
    .to_owned())
}

fn set_rlimits(bounds: ChildLimits) -> rustix::io::Result<()> {
    let set = |resource, soft, hard| setrlimit(resource, Rlimit { current: Some(soft), maximum: Some(hard) });
    set(Resource::Core, 0, 0)?;
    set(Resource::As, bounds.memory, bounds.memory)?;
    // Programs that catch SIGXCPU get two more seconds, then SIGKILL.
    set(Resource::Cpu, bounds.cpu, bounds.cpu + 2)?;
    set(Resource::Fsize, bounds.output, bounds.output)?;
    set(Resource::Nofile, 64, 64)?;
    nice(10).map(|_| ())
}

fn apply_landlock(order: &ChildRequest) -> SandboxResult<RulesetStatus> {
    let read = AccessFs::ReadFile.into();
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(LANDLOCK_ABI))?
        .handle_access(AccessNet::from_all(LANDLOCK_ABI))?
        .scope(Scope::from_all(LANDLOCK_ABI))?
        .create()?;
    for file in &order.reads {
        rules = allow_path(rules, file, read)?;
    }
    for file in &order.writes {
        rules = allow_path(rules, file, AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate)?;
    }
    if let ChildTask::Tool { program, .. } = &order.work {
        for path in READABLE_SYSTEM_PATHS.map(PathBuf::from).iter().filter(|path| path.exists()) {
            let rights = if path.is_dir() { read | AccessFs::ReadDir } else { read };
            rules = allow_path(rules, path, rights)?;
        }
        let loaders = DYNAMIC_LOADERS.map(PathBuf::from);
        for path in loaders.iter().chain([program]).filter(|path| path.exists()) {
            rules = allow_path(rules, path, read | AccessFs::Execute)?;
        }
    }
    Ok(rules.restrict_self()?.ruleset)
}

fn allow_path(rules: RulesetCreated, path: &Path, rights: BitFlags<AccessFs>) -> SandboxResult<RulesetCreated> {
    Ok(rules.add_rule(PathBeneath::new(PathFd::new(path)?, rights))?)
}

/// System calls that no decoder needs and that reach the network, other processes or kernel internals.
const DENIED_SYSCALLS: [i64; 66] = [
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_setrlimit,
    // Memory outside the limits.
    libc::SYS_memfd_create,
    libc::SYS_memfd_secret,
    libc::SYS_shmget,
    libc::SYS_msgget,
    libc::SYS_semget,
    libc::SYS_mq_open,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
];

fn apply_seccomp() -> SandboxResult<()> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let apply = |rules: Vec<(i64, Vec<SeccompRule>)>, errno: i32| -> SandboxResult<()> {
        let errno = SeccompAction::Errno(errno.unsigned_abs());
        let filter = SeccompFilter::new(rules.into_iter().collect(), SeccompAction::Allow, errno, arch)?;
        let program: BpfProgram = filter.try_into()?;
        Ok(seccompiler::apply_filter(&program)?)
    };
    // The flags of clone3 are in memory, invisible to filters; the C library falls back to clone.
    apply(vec![(libc::SYS_clone3, Vec::new())], libc::ENOSYS)?;
    let mut rules: Vec<_> = DENIED_SYSCALLS.into_iter().map(|call| (call, Vec::new())).collect();
    #[cfg(target_arch = "x86_64")]
    {
        rules
            .extend([libc::SYS_fork, libc::SYS_vfork, libc::SYS_iopl, libc::SYS_ioperm].map(|call| (call, Vec::new())));
        rules.extend(x32_rules());
    }
    rules.push((libc::SYS_clone, vec![process_clone_rule()?]));
    rules.push((libc::SYS_prlimit64, vec![set_limit_rule()?]));
    rules.push((libc::SYS_tgkill, vec![foreign_signal_rule()?]));
    apply(rules, libc::EPERM)
}

/// Denied calls by the numbers of the x32 ABI, which has the same architecture value in filters.
#[cfg(target_arch = "x86_64")]
fn x32_rules() -> Vec<(i64, Vec<SeccompRule>)> {
    const X32_SYSCALL_BIT: i64 = 0x4000_0000;
    // sendmsg, ptrace, rt_sigqueueinfo, kexec_load, rt_tgsigqueueinfo, sendmmsg, process_vm_readv, process_vm_writev,
    // and the calls that start processes.
    let own = [518, 521, 524, 528, 536, 538, 539, 540, libc::SYS_clone, libc::SYS_fork, libc::SYS_vfork];
    DENIED_SYSCALLS.into_iter().chain(own).map(|call| (call | X32_SYSCALL_BIT, Vec::new())).collect()
}

/// Matches a clone that does not create a thread.
fn process_clone_rule() -> SandboxResult<SeccompRule> {
    let thread = u64::from(libc::CLONE_THREAD.unsigned_abs());
    let absent = SeccompCondition::new(0, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(thread), 0)?;
    Ok(SeccompRule::new(vec![absent])?)
}

/// Matches prlimit64 calls that set a limit: root could raise the limits.
fn set_limit_rule() -> SandboxResult<SeccompRule> {
    Ok(SeccompRule::new(vec![SeccompCondition::new(2, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, 0)?])?)
}

/// Matches signals to other processes; abort() sends a signal to its own process.
fn foreign_signal_rule() -> SandboxResult<SeccompRule> {
    let own = u64::from(getpid().as_raw_nonzero().get().unsigned_abs());
    Ok(SeccompRule::new(vec![SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, own)?])?)
}
