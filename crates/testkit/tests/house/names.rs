//! Files are named after ideas.

use crate::source::rust_files;
use crate::{assert_caught, assert_kept};

/// Names that say nothing, for files, folders and crates.
const EMPTY_NAMES: &[&str] =
    &["common", "utils", "util", "misc", "helpers", "helper", "manager", "managers", "shared", "stuff"];

fn check_name(path: &str) -> Option<String> {
    let parts = path.split('/').map(|part| part.strip_suffix(".rs").unwrap_or(part));
    let empty = parts.into_iter().find(|part| EMPTY_NAMES.contains(part))?;
    Some(format!("{path}: \"{empty}\" names no idea"))
}

#[test]
fn modules_are_named_after_ideas() {
    let complaints: Vec<String> = rust_files().iter().filter_map(|source| check_name(&source.path)).collect();
    assert_kept("Names of modules:", &complaints);
}

#[test]
fn empty_names_are_caught() {
    let paths = ["crates/vfs/src/util.rs", "crates/net/src/helpers/a.rs", "crates/vfs/src/utility_pole.rs"];
    let caught: Vec<String> = paths.iter().filter_map(|path| check_name(path)).collect();
    assert_caught(&caught, &["\"util\"", "\"helpers\""]);
}
