//! The mechanism of interception: how system calls of unmodified programs reach the agent, and what it can do to the
//! program that made one.
//!
//! | module | what it gives |
//! |---|---|
//! | [`filter`] | a pure compiler from rows (number, verdict) to the seccomp filter, with its interpreter |
//! | [`handover`] | the door between an agent and a Mynah that is started below it |
//! | [`launch`] | starts a program under a filter and hands its [`Listener`](listener::Listener) to the caller |
//! | [`listener`] | notifications received, answered, resumed; descriptors handed into the program. By a seccomp listener, or by tracing |
//! | [`memory`] | bytes and strings of a tracee |
//! | [`pidfd`] | a process held by descriptor; its descriptors fetched |
//! | [`transient`] | ptrace in passing: a call performed as another one, execve of another file, safe restarts |
//! | [`subreaper`] | children and orphans: adopted, looked at and reaped without disturbing [`transient`] |
//! | `signal_frame` | calls that a signal took away before they were received, begun again (x86_64) |
//! | [`elsewhere`] | work done from another working directory or root |
//! | [`auxv`] | the auxiliary vector |
//! | [`arch`] | kernel structures as bytes |
//! | [`probe`] | what this machine allows |
//!
//! There is no policy here: no rule about paths, no mount, no choice of an errno. In turn no user of this crate
//! sees a register or a raw pointer. This is the one crate of the workspace in which unsafe code is allowed; each
//! block does one thing and says why it holds.
//!
//! What differs by processor (x86_64, aarch64) is in [`arch`].

pub mod arch;
pub mod auxv;
mod call;
pub mod elsewhere;
pub mod filter;
pub mod handover;
pub mod launch;
pub mod leases;
pub mod listener;
mod mechanism;
pub mod memory;
pub mod pidfd;
pub mod probe;
mod ptrace;
#[cfg(target_arch = "x86_64")]
pub mod signal_frame;
pub mod subreaper;
mod sys;
mod trace;
pub mod transient;

pub use call::{Abi, Call, Notification, Tid, UserPtr};
pub use mechanism::Mechanism;
