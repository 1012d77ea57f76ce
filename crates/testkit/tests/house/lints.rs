//! Lints are the same for all, and unsafe code has one address.

use crate::source::{Source, files_below, line_of, root, rust_files, words};
use crate::{assert_caught, assert_kept};

/// The folders in `crates/` where unsafe code may live.
const UNSAFE_LIVES_IN: &[&str] = &["intercept"];

/// What the manifest of such a crate says for itself, since it cannot take over the workspace's `forbid`.
const UNSAFE_MANIFEST: &[&str] = &[
    "unsafe_op_in_unsafe_fn = \"deny\"",
    "undocumented_unsafe_blocks = \"deny\"",
    "missing_docs = \"warn\"",
    "unwrap_used = \"warn\"",
    "print_stdout = \"warn\"",
    "print_stderr = \"warn\"",
];

/// Lints that no attribute in library code may turn off. Any other needs `reason = "..."`.
const NEVER_OFF: &[&str] = &["unsafe_code", "dead_code", "unused", "warnings", "todo", "exit"];

/// How many lines a statement may go on before its unsafe block, below the comment that speaks for it.
const STATEMENT_LINES: usize = 4;

fn check_manifest(folder: &str, manifest: &str) -> Vec<String> {
    let says = |wanted: &str| manifest.lines().any(|line| line.trim() == wanted);
    if !UNSAFE_LIVES_IN.contains(&folder) {
        let kept = section(manifest, "[lints]").contains(&"workspace = true");
        return if kept {
            vec![]
        } else {
            vec![format!("crates/{folder}/Cargo.toml: [lints] workspace = true is missing")]
        };
    }
    let missing = UNSAFE_MANIFEST.iter().filter(|wanted| !says(wanted));
    missing.map(|wanted| format!("crates/{folder}/Cargo.toml: {wanted} is missing")).collect()
}

/// The lines of one section of a manifest.
fn section<'a>(manifest: &'a str, header: &str) -> Vec<&'a str> {
    let below = manifest.lines().map(str::trim).skip_while(|line| *line != header).skip(1);
    below.take_while(|line| !line.starts_with('[')).collect()
}

fn check_unsafe(source: &Source) -> Vec<String> {
    let lines: Vec<&str> = source.text.lines().collect();
    let mut complaints = Vec::new();
    for (line, _) in words(&source.code).filter(|(_, word)| *word == "unsafe") {
        if !UNSAFE_LIVES_IN.contains(&source.folder()) {
            complaints.push(format!(
                "{}:{line}: unsafe code outside crates/{{{}}}",
                source.path,
                UNSAFE_LIVES_IN.join(",")
            ));
        } else if !is_spoken_for(&lines, line) {
            complaints.push(format!("{}:{line}: unsafe with no SAFETY comment above it", source.path));
        }
    }
    complaints
}

/// Whether a comment with `SAFETY:` (or a doc section `# Safety`) stands above the statement on `line`, or on it.
fn is_spoken_for(lines: &[&str], line: usize) -> bool {
    let is_comment = |text: &str| text.trim_start().starts_with("//") || text.trim_start().starts_with("#[");
    let goes_on = |text: &str| !text.trim().is_empty() && !text.trim_end().ends_with([';', '{', '}', ',']);
    let speaks = |text: &str| text.contains("SAFETY:") || text.contains("# Safety");
    let mut above = line - 1;
    while above > 0
        && line - above < STATEMENT_LINES
        && !is_comment(lines[above - 1])
        && goes_on(lines[above - 1])
    {
        above -= 1;
    }
    let comment = lines[..above].iter().rev().take_while(|text| is_comment(text));
    speaks(lines[line - 1]) || comment.into_iter().any(|text| speaks(text))
}

fn check_attributes(source: &Source) -> Vec<String> {
    let code = &source.code;
    let mut complaints = Vec::new();
    for (at, _) in code.match_indices("allow(").chain(code.match_indices("expect(")) {
        let attribute = &code[at..at + code[at..].find(']').unwrap_or(0)];
        if !code[..at].ends_with("#[") && !code[..at].ends_with("#![") {
            continue;
        }
        let place = format!("{}:{}", source.path, line_of(code, at));
        for (_, lint) in words(attribute).filter(|(_, word)| NEVER_OFF.contains(word)) {
            complaints.push(format!("{place}: {lint} may not be turned off"));
        }
        if !words(attribute).any(|(_, word)| word == "reason") {
            complaints.push(format!("{place}: a lint is turned off with no reason given"));
        }
    }
    complaints
}

#[test]
fn every_crate_has_the_lints_of_the_workspace() {
    let manifests = files_below("crates", "toml").into_iter().filter(|path| path.ends_with("/Cargo.toml"));
    let manifests: Vec<String> = manifests.filter(|path| path.matches('/').count() == 2).collect();
    assert!(manifests.len() >= 8, "{manifests:?}");
    let mut complaints = Vec::new();
    for path in manifests {
        let folder = path.split('/').nth(1).unwrap();
        complaints.extend(check_manifest(folder, &std::fs::read_to_string(root().join(&path)).unwrap()));
    }
    let workspace = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    if !section(&workspace, "[workspace.lints.rust]").contains(&"unsafe_code = \"forbid\"") {
        complaints.push("Cargo.toml: the workspace no longer forbids unsafe code".into());
    }
    assert_kept("Lints are the workspace's:", &complaints);
}

#[test]
fn unsafe_code_has_one_address_and_says_why_it_holds() {
    let complaints: Vec<String> = rust_files().iter().flat_map(check_unsafe).collect();
    assert_kept("Where unsafe code may live, and what it says for itself:", &complaints);
}

#[test]
fn lints_are_not_turned_off() {
    let complaints: Vec<String> =
        rust_files().iter().filter(|s| s.is_library_code()).flat_map(check_attributes).collect();
    assert_kept("Lints that stay on:", &complaints);
}

#[test]
fn weaker_lints_are_caught() {
    assert_caught(
        &check_manifest("vfs", "[package]\nname = \"x\"\n[lints.rust]\nworkspace = true\n"),
        &["is missing"],
    );
    assert_caught(&check_manifest("vfs", "[lints]\n[dependencies]\nworkspace = true\n"), &["is missing"]);
    assert_eq!(check_manifest("intercept", "[lints]\nworkspace = true").len(), UNSAFE_MANIFEST.len());
    let off = "#[allow(dead_code, reason = \"x\")]\nfn f() {}\n#![expect(missing_docs)]\nx.expect(\"[\");\n";
    let caught = check_attributes(&Source::new("crates/vfs/src/a.rs", off));
    assert_caught(&caught, &["a.rs:1: dead_code", "a.rs:3: a lint is turned off with no reason"]);
}

#[test]
fn unsafe_code_elsewhere_or_silent_is_caught() {
    let text = "// unsafe is only a word here\nlet a = \"unsafe\";\nunsafe { f() };\n";
    assert_caught(&check_unsafe(&Source::new("crates/vfs/src/a.rs", text)), &["crates/vfs/src/a.rs:3"]);
    let text = "// SAFETY: f has no conditions.\nlet a =\n    unsafe { f() };\nlet b = unsafe { f() };\n\nunsafe fn g() {}\n";
    let caught = check_unsafe(&Source::new("crates/intercept/src/a.rs", text));
    assert_caught(&caught, &["a.rs:4", "a.rs:6"]);
}
