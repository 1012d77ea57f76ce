//! A system call as the kernel reports it.

use std::fmt;

/// A thread's id, as this process's pid namespace numbers it. The id of a process is that of its leading thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tid(pub i32);

impl fmt::Display for Tid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An address in a tracee's memory: a number to us, never dereferenced.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserPtr(pub u64);

impl UserPtr {
    /// Whether it is the null pointer.
    #[must_use]
    pub const fn is_null(self) -> bool {
        self.0 == 0
    }

    /// The address `bytes` further on. Wraps around as the tracee's own arithmetic would; such an address is not
    /// mapped, so using it is [`MemoryError::Fault`](crate::memory::MemoryError::Fault).
    #[must_use]
    pub const fn offset(self, bytes: u64) -> UserPtr {
        UserPtr(self.0.wrapping_add(bytes))
    }
}

impl fmt::Debug for UserPtr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserPtr({:#x})", self.0)
    }
}

/// By which table of numbers and which layout of structures a call was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Abi {
    /// The processor's own 64-bit calls.
    Native,
    /// i386 calls on x86_64: 32-bit programs, and `int 0x80` from 64-bit ones.
    I386,
    /// x32 calls on x86_64: 64-bit registers, 32-bit pointers, bit 30 set in the number.
    X32,
}

/// One system call: number and arguments, as they stood in the registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Which table `number` belongs to.
    pub abi: Abi,
    /// The number; of an x32 call without bit 30.
    pub number: u32,
    /// The six argument registers. Of an i386 call the upper halves are zero.
    pub args: [u64; 6],
    /// The address of the instruction after the one that made the call.
    pub ip: u64,
}

impl Call {
    /// Argument `index` (0..=5) as an address.
    #[must_use]
    pub const fn pointer(&self, index: usize) -> UserPtr {
        UserPtr(self.args[index])
    }

    /// Argument `index` (0..=5) as the kernel reads an `int`: its low 32 bits.
    #[must_use]
    pub const fn int(&self, index: usize) -> i32 {
        self.args[index] as i32
    }
}

/// A call that the filter handed to us. The thread that made it waits until it is answered, resumed or killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Names this notification among all of its listener's.
    pub id: u64,
    /// The calling thread; 0 if it is not visible from this pid namespace.
    pub tid: Tid,
    /// What it asked for.
    pub call: Call,
}
