//! The compiler from rows to the seccomp filter.
//!
//! A pure function: [`compile`] turns a [`Policy`] into a [`Program`], [`Program::run`] interprets one as the kernel
//! would. [`launch`](crate::launch) installs it.
//!
//! The shape of the code follows from two properties of the kernel:
//!
//! * When a filter is installed the kernel emulates it once for every number, and keeps a bitmap of the numbers that are
//!   allowed without a look at the arguments; for those the filter is never run again. So arguments are loaded only on the
//!   paths of rows that test them, and only by instructions that come after the search for the number.
//! * The other numbers run the program each time. They are found by binary search over ranges of equal verdict.
//!
//! seccomp(2); Documentation/networking/filter.rst for classic BPF; `kernel/seccomp.c` (`seccomp_is_const_allow`) for
//! the bitmap.

mod emit;
mod interpret;

use std::fmt;

pub use interpret::Outcome;

use crate::{Mechanism, arch};
use emit::{Assembler, Condition, Label, Word};

/// More instructions than this the kernel does not take (`BPF_MAXINSNS`).
pub const INSTRUCTIONS_MAX: usize = 4096;

/// The bit in a call's number that says x32.
pub const X32_BIT: u32 = 1 << 30;

/// The number of no call: a tracer puts it in the place of one that is not to be performed, and the result beside it.
pub const NO_CALL: u32 = u32::MAX;

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The kernel performs it.
    Allow,
    /// The listener is told and decides.
    Notify,
    /// It fails at once with this errno (1..=4095), without being performed.
    Errno(u16),
}

impl Verdict {
    /// What a filter for a [listener](Mechanism::Listener) returns to the kernel.
    #[must_use]
    pub const fn action(self) -> u32 {
        match self {
            Verdict::Allow => libc::SECCOMP_RET_ALLOW,
            Verdict::Notify => libc::SECCOMP_RET_USER_NOTIF,
            Verdict::Errno(errno) => libc::SECCOMP_RET_ERRNO | errno as u32,
        }
    }
}

/// A question about one argument (`arg` is 0..=5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    /// The low 32 bits are one of these.
    OneOf {
        /// Which argument.
        arg: u8,
        /// Values looked for; with none the test never holds.
        values: &'static [u32],
    },
    /// At least one of these bits is set in the low 32 bits.
    AnyBits {
        /// Which argument.
        arg: u8,
        /// The bits.
        bits: u32,
    },
    /// None of these bits is set in the low 32 bits.
    NoBits {
        /// Which argument.
        arg: u8,
        /// The bits.
        bits: u32,
    },
    /// The argument, all 64 bits of it, is not zero.
    NotZero {
        /// Which argument.
        arg: u8,
    },
}

impl Test {
    /// The argument it looks at.
    #[must_use]
    pub const fn arg(&self) -> u8 {
        match *self {
            Test::OneOf { arg, .. }
            | Test::AnyBits { arg, .. }
            | Test::NoBits { arg, .. }
            | Test::NotZero { arg } => arg,
        }
    }
}

/// How the calls of one number are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// All alike.
    Always(Verdict),
    /// By their arguments.
    When {
        /// Questions; all must hold (with none, they do).
        tests: &'static [Test],
        /// The verdict if all hold.
        then: Verdict,
        /// The verdict if one does not.
        otherwise: Verdict,
    },
}

impl Rule {
    /// The verdict, if it is the same whatever the arguments.
    #[must_use]
    pub fn constant(&self) -> Option<Verdict> {
        match *self {
            Rule::Always(verdict) => Some(verdict),
            Rule::When { tests, then, otherwise } => (tests.is_empty() || then == otherwise).then_some(then),
        }
    }
}

/// One number and its rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The native number, without [`X32_BIT`].
    pub number: u32,
    /// Its treatment.
    pub rule: Rule,
}

/// All that a filter is made from. Rows may come in any order, each number once.
#[derive(Clone, Copy, Debug)]
pub struct Policy<'a> {
    /// Native calls.
    pub native: &'a [Row],
    /// Native numbers in no row.
    pub unknown: Verdict,
    /// i386 calls; of no effect on processors without them.
    pub i386: &'a [(u32, Verdict)],
    /// i386 numbers in no row.
    pub i386_unknown: Verdict,
    /// All x32 calls; of no effect on processors without them.
    pub x32: Verdict,
}

/// Why a policy cannot be compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterError {
    /// Two rows for one number.
    Twice(u32),
    /// A number that no call can have: it has [`X32_BIT`] or a higher bit.
    Number(u32),
    /// A test of an argument beyond 5.
    Argument(u8),
    /// An errno outside 1..=4095.
    Errno(u16),
    /// The program would have this many instructions, more than [`INSTRUCTIONS_MAX`].
    TooLong(usize),
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FilterError::Twice(number) => write!(f, "system call {number} has two rows"),
            FilterError::Number(number) => write!(f, "{number:#x} is no system call number"),
            FilterError::Argument(arg) => write!(f, "a test of argument {arg}; a call has arguments 0 to 5"),
            FilterError::Errno(errno) => write!(f, "{errno} is no errno"),
            FilterError::TooLong(length) => {
                write!(f, "the filter would have {length} instructions; the kernel takes {INSTRUCTIONS_MAX}")
            }
        }
    }
}

impl std::error::Error for FilterError {}

/// One instruction of classic BPF (`struct sock_filter`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// Instructions skipped if a condition holds.
    pub jt: u8,
    /// Instructions skipped if it does not.
    pub jf: u8,
    /// Constant.
    pub k: u32,
}

/// A compiled filter, ready to be installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    code: Vec<Instruction>,
    mechanism: Mechanism,
}

impl Program {
    /// The instructions, first one first; 1 to [`INSTRUCTIONS_MAX`] of them.
    #[must_use]
    pub fn instructions(&self) -> &[Instruction] {
        &self.code
    }

    /// How it tells of the calls that are notified.
    #[must_use]
    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// The same filter for another mechanism.
    #[must_use]
    pub fn by(mut self, mechanism: Mechanism) -> Program {
        let action = |mechanism| match mechanism {
            Mechanism::Listener => libc::SECCOMP_RET_USER_NOTIF,
            Mechanism::Trace => libc::SECCOMP_RET_TRACE,
        };
        let returns = |one: &&mut Instruction| u32::from(one.code) == libc::BPF_RET | libc::BPF_K;
        let (old, new) = (action(self.mechanism), action(mechanism));
        for instruction in self.code.iter_mut().filter(returns).filter(|one| one.k == old) {
            instruction.k = new;
        }
        self.mechanism = mechanism;
        self
    }
}

/// Compiles a policy for the processor that this is built for, and for a listener: see [`Program::by`].
///
/// A call of an audit architecture that is neither the native one nor i386 fails with ENOSYS: that is what a kernel
/// without that architecture would say, and it leaves the program alive.
pub fn compile(policy: &Policy<'_>) -> Result<Program, FilterError> {
    let mut asm = Assembler::new();
    let native = native_section(&mut asm, policy)?;
    let foreign = match arch::AUDIT_ARCH_I386 {
        Some(audit) => {
            let i386 = i386_section(&mut asm, policy)?;
            let other = asm.ret(Verdict::Errno(libc::ENOSYS as u16));
            asm.branch(Condition::Equal(audit), i386, other)
        }
        None => asm.ret(Verdict::Errno(libc::ENOSYS as u16)),
    };
    asm.branch(Condition::Equal(arch::AUDIT_ARCH_NATIVE), native, foreign);
    asm.load(Word::Arch);
    let code = asm.finish();
    if code.len() > INSTRUCTIONS_MAX {
        return Err(FilterError::TooLong(code.len()));
    }
    Ok(Program { code, mechanism: Mechanism::Listener })
}

fn native_section(asm: &mut Assembler, policy: &Policy<'_>) -> Result<Label, FilterError> {
    let rows = policy.native.iter().map(|row| (row.number, row.rule)).collect();
    let search = search(asm, &ranges(rows, policy.unknown)?);
    if arch::HAS_X32 {
        check_verdict(policy.x32)?;
        let x32 = asm.ret(policy.x32);
        let x32 = unless_no_call(asm, x32);
        asm.branch(Condition::AtLeast(X32_BIT), x32, search);
    } else {
        unless_no_call(asm, search);
    }
    Ok(asm.load(Word::Number))
}

/// Leaves what is no call to the kernel, which performs nothing and touches no result.
fn unless_no_call(asm: &mut Assembler, rest: Label) -> Label {
    let allow = asm.ret(Verdict::Allow);
    asm.branch(Condition::Equal(NO_CALL), allow, rest)
}

fn i386_section(asm: &mut Assembler, policy: &Policy<'_>) -> Result<Label, FilterError> {
    let rows = policy.i386.iter().map(|&(number, verdict)| (number, Rule::Always(verdict))).collect();
    let search = search(asm, &ranges(rows, policy.i386_unknown)?);
    unless_no_call(asm, search);
    Ok(asm.load(Word::Number))
}

/// A run of numbers, from `first` to the next range's, that are treated alike.
#[derive(Clone, Copy)]
struct Range {
    first: u32,
    rule: Rule,
}

/// Rows and the gaps between them as ranges that cover all numbers, neighbours of one constant verdict joined.
fn ranges(mut rows: Vec<(u32, Rule)>, unknown: Verdict) -> Result<Vec<Range>, FilterError> {
    check_verdict(unknown)?;
    rows.sort_by_key(|row| row.0);
    let mut ranges: Vec<Range> = Vec::with_capacity(rows.len() + 1);
    let mut next = 0;
    for (number, rule) in rows {
        check_rule(rule)?;
        if number >= X32_BIT {
            return Err(FilterError::Number(number));
        }
        if number < next {
            return Err(FilterError::Twice(number));
        }
        if number > next {
            extend(&mut ranges, next, Rule::Always(unknown));
        }
        extend(&mut ranges, number, rule.constant().map_or(rule, Rule::Always));
        next = number + 1;
    }
    extend(&mut ranges, next, Rule::Always(unknown));
    Ok(ranges)
}

fn extend(ranges: &mut Vec<Range>, first: u32, rule: Rule) {
    if ranges.last().is_none_or(|last| last.rule != rule) {
        ranges.push(Range { first, rule });
    }
}

fn check_rule(rule: Rule) -> Result<(), FilterError> {
    match rule {
        Rule::Always(verdict) => check_verdict(verdict),
        Rule::When { tests, then, otherwise } => {
            if let Some(test) = tests.iter().find(|test| test.arg() > 5) {
                return Err(FilterError::Argument(test.arg()));
            }
            check_verdict(then)?;
            check_verdict(otherwise)
        }
    }
}

fn check_verdict(verdict: Verdict) -> Result<(), FilterError> {
    match verdict {
        Verdict::Errno(errno) if !(1..=4095).contains(&errno) => Err(FilterError::Errno(errno)),
        _ => Ok(()),
    }
}

/// Code that finds the accumulator's number among the ranges (at least one) and goes by that range's rule.
fn search(asm: &mut Assembler, ranges: &[Range]) -> Label {
    if let [range] = ranges {
        return apply(asm, range.rule);
    }
    let (low, high) = ranges.split_at(ranges.len() / 2);
    let first_of_high = high[0].first;
    let high = search(asm, high);
    let low = search(asm, low);
    asm.branch(Condition::AtLeast(first_of_high), high, low)
}

fn apply(asm: &mut Assembler, rule: Rule) -> Label {
    match rule {
        Rule::Always(verdict) => asm.ret(verdict),
        Rule::When { tests, then, otherwise } => {
            let otherwise = asm.ret(otherwise);
            let mut next = asm.ret(then);
            for test in tests.iter().rev() {
                next = ask(asm, test, next, otherwise);
            }
            next
        }
    }
}

fn ask(asm: &mut Assembler, test: &Test, yes: Label, no: Label) -> Label {
    match *test {
        Test::OneOf { values: [], .. } => no,
        Test::OneOf { arg, values } => {
            values.iter().rev().fold(no, |rest, &value| asm.branch(Condition::Equal(value), yes, rest));
            asm.load(Word::ArgLow(arg))
        }
        Test::AnyBits { arg, bits } => {
            asm.branch(Condition::AnyBit(bits), yes, no);
            asm.load(Word::ArgLow(arg))
        }
        Test::NoBits { arg, bits } => {
            asm.branch(Condition::AnyBit(bits), no, yes);
            asm.load(Word::ArgLow(arg))
        }
        Test::NotZero { arg } => {
            asm.branch(Condition::Equal(0), no, yes);
            let high = asm.load(Word::ArgHigh(arg));
            asm.branch(Condition::Equal(0), high, yes);
            asm.load(Word::ArgLow(arg))
        }
    }
}
