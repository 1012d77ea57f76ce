//! Reading the tree: files, and Rust text without what is not code.

use std::path::{Path, PathBuf};

/// One Rust file.
pub(crate) struct Source {
    /// Path from the root of the repository, with `/`.
    pub(crate) path: String,
    /// As it stands.
    pub(crate) text: String,
    /// The same, line for line, with comments and the contents of literals blanked.
    pub(crate) code: String,
}

impl Source {
    /// Takes a text apart; samples of the tests come in here too.
    pub(crate) fn new(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned(), code: code_only(text) }
    }

    /// The name of the folder in `crates/` that holds it.
    pub(crate) fn folder(&self) -> &str {
        self.path.strip_prefix("crates/").and_then(|rest| rest.split('/').next()).unwrap_or("")
    }

    /// Whether it is part of the crate proper: not a test, bench or example.
    pub(crate) fn is_library_code(&self) -> bool {
        self.path.split('/').nth(2) == Some("src")
    }
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("crates/testkit lies two below the root")
        .into()
}

/// Every Rust file of the crates, in a fixed order.
pub(crate) fn rust_files() -> Vec<Source> {
    let files: Vec<Source> = files_below("crates", "rs")
        .iter()
        .map(|path| Source::new(path, &std::fs::read_to_string(root().join(path)).expect(path)))
        .collect();
    assert!(files.len() > 10, "the walk over crates/ has lost its way: {} files", files.len());
    files
}

/// Paths from the root of all files under `folder` whose name ends in `.extension`, sorted.
pub(crate) fn files_below(folder: &str, extension: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut todo = vec![root().join(folder)];
    while let Some(next) = todo.pop() {
        for entry in std::fs::read_dir(&next).unwrap_or_else(|error| panic!("{}: {error}", next.display())) {
            let path = entry.expect("a directory entry").path();
            if path.is_dir() {
                todo.push(path);
            } else if path.extension().is_some_and(|e| e == extension) {
                let below = path.strip_prefix(root()).expect("below the root");
                found.push(below.to_str().expect("names in the repository are UTF-8").to_owned());
            }
        }
    }
    found.sort();
    found
}

/// The words of code (identifiers and keywords), each with its line, counted from 1.
pub(crate) fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    code.lines().enumerate().flat_map(|(index, line)| {
        line.split(|c: char| !c.is_alphanumeric() && c != '_')
            .filter(|word| !word.is_empty())
            .map(move |word| (index + 1, word))
    })
}

/// The line, counted from 1, of a byte position.
pub(crate) fn line_of(text: &str, position: usize) -> usize {
    text[..position].matches('\n').count() + 1
}

/// Blanks the modules that only tests have (`#[cfg(test)] mod ... { }`), given code without comments and literals.
pub(crate) fn without_test_modules(code: &str) -> String {
    let mut kept = code.to_owned();
    let mut from = 0;
    while let Some(start) = kept[from..].find("#[cfg(test)]").map(|at| from + at) {
        let after = start + "#[cfg(test)]".len();
        from = after;
        if !kept[after..].trim_start().trim_start_matches("pub(crate) ").starts_with("mod ") {
            continue;
        }
        let Some(open) = kept[after..].find(['{', ';']).map(|at| after + at) else { break };
        let end = if kept.as_bytes()[open] == b';' { open + 1 } else { matching_brace(&kept, open) };
        let blank: String = kept[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        kept.replace_range(start..end, &blank);
        from = start;
    }
    kept
}

/// The position after the brace that closes the one at `open`; the end if none does.
fn matching_brace(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, c) in code[open..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return open + at + 1;
        }
    }
    code.len()
}

/// Rust text with comments and the contents of string and character literals made blank; lines stay where they are.
pub(crate) fn code_only(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = skip_end(&chars, at);
        if end > at {
            code.extend(chars[at..end].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
            at = end;
        } else {
            code.push(chars[at]);
            at += 1;
        }
    }
    code
}

/// Where the comment or literal that begins at `at` ends; `at` itself if none begins there.
fn skip_end(chars: &[char], at: usize) -> usize {
    let begins = |text: &str| text.chars().enumerate().all(|(i, c)| chars.get(at + i) == Some(&c));
    if begins("//") {
        return position(chars, at, |rest| rest[0] == '\n');
    }
    if begins("/*") {
        return block_comment_end(chars, at);
    }
    let in_word = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    if chars[at] == 'r' && (!in_word || matches!(chars[at - 1], 'b' | 'c')) {
        let hashes = chars[at + 1..].iter().take_while(|&&c| c == '#').count();
        if chars.get(at + 1 + hashes) == Some(&'"') {
            let close: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
            return position(chars, at + 2 + hashes, |rest| rest.starts_with(&close)) + close.len();
        }
    }
    match chars[at] {
        '"' => quoted_end(chars, at, '"'),
        '\'' if chars.get(at + 1) == Some(&'\\') || chars.get(at + 2) == Some(&'\'') => {
            quoted_end(chars, at, '\'')
        }
        _ => at,
    }
}

/// The first position from `from` at which `found` holds of what follows; the end if there is none.
fn position(chars: &[char], from: usize, found: impl Fn(&[char]) -> bool) -> usize {
    (from..chars.len()).find(|&i| found(&chars[i..])).unwrap_or(chars.len())
}

fn block_comment_end(chars: &[char], from: usize) -> usize {
    let (mut at, mut depth) = (from, 0_usize);
    while at < chars.len() {
        match chars[at..] {
            ['/', '*', ..] => (depth, at) = (depth + 1, at + 2),
            ['*', '/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn quoted_end(chars: &[char], from: usize, quote: char) -> usize {
    let mut at = from + 1;
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

#[test]
fn comments_and_literals_are_not_code() {
    let text = r##"let a = "unsafe \" x"; // unsafe
let b = r#"unsafe "quoted" "#; /* unsafe /* nested */ unsafe */ let c = '"'; let d: &'static str = b'\'';
fn f<'a>(x: &'a str) {}"##;
    let code = code_only(text);
    assert!(!code.contains("unsafe"), "{code}");
    for kept in ["let a =", "let b =", "let c =", "&'static str", "fn f<'a>(x: &'a str) {}"] {
        assert!(code.contains(kept), "{kept:?} is lost in {code}");
    }
    assert_eq!(code.lines().count(), text.lines().count());
}

#[test]
fn test_modules_are_left_out() {
    let code = "fn kept() {}\n#[cfg(test)]\nmod tests { fn gone() { { } } }\nfn also_kept() {}\n#[cfg(test)]\nfn stays() {}";
    let left = without_test_modules(code);
    assert!(!left.contains("gone"));
    for kept in ["kept", "also_kept", "stays"] {
        assert!(left.contains(kept), "{left}");
    }
    assert_eq!(line_of(&left, left.find("also_kept").unwrap()), 4);
}
