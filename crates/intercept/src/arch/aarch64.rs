//! aarch64. Its 32-bit guests are not served: their calls get ENOSYS from the filter.

use std::io;

use super::{Numbers, Stub, put};
use crate::arch::{OwnerAt, StatFields};
use crate::{Abi, Call, sys};

/// `AUDIT_ARCH_AARCH64`.
pub(crate) const AUDIT_ARCH_NATIVE: u32 = 0xC000_00B7;
/// There is no i386 here.
pub(crate) const AUDIT_ARCH_I386: Option<u32> = None;
/// Whether numbers with bit 30 are another table.
pub(crate) const HAS_X32: bool = false;

/// Length of `svc #0`.
pub(crate) const INSTRUCTION_BYTES: u64 = 4;

/// Bytes of `struct stat`.
pub const STAT_BYTES: usize = 128;
/// Where it has its owner.
pub const STAT_OWNER: OwnerAt = OwnerAt { offset: 24, width: 4 };

/// The numbers of an ABI; there is but one.
pub(crate) fn numbers(_: Abi) -> Numbers {
    Numbers {
        close: 57,
        execve: 221,
        mmap: 222,
        munmap: 215,
        socket: 198,
        recvmsg: 212,
        dup3: 24,
        pointer_bytes: 8,
    }
}

/// By which table of numbers an instruction calls, if it is one that makes system calls.
pub(crate) fn abi_of_instruction(code: [u8; INSTRUCTION_BYTES as usize]) -> Option<Abi> {
    (code == 0xd400_0001_u32.to_le_bytes()).then_some(Abi::Native)
}

/// Nobody is led here: there has been no machine to try it on.
pub(crate) const JUMP_TO_RESULT: Option<[u8; INSTRUCTION_BYTES as usize]> = None;

/// See [`JUMP_TO_RESULT`].
pub(crate) fn loads_number(_: [u8; 5], _: u32) -> bool {
    false
}

/// See [`JUMP_TO_RESULT`].
pub(crate) fn stub() -> Option<Stub> {
    None
}

/// `struct stat` (include/uapi/asm-generic/stat.h).
pub(crate) fn lay_out_stat(fields: &StatFields, bytes: &mut [u8; STAT_BYTES]) {
    put!(bytes, 0, fields.dev);
    put!(bytes, 8, fields.ino);
    put!(bytes, 16, fields.mode);
    put!(bytes, 20, u32::try_from(fields.nlink).unwrap_or(u32::MAX));
    put!(bytes, 24, fields.uid);
    put!(bytes, 28, fields.gid);
    put!(bytes, 32, fields.rdev);
    put!(bytes, 48, fields.size as i64);
    put!(bytes, 56, fields.blksize);
    put!(bytes, 64, fields.blocks as i64);
    for (offset, (sec, nsec)) in [(72, fields.atime), (88, fields.mtime), (104, fields.ctime)] {
        put!(bytes, offset, sec);
        put!(bytes, offset + 8, u64::from(nsec));
    }
}

/// `NT_PRSTATUS`: the general registers.
const NT_PRSTATUS: u64 = 1;

/// `struct user_pt_regs` (arch/arm64/include/uapi/asm/ptrace.h).
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Raw {
    regs: [u64; 31],
    sp: u64,
    pc: u64,
    pstate: u64,
}

/// A stopped thread's general registers.
#[derive(Clone, Copy)]
pub(crate) struct Registers(Raw);

impl Registers {
    /// Those of a thread that is in a ptrace stop.
    pub(crate) fn read(tid: i32) -> io::Result<Registers> {
        let mut raw = Raw::default();
        sys::ptrace_get_regset(tid, NT_PRSTATUS, &mut raw)?;
        Ok(Registers(raw))
    }

    /// Gives them to a thread that is in a ptrace stop.
    pub(crate) fn write(&self, tid: i32) -> io::Result<()> {
        let mut raw = self.0;
        sys::ptrace_set_regset(tid, NT_PRSTATUS, &mut raw)
    }

    pub(crate) fn instruction_pointer(&self) -> u64 {
        self.0.pc
    }

    pub(crate) fn stack_pointer(&self) -> u64 {
        self.0.sp
    }

    /// Whether the thread is about to make `call` again: this processor's kernel has undone the call before it
    /// looks at signals and stops.
    pub(crate) fn is_about_to_restart(&self, call: &Call) -> bool {
        self.0.pc == call.ip - INSTRUCTION_BYTES
            && self.0.regs[8] as u32 == call.number
            && self.0.regs[0] == call.args[0]
    }

    /// Sets up a call by the instruction that ends before `ip`.
    pub(crate) fn set_call(&mut self, _: Abi, ip: u64, number: u64, args: [u64; 6]) {
        self.0.pc = ip - INSTRUCTION_BYTES;
        self.0.regs[8] = number;
        self.0.regs[..6].copy_from_slice(&args);
    }

    /// Makes the call that is about to be performed return `result` instead.
    pub(crate) fn skip_call(&mut self, tid: i32, result: i64) -> io::Result<()> {
        self.0.regs[0] = result as u64;
        self.write(tid)?;
        set_call_number(tid, -1)
    }

    /// After a call that was skipped: makes the kernel take `call` for performed, with a restart code as result.
    pub(crate) fn set_restart(&mut self, tid: i32, call: &Call, code: i32) -> io::Result<()> {
        self.0.regs[0] = -i64::from(code) as u64;
        self.write(tid)?;
        set_call_number(tid, call.number as i32)
    }

    /// Changes the first argument of the call that is about to be performed.
    pub(crate) fn set_first_argument(&mut self, _: Abi, value: u64) {
        self.0.regs[0] = value;
    }

    /// The result of the call that has just returned.
    pub(crate) fn result(&self, _: Abi) -> i64 {
        self.0.regs[0] as i64
    }

    /// Makes the program go on at `ip` as though its call had returned `result`.
    pub(crate) fn set_returned(&mut self, ip: u64, result: i64) {
        self.0.pc = ip;
        self.0.regs[0] = result as u64;
    }
}

/// Sets the number of the call that a task is in: -1 for none.
fn set_call_number(tid: i32, number: i32) -> io::Result<()> {
    const NT_ARM_SYSTEM_CALL: u64 = 0x404;
    let mut number = number;
    sys::ptrace_set_regset(tid, NT_ARM_SYSTEM_CALL, &mut number)
}
