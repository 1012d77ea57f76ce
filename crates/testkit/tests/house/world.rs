//! Only the binary sees the world; the waist and the codecs do no I/O at all.

use crate::source::{Source, line_of, rust_files, without_test_modules};
use crate::{assert_caught, assert_kept};

/// The folders in `crates/` that may look at the environment, the terminal and the way out: the binary, and what
/// only tests use.
const SEES_THE_WORLD: &[&str] = &["mynah", "testkit"];

/// What looks at the world, as it is written in code.
const WORLD: &[&str] = &[
    "env::",
    "std::process::exit",
    "std::process;",
    "libc::exit",
    "libc::getenv",
    "io::stdin",
    "io::stdout",
    "io::stderr",
];

/// Folders that do no I/O, and what I/O looks like.
const PURE: &[&str] = &["crates/vfs/src/", "crates/chirp/src/proto"];
const IO: &[&str] =
    &["fs::", "net::", "thread::", "process::", "os::fd", "os::unix::net", "tokio::", "rustix::"];

fn check_world(source: &Source) -> Vec<String> {
    if SEES_THE_WORLD.contains(&source.folder()) || !source.is_library_code() {
        return vec![];
    }
    mentions(source, WORLD, "only the binary may use")
}

fn check_pure(source: &Source) -> Vec<String> {
    if !PURE.iter().any(|folder| source.path.starts_with(folder)) {
        return vec![];
    }
    mentions(source, IO, "no I/O here, but this uses")
}

/// A complaint for each place where code outside test modules has one of `paths`, at the start of a word.
fn mentions(source: &Source, paths: &[&str], complaint: &str) -> Vec<String> {
    let code = without_test_modules(&source.code);
    let starts_word = |at: usize| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
    let found = paths.iter().flat_map(|path| code.match_indices(path)).filter(|(at, _)| starts_word(*at));
    found.map(|(at, path)| format!("{}:{}: {complaint} {path}", source.path, line_of(&code, at))).collect()
}

#[test]
fn only_the_binary_sees_the_world() {
    let complaints: Vec<String> = rust_files().iter().flat_map(check_world).collect();
    assert_kept(
        "Libraries take parameters; only the binary reads the environment, the terminal, and exits:",
        &complaints,
    );
}

#[test]
fn the_waist_and_the_codecs_do_no_io() {
    let complaints: Vec<String> = rust_files().iter().flat_map(check_pure).collect();
    assert_kept("No I/O:", &complaints);
}

#[test]
fn a_library_that_looks_out_is_caught() {
    let text = "// std::env::var is for the binary\nlet home = std::env::var(\"HOME\");\nlet my_env::x;\nstd::process::exit(1);\nour::process::exit();\n#[cfg(test)]\nmod tests { fn f() { std::env::temp_dir(); } }\n";
    assert_caught(&check_world(&Source::new("crates/cache/src/a.rs", text)), &["a.rs:2", "a.rs:4"]);
    assert!(check_world(&Source::new("crates/mynah/src/a.rs", text)).is_empty());
    assert!(check_world(&Source::new("crates/cache/tests/a.rs", text)).is_empty());
    let text = "use std::collections::BTreeMap;\nuse tokio::net::TcpStream;\n";
    assert_caught(&check_pure(&Source::new("crates/chirp/src/proto/a.rs", text)), &["net::", "tokio::"]);
}
