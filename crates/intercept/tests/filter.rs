//! The filter compiler against a direct reading of the rows.
#![allow(clippy::unwrap_used)]

use mynah_intercept::filter::{
    FilterError, INSTRUCTIONS_MAX, Policy, Program, Row, Rule, Test, Verdict, X32_BIT, compile,
};
use mynah_intercept::{Abi, Call};

/// xorshift64: a failure is repeated from the printed seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn one_of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    /// Words of few and of many bits, and the edges between the halves.
    fn word(&mut self) -> u64 {
        match self.below(6) {
            0 => 0,
            1 => self.next() % 8,
            2 => 1 << self.below(64),
            3 => self.next() << 32,
            4 => u64::from(self.next() as u32),
            _ => self.next(),
        }
    }

    fn verdict(&mut self) -> Verdict {
        match self.below(4) {
            0 => Verdict::Allow,
            1 => Verdict::Notify,
            _ => Verdict::Errno(self.one_of(&[1, 2, 38, 4095])),
        }
    }

    fn test(&mut self) -> Test {
        let arg = self.below(6) as u8;
        match self.below(4) {
            0 => {
                let length = self.one_of(&[0, 1, 3, 20, 400]);
                let values: Vec<u32> = (0..length).map(|_| self.word() as u32).collect();
                Test::OneOf { arg, values: values.leak() }
            }
            1 => Test::AnyBits { arg, bits: self.word() as u32 },
            2 => Test::NoBits { arg, bits: self.word() as u32 },
            _ => Test::NotZero { arg },
        }
    }

    fn rule(&mut self) -> Rule {
        if self.below(3) > 0 {
            return Rule::Always(self.verdict());
        }
        let count = self.below(4);
        let tests: Vec<Test> = (0..count).map(|_| self.test()).collect();
        Rule::When { tests: tests.leak(), then: self.verdict(), otherwise: self.verdict() }
    }
}

fn holds(test: &Test, args: &[u64; 6]) -> bool {
    let low = args[usize::from(test.arg())] as u32;
    match test {
        Test::OneOf { values, .. } => values.contains(&low),
        Test::AnyBits { bits, .. } => low & bits != 0,
        Test::NoBits { bits, .. } => low & bits == 0,
        Test::NotZero { arg } => args[usize::from(*arg)] != 0,
    }
}

fn expected(policy: &Policy<'_>, call: &Call) -> Verdict {
    match call.abi {
        Abi::X32 => policy.x32,
        Abi::I386 => {
            policy.i386.iter().find(|row| row.0 == call.number).map_or(policy.i386_unknown, |row| row.1)
        }
        Abi::Native => match policy.native.iter().find(|row| row.number == call.number).map(|row| row.rule) {
            None => policy.unknown,
            Some(Rule::Always(verdict)) => verdict,
            Some(Rule::When { tests, then, otherwise }) => {
                if tests.iter().all(|test| holds(test, &call.args)) { then } else { otherwise }
            }
        },
    }
}

fn calls_of_interest(random: &mut Random, policy: &Policy<'_>, abis: &[Abi]) -> Vec<Call> {
    let mut numbers = vec![0, 1, 460, 100_000, X32_BIT - 1];
    numbers.extend(
        policy.native.iter().flat_map(|row| [row.number, row.number + 1, row.number.saturating_sub(1)]),
    );
    numbers.extend(policy.i386.iter().flat_map(|row| [row.0, row.0 + 1]));
    let values: Vec<u64> = policy
        .native
        .iter()
        .filter_map(|row| if let Rule::When { tests, .. } = row.rule { Some(tests) } else { None })
        .flatten()
        .flat_map(|test| if let Test::OneOf { values, .. } = test { *values } else { &[] })
        .map(|&value| u64::from(value))
        .collect();
    let mut calls = Vec::new();
    for number in numbers.into_iter().filter(|&number| number < X32_BIT) {
        for _ in 0..6 {
            let mut args = [0; 6];
            for arg in &mut args {
                *arg = if values.is_empty() || random.below(2) == 0 {
                    random.word()
                } else {
                    random.one_of(&values)
                };
            }
            calls.push(Call { abi: random.one_of(abis), number, args, ip: 0 });
        }
    }
    calls
}

#[cfg(target_arch = "x86_64")]
const ABIS: &[Abi] = &[Abi::Native, Abi::Native, Abi::I386, Abi::X32];
#[cfg(not(target_arch = "x86_64"))]
const ABIS: &[Abi] = &[Abi::Native];

#[test]
fn a_compiled_filter_says_what_the_rows_say() {
    for seed in 1..=400_u64 {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut native = Vec::new();
        let mut i386 = Vec::new();
        let spread = random.one_of(&[1, 2, 5]);
        let mut number = 0;
        for _ in 0..random.one_of(&[0, 1, 7, 60, 450]) {
            number += 1 + random.below(spread) as u32;
            native.push(Row { number, rule: random.rule() });
            i386.push((number, random.verdict()));
        }
        if random.below(2) == 0 {
            native.reverse();
        }
        let policy = Policy {
            native: &native,
            unknown: random.verdict(),
            i386: &i386,
            i386_unknown: random.verdict(),
            x32: random.verdict(),
        };
        let program = match compile(&policy) {
            Ok(program) => program,
            Err(FilterError::TooLong(length)) => {
                assert!(length > INSTRUCTIONS_MAX, "seed {seed}");
                continue;
            }
            Err(error) => panic!("seed {seed}: {error}"),
        };
        for call in calls_of_interest(&mut random, &policy, ABIS) {
            let verdict = expected(&policy, &call);
            assert_eq!(program.run(&call).action, verdict.action(), "seed {seed}: {call:?}");
        }
    }
}

/// A table as the agent's is: every number of the kernel's, a third of them notified, some by their arguments.
fn large_table() -> (Vec<Row>, Vec<(u32, Verdict)>) {
    const TESTS: &[Test] = &[Test::AnyBits { arg: 3, bits: 0x1000 }, Test::NotZero { arg: 0 }];
    let native = (0..470)
        .map(|number| {
            let rule = match number % 7 {
                0 | 1 => Rule::Always(Verdict::Notify),
                2 if number % 3 == 0 => {
                    Rule::When { tests: TESTS, then: Verdict::Notify, otherwise: Verdict::Allow }
                }
                3 if number % 5 == 0 => Rule::Always(Verdict::Errno(38)),
                _ => Rule::Always(Verdict::Allow),
            };
            Row { number, rule }
        })
        .collect();
    (
        native,
        (0..460)
            .map(|number| (number, if number % 3 == 0 { Verdict::Notify } else { Verdict::Allow }))
            .collect(),
    )
}

fn compile_large() -> Program {
    let (native, i386) = large_table();
    let policy = Policy {
        native: &native,
        unknown: Verdict::Notify,
        i386: &i386,
        i386_unknown: Verdict::Notify,
        x32: Verdict::Errno(38),
    };
    compile(&policy).unwrap()
}

#[test]
fn what_is_executed_grows_with_the_logarithm_of_the_table() {
    let program = compile_large();
    let longest = (0..600)
        .map(|number| program.run(&Call { abi: Abi::Native, number, args: [0x1000; 6], ip: 0 }).executed)
        .max()
        .unwrap();
    // Architecture, number, x32; nine levels of the search with at most one trampoline each; two tests; a return.
    assert!(longest <= 4 + 2 * 9 + 6, "{longest} instructions");
}

#[test]
fn numbers_allowed_whatever_the_arguments_are_left_to_the_kernels_bitmap() {
    let program = compile_large();
    for row in large_table().0 {
        let outcome = program.run(&Call { abi: Abi::Native, number: row.number, args: [0; 6], ip: 0 });
        assert_eq!(outcome.read_more, row.rule.constant().is_none(), "{row:?}");
    }
}

#[test]
fn a_foreign_architecture_is_told_that_there_is_no_such_call() {
    const AUDIT_ARCH_PPC64LE: u32 = 0xC000_0015;
    let outcome = compile_large().run_raw(AUDIT_ARCH_PPC64LE, 5, &[0; 6]);
    assert_eq!(outcome.action, Verdict::Errno(libc::ENOSYS as u16).action());
}

fn error_of(native: &[Row]) -> FilterError {
    let policy = Policy {
        native,
        unknown: Verdict::Allow,
        i386: &[],
        i386_unknown: Verdict::Allow,
        x32: Verdict::Allow,
    };
    compile(&policy).unwrap_err()
}

#[test]
fn rows_that_make_no_sense_are_refused() {
    let row = |number, rule| Row { number, rule };
    let allow = Rule::Always(Verdict::Allow);
    let asks =
        Rule::When { tests: &[Test::NotZero { arg: 6 }], then: Verdict::Notify, otherwise: Verdict::Allow };
    assert_eq!(error_of(&[row(3, allow), row(5, allow), row(3, allow)]), FilterError::Twice(3));
    assert_eq!(error_of(&[row(X32_BIT, allow)]), FilterError::Number(X32_BIT));
    assert_eq!(error_of(&[row(1, asks)]), FilterError::Argument(6));
    assert_eq!(error_of(&[row(1, Rule::Always(Verdict::Errno(0)))]), FilterError::Errno(0));
    assert_eq!(error_of(&[row(1, Rule::Always(Verdict::Errno(4096)))]), FilterError::Errno(4096));
    let many: Vec<u32> = (0..5000).collect();
    let tests = vec![Test::OneOf { arg: 0, values: many.leak() }].leak();
    let long = Rule::When { tests, then: Verdict::Notify, otherwise: Verdict::Allow };
    assert!(matches!(error_of(&[row(1, long)]), FilterError::TooLong(length) if length > INSTRUCTIONS_MAX));
}
