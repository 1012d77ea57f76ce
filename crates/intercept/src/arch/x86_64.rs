//! x86_64, with its i386 and x32 guests.

use std::io;

use super::{Numbers, Stub, StubWords, put};
use crate::arch::{OwnerAt, StatFields};
use crate::filter::X32_BIT;
use crate::{Abi, Call, sys};

/// `AUDIT_ARCH_X86_64`.
pub(crate) const AUDIT_ARCH_NATIVE: u32 = 0xC000_003E;
/// `AUDIT_ARCH_I386`.
pub(crate) const AUDIT_ARCH_I386: Option<u32> = Some(0x4000_0003);
/// Whether numbers with bit 30 are another table.
pub(crate) const HAS_X32: bool = true;

/// Length of `syscall`, and of `int 0x80`. i386 programs that use sysenter return behind an `int 0x80` in the vdso, which
/// the kernel itself relies on to restart calls.
pub(crate) const INSTRUCTION_BYTES: u64 = 2;

/// Bytes of `struct stat`.
pub const STAT_BYTES: usize = 144;
/// Where it has its owner.
pub const STAT_OWNER: OwnerAt = OwnerAt { offset: 28, width: 4 };

/// The numbers of an ABI.
pub(crate) fn numbers(abi: Abi) -> Numbers {
    const X32: u64 = X32_BIT as u64;
    match abi {
        Abi::Native => Numbers {
            close: 3,
            execve: 59,
            mmap: 9,
            munmap: 11,
            socket: 41,
            recvmsg: 47,
            dup3: 292,
            pointer_bytes: 8,
        },
        Abi::X32 => Numbers {
            close: X32 | 3,
            execve: X32 | 520,
            mmap: X32 | 9,
            munmap: X32 | 11,
            socket: X32 | 41,
            recvmsg: X32 | 519,
            dup3: X32 | 292,
            pointer_bytes: 4,
        },
        Abi::I386 => Numbers {
            close: 6,
            execve: 11,
            mmap: 192,
            munmap: 91,
            socket: 359,
            recvmsg: 372,
            dup3: 330,
            pointer_bytes: 4,
        },
    }
}

/// By which table of numbers an instruction calls, if it is one that makes system calls.
pub(crate) fn abi_of_instruction(code: [u8; INSTRUCTION_BYTES as usize]) -> Option<Abi> {
    match code {
        [0x0f, 0x05] => Some(Abi::Native),
        [0xcd, 0x80] => Some(Abi::I386),
        _ => None,
    }
}

/// The instruction `jmp *%rax`, behind a system call: on to the address that it returned. As long as [`INSTRUCTION_BYTES`].
pub(crate) const JUMP_TO_RESULT: Option<[u8; INSTRUCTION_BYTES as usize]> = Some([0xff, 0xe0]);

/// Whether what precedes a system call's instruction, five bytes of it, loads `number` as a constant, so that no other call is
/// made there (`mov $number, %eax` and `mov $number, %rax`).
pub(crate) fn loads_number(before: [u8; 5], number: u32) -> bool {
    let [opcode, constant @ ..] = before;
    matches!(opcode, 0xb8 | 0xc0) && u32::from_le_bytes(constant) == number
}

/// Instructions by which a task makes calls: see [`Stub`]. They find their words before them.
pub(crate) fn stub() -> Option<Stub> {
    /// The loads of rax, rdi, rsi, rdx, r10, r8, r9 from an address relative to what follows.
    const LOADS: [[u8; 3]; 7] = [
        [0x48, 0x8b, 0x05],
        [0x48, 0x8b, 0x3d],
        [0x48, 0x8b, 0x35],
        [0x48, 0x8b, 0x15],
        [0x4c, 0x8b, 0x15],
        [0x4c, 0x8b, 0x05],
        [0x4c, 0x8b, 0x0d],
    ];
    const SYSCALL: [u8; 2] = [0x0f, 0x05];
    let mut code: Vec<u8> = Vec::new();
    let relative = |code: &mut Vec<u8>, opcode: &[u8], word: usize| {
        code.extend_from_slice(opcode);
        let next = StubWords::BYTES + code.len() + 4;
        code.extend_from_slice(&((word * 8) as i32 - next as i32).to_le_bytes());
    };
    for (load, word) in LOADS.iter().zip(StubWords::CALL..) {
        relative(&mut code, load, word);
    }
    code.extend_from_slice(&SYSCALL);
    let performed = code.len();
    // mov %rax, %rdi: the result becomes the report's first argument.
    code.extend_from_slice(&[0x48, 0x89, 0xc7]);
    let report = code.len();
    relative(&mut code, &LOADS[0], StubWords::OWN_CALL);
    code.extend_from_slice(&SYSCALL);
    let reported = code.len();
    // mov %rax, %rcx; bswap %rcx; movzbl %cl, %ecx; jrcxz over the jump back. An error (a signal that came first) has its high bits
    // set: the report is made again. The flags stay as they are, and rcx is the kernel's to change.
    code.extend_from_slice(&[0x48, 0x89, 0xc1, 0x48, 0x0f, 0xc9, 0x0f, 0xb6, 0xc9, 0xe3, 0x02, 0xeb]);
    code.push((report as i64 - (code.len() as i64 + 1)) as u8);
    code.extend_from_slice(&[0xff, 0xe0]);
    let back = code.len();
    for (load, word) in LOADS.iter().zip(StubWords::OWN_CALL..) {
        relative(&mut code, load, word);
    }
    relative(&mut code, &[0xff, 0x25], StubWords::BACK);
    Some(Stub { code, performed, reported, back })
}

/// `struct stat` of 64-bit programs (arch/x86/include/uapi/asm/stat.h).
pub(crate) fn lay_out_stat(fields: &StatFields, bytes: &mut [u8; STAT_BYTES]) {
    put!(bytes, 0, fields.dev);
    put!(bytes, 8, fields.ino);
    put!(bytes, 16, fields.nlink);
    put!(bytes, 24, fields.mode);
    put!(bytes, 28, fields.uid);
    put!(bytes, 32, fields.gid);
    put!(bytes, 40, fields.rdev);
    put!(bytes, 48, fields.size as i64);
    put!(bytes, 56, i64::from(fields.blksize));
    put!(bytes, 64, fields.blocks as i64);
    for (offset, (sec, nsec)) in [(72, fields.atime), (88, fields.mtime), (104, fields.ctime)] {
        put!(bytes, offset, sec);
        put!(bytes, offset + 8, u64::from(nsec));
    }
}

const PTRACE_GETREGS: libc::c_ulong = 12;
const PTRACE_SETREGS: libc::c_ulong = 13;

/// A stopped thread's general registers. i386 threads have their own in the same places.
#[derive(Clone, Copy)]
pub(crate) struct Registers(libc::user_regs_struct);

impl Registers {
    /// Those of a thread that is in a ptrace stop.
    pub(crate) fn read(tid: i32) -> io::Result<Registers> {
        // SAFETY: a structure of integers may be all zeros.
        let mut raw: libc::user_regs_struct = unsafe { std::mem::zeroed() };
        sys::ptrace_struct(PTRACE_GETREGS, tid, 0, &mut raw)?;
        Ok(Registers(raw))
    }

    /// Gives them to a thread that is in a ptrace stop.
    pub(crate) fn write(&self, tid: i32) -> io::Result<()> {
        let mut raw = self.0;
        sys::ptrace_struct(PTRACE_SETREGS, tid, 0, &mut raw)
    }

    pub(crate) fn instruction_pointer(&self) -> u64 {
        self.0.rip
    }

    pub(crate) fn stack_pointer(&self) -> u64 {
        self.0.rsp
    }

    /// Whether the thread is on its way back from `call` with a restart code as result: nothing of the program has
    /// run since.
    pub(crate) fn is_about_to_restart(&self, call: &Call) -> bool {
        let number = match call.abi {
            Abi::X32 => call.number | X32_BIT,
            Abi::Native | Abi::I386 => call.number,
        };
        self.0.rip == call.ip && self.0.orig_rax as u32 == number && is_restart_code(self.0.rax as i32)
    }

    /// Sets up a call by the instruction that ends before `ip`. No restart of the interrupted call follows.
    pub(crate) fn set_call(&mut self, abi: Abi, ip: u64, number: u64, args: [u64; 6]) {
        let regs = &mut self.0;
        regs.rip = ip - INSTRUCTION_BYTES;
        regs.rax = number;
        regs.orig_rax = u64::MAX;
        let [a, b, c, d, e, f] = args;
        match abi {
            Abi::Native | Abi::X32 => {
                (regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9) = (a, b, c, d, e, f);
            }
            Abi::I386 => (regs.rbx, regs.rcx, regs.rdx, regs.rsi, regs.rdi, regs.rbp) = (a, b, c, d, e, f),
        }
    }

    /// Makes the call that is about to be performed return `result` instead.
    pub(crate) fn skip_call(&mut self, tid: i32, result: i64) -> io::Result<()> {
        self.0.orig_rax = u64::MAX;
        self.0.rax = result as u64;
        self.write(tid)
    }

    /// After a call that was skipped: makes the kernel take `call` for performed, with a restart code as result.
    pub(crate) fn set_restart(&mut self, tid: i32, call: &Call, code: i32) -> io::Result<()> {
        self.0.orig_rax = u64::from(match call.abi {
            Abi::X32 => call.number | X32_BIT,
            Abi::Native | Abi::I386 => call.number,
        });
        self.0.rax = -i64::from(code) as u64;
        self.write(tid)
    }

    /// Changes the first argument of the call that is about to be performed.
    pub(crate) fn set_first_argument(&mut self, abi: Abi, value: u64) {
        match abi {
            Abi::Native | Abi::X32 => self.0.rdi = value,
            Abi::I386 => self.0.rbx = value,
        }
    }

    /// The result of the call that has just returned.
    pub(crate) fn result(&self, abi: Abi) -> i64 {
        match abi {
            Abi::Native | Abi::X32 => self.0.rax as i64,
            // Addresses above 2 GiB are positive, errors are not.
            Abi::I386 if self.0.rax as i32 >= -4095 && (self.0.rax as i32) < 0 => {
                i64::from(self.0.rax as i32)
            }
            Abi::I386 => i64::from(self.0.rax as u32),
        }
    }

    /// Makes the program go on at `ip` as though its call had returned `result`.
    pub(crate) fn set_returned(&mut self, ip: u64, result: i64) {
        self.0.rip = ip;
        self.0.rax = result as u64;
        self.0.orig_rax = u64::MAX;
    }
}

fn is_restart_code(result: i32) -> bool {
    (-516..=-512).contains(&result)
}

/// Bytes of `struct ucontext` up to the last register that matters here.
pub(crate) const FRAME_BYTES: usize = FRAME_RIP + 8;

// Offsets from where the stack pointer is at rt_sigreturn: `struct ucontext` and in it `struct sigcontext_64`
// (arch/x86/include/uapi/asm/sigcontext.h).
const FRAME_R8: usize = 40;
const FRAME_R9: usize = 48;
const FRAME_R10: usize = 56;
const FRAME_RDI: usize = 104;
const FRAME_RSI: usize = 112;
const FRAME_RDX: usize = 136;
const FRAME_RAX: usize = 144;
const FRAME_RIP: usize = 168;

/// The registers that a handler's return will restore.
pub(crate) struct SignalFrame([u8; FRAME_BYTES]);

impl SignalFrame {
    pub(crate) fn new(bytes: [u8; FRAME_BYTES]) -> SignalFrame {
        SignalFrame(bytes)
    }

    fn register(&self, offset: usize) -> u64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.0[offset..offset + 8]);
        u64::from_ne_bytes(bytes)
    }

    /// The result of the call that was interrupted, if one was.
    pub(crate) fn result(&self) -> i64 {
        self.register(FRAME_RAX) as i64
    }

    pub(crate) fn instruction_pointer(&self) -> u64 {
        self.register(FRAME_RIP)
    }

    /// The arguments, which a call leaves in their registers.
    pub(crate) fn arguments(&self) -> [u64; 6] {
        [FRAME_RDI, FRAME_RSI, FRAME_RDX, FRAME_R10, FRAME_R8, FRAME_R9].map(|offset| self.register(offset))
    }

    /// The number of a call, which its result has overwritten, from the code that made it: C libraries load it as a constant by
    /// the instruction before (`mov $number, %eax` or `mov $number, %rax`).
    pub(crate) fn number_of_call(code: [u8; 9]) -> Option<u32> {
        match code {
            [0x48, 0xc7, 0xc0, a, b, c, d, 0x0f, 0x05] | [_, _, 0xb8, a, b, c, d, 0x0f, 0x05] => {
                Some(u32::from_le_bytes([a, b, c, d]))
            }
            _ => None,
        }
    }

    /// What to put where for the call to be made once more.
    pub(crate) fn calling(call: &Call) -> [(u64, u64); 2] {
        [(FRAME_RAX as u64, u64::from(call.number)), (FRAME_RIP as u64, call.ip - INSTRUCTION_BYTES)]
    }
}
