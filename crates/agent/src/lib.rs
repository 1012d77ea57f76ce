//! The policy: what each system call means in the namespace of its run.
//!
//! The agent is given a namespace, a store of placeholders and a listener. It knows no protocol and no driver, and sees
//! neither registers nor raw pointers.

mod agent;
mod content;
mod dentries;
mod dispatch;
mod elf;
pub mod identity;
mod junctions;
mod magic;
mod object;
mod outcome;
mod pending;
mod permission;
mod programs;
mod resolve;
mod runs;
pub mod syscalls;
mod tasks;
pub mod trace;
mod unix_sockets;
mod watches;

pub use agent::{Agent, Config, Lost};
pub use trace::Tracer;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, also after a panic elsewhere: every structure here is whole between statements.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
