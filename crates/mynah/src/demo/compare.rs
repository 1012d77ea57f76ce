//! What differs between two trees on this machine's disk.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What is compared of one object: kind and permission bits, and the content or the link's text.
#[derive(PartialEq, Eq)]
struct Object {
    mode: u32,
    content: Vec<u8>,
}

/// A line for each path that is not the same in `served` and `native`; none if the trees agree.
pub(super) fn differences(served: &Path, native: &Path) -> io::Result<Vec<String>> {
    let (served, native) = (read(served)?, read(native)?);
    let mut paths: Vec<&PathBuf> = served.keys().chain(native.keys()).collect();
    paths.sort();
    paths.dedup();
    let complaint = |path: &PathBuf| {
        let what = match (served.get(path), native.get(path)) {
            (Some(a), Some(b)) if a == b => return None,
            (Some(a), Some(b)) if a.mode != b.mode => format!("has mode {:o}, natively {:o}", a.mode, b.mode),
            (Some(_), Some(_)) => "has another content than natively".to_owned(),
            (Some(_), None) => "is on the server, but not there natively".to_owned(),
            (None, _) => "is not on the server, but there natively".to_owned(),
        };
        Some(format!("{} {what}", path.display()))
    };
    Ok(paths.into_iter().filter_map(complaint).collect())
}

/// Everything below `root`, by its path from there.
fn read(root: &Path) -> io::Result<BTreeMap<PathBuf, Object>> {
    let mut found = BTreeMap::new();
    let mut todo = vec![PathBuf::new()];
    while let Some(below) = todo.pop() {
        let path = root.join(&below);
        let attributes = fs::symlink_metadata(&path)?;
        let mut content = Vec::new();
        if attributes.is_dir() {
            for entry in fs::read_dir(&path)? {
                todo.push(below.join(entry?.file_name()));
            }
        } else if attributes.is_symlink() {
            content = fs::read_link(&path)?.into_os_string().into_encoded_bytes();
        } else if attributes.is_file() {
            content = fs::read(&path)?;
        }
        found.insert(below, Object { mode: attributes.permissions().mode(), content });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::{project, scratch::Scratch};
    use super::*;

    #[test]
    fn differences_are_named() {
        let scratch = Scratch::new().unwrap();
        let (a, b) = (scratch.path().join("a"), scratch.path().join("b"));
        project::unpack(&a).unwrap();
        project::unpack(&b).unwrap();
        assert_eq!(differences(&a, &b).unwrap(), Vec::<String>::new());

        fs::write(a.join("README"), "other").unwrap();
        fs::remove_file(a.join("Makefile")).unwrap();
        fs::write(a.join("core"), "").unwrap();
        fs::set_permissions(a.join("tests/check.sh"), fs::Permissions::from_mode(0o600)).unwrap();
        let found = differences(&a, &b).unwrap();
        let expected = [
            "Makefile is not on the server, but there natively",
            "README has another content than natively",
            "core is on the server, but not there natively",
            "tests/check.sh has mode 100600, natively 100755",
        ];
        assert_eq!(found, expected);
    }
}
