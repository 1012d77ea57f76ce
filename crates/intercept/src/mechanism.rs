//! The two ways in which trapped calls can reach us.

use std::fmt;

/// How the kernel tells of a call that the filter does not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// A seccomp listener: the call waits, the program is not traced, and debuggers work inside.
    Listener,
    /// seccomp's RET_TRACE: every task is traced for as long as it lives. For where no listener can be had, because another
    /// supervisor has the one that a task can have, or because the kernel gives none.
    Trace,
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mechanism::Listener => "listener",
            Mechanism::Trace => "trace",
        })
    }
}
