//! The filter run as the kernel runs it, for tests and for questions about a compiled program.

use super::Program;
use super::emit::Word;
use crate::arch;
use crate::{Abi, Call, filter::X32_BIT};

/// What a run of the filter came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The value returned to the kernel: see [`Verdict::action`](super::Verdict::action).
    pub action: u32,
    /// Instructions executed.
    pub executed: usize,
    /// Whether anything but number and architecture was loaded. If not, and the action is to allow, the kernel
    /// keeps the number in its bitmap and does not run the filter for it at all.
    pub read_more: bool,
}

impl Program {
    /// Runs the filter on a call.
    #[must_use]
    pub fn run(&self, call: &Call) -> Outcome {
        let (audit, number) = match call.abi {
            Abi::Native => (arch::AUDIT_ARCH_NATIVE, call.number),
            Abi::X32 => (arch::AUDIT_ARCH_NATIVE, call.number | X32_BIT),
            Abi::I386 => (arch::AUDIT_ARCH_I386.unwrap_or(0), call.number),
        };
        self.run_raw(audit, number, &call.args)
    }

    /// Runs the filter on a call of any audit architecture (`AUDIT_ARCH_*`); `number` as the kernel sees it.
    ///
    /// A program from [`compile`](super::compile()) ends in a return on every path, so this always comes to an end.
    #[must_use]
    pub fn run_raw(&self, audit_arch: u32, number: u32, args: &[u64; 6]) -> Outcome {
        const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
        const JUMP: u32 = libc::BPF_JMP | libc::BPF_JA;
        const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
        const AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
        const ANY_BIT: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
        let (mut accumulator, mut at) = (0, 0);
        let (mut executed, mut read_more) = (0, false);
        loop {
            let instruction = self.code[at];
            executed += 1;
            at += 1;
            let k = instruction.k;
            let holds = match u32::from(instruction.code) {
                LOAD => {
                    read_more |= k > Word::Arch.offset();
                    accumulator = word(k, audit_arch, number, args);
                    continue;
                }
                JUMP => {
                    at += k as usize;
                    continue;
                }
                EQUAL => accumulator == k,
                AT_LEAST => accumulator >= k,
                ANY_BIT => accumulator & k != 0,
                _ => return Outcome { action: k, executed, read_more },
            };
            at += usize::from(if holds { instruction.jt } else { instruction.jf });
        }
    }
}

fn word(offset: u32, audit_arch: u32, number: u32, args: &[u64; 6]) -> u32 {
    match offset {
        0 => number,
        4 => audit_arch,
        _ => {
            let arg = args[(offset as usize - 16) / 8];
            if offset.is_multiple_of(8) { arg as u32 } else { (arg >> 32) as u32 }
        }
    }
}
