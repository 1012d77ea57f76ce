//! An assembler that writes a program from its end to its beginning.
//!
//! Classic BPF jumps only forwards, so in that order every target is known when the jump to it is written, and whether
//! the eight bits of a conditional jump reach it.

use std::collections::HashMap;

use super::{Instruction, Verdict};

/// A place in the program, counted in instructions from its end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Label(usize);

/// A 32-bit word of `struct seccomp_data`.
#[derive(Clone, Copy)]
pub(super) enum Word {
    Number,
    Arch,
    ArgLow(u8),
    ArgHigh(u8),
}

impl Word {
    /// Byte offset. Both processors are little-endian: the low half of an argument comes first.
    pub(super) const fn offset(self) -> u32 {
        match self {
            Word::Number => 0,
            Word::Arch => 4,
            Word::ArgLow(arg) => 16 + 8 * arg as u32,
            Word::ArgHigh(arg) => 20 + 8 * arg as u32,
        }
    }
}

/// A question about the accumulator.
#[derive(Clone, Copy)]
pub(super) enum Condition {
    Equal(u32),
    AtLeast(u32),
    AnyBit(u32),
}

/// The longest conditional jump.
const REACH: usize = u8::MAX as usize;

pub(super) struct Assembler {
    /// Last instruction first.
    reversed: Vec<Instruction>,
    /// The latest return instruction of each verdict.
    returns: HashMap<Verdict, Label>,
}

impl Assembler {
    pub(super) fn new() -> Assembler {
        Assembler { reversed: Vec::new(), returns: HashMap::new() }
    }

    /// A return of `verdict`: one that is near enough for a few more jumps, or a new one, which costs as much as the
    /// trampoline that would lead to the old one.
    pub(super) fn ret(&mut self, verdict: Verdict) -> Label {
        const NEAR: usize = REACH - 32;
        match self.returns.get(&verdict) {
            Some(&label) if self.distance(label) <= NEAR => label,
            _ => {
                let label = self.push((libc::BPF_RET | libc::BPF_K) as u16, 0, 0, verdict.action());
                self.returns.insert(verdict, label);
                label
            }
        }
    }

    /// Loads a word into the accumulator and goes on with what was written last.
    pub(super) fn load(&mut self, word: Word) -> Label {
        self.push((libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, 0, 0, word.offset())
    }

    /// A conditional jump, with trampolines before it for targets out of reach.
    pub(super) fn branch(&mut self, condition: Condition, yes: Label, no: Label) -> Label {
        // A trampoline for one target moves the other away by one, hence the reserve.
        let yes = self.reachable(yes, REACH - 1);
        let no = self.reachable(no, REACH);
        let (test, k) = match condition {
            Condition::Equal(k) => (libc::BPF_JEQ, k),
            Condition::AtLeast(k) => (libc::BPF_JGE, k),
            Condition::AnyBit(k) => (libc::BPF_JSET, k),
        };
        let (jt, jf) = (self.distance(yes) as u8, self.distance(no) as u8);
        self.push((libc::BPF_JMP | test | libc::BPF_K) as u16, jt, jf, k)
    }

    /// The program, first instruction first.
    pub(super) fn finish(mut self) -> Vec<Instruction> {
        self.reversed.reverse();
        self.reversed
    }

    fn reachable(&mut self, target: Label, reach: usize) -> Label {
        let distance = self.distance(target);
        if distance <= reach {
            return target;
        }
        self.push((libc::BPF_JMP | libc::BPF_JA) as u16, 0, 0, distance as u32)
    }

    /// How many instructions a jump written now would skip to get to `target`.
    fn distance(&self, target: Label) -> usize {
        self.reversed.len() - 1 - target.0
    }

    fn push(&mut self, code: u16, jt: u8, jf: u8, k: u32) -> Label {
        self.reversed.push(Instruction { code, jt, jf, k });
        Label(self.reversed.len() - 1)
    }
}
