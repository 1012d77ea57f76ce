//! Absolute, normal paths of bytes.

use std::fmt;

/// The longest name of one directory entry, in bytes (`limits.h`).
pub const NAME_MAX: usize = 255;
/// The longest path that a system call takes, in bytes, with its terminating NUL (`limits.h`).
pub const PATH_MAX: usize = 4096;

/// Why bytes cannot be the name of a directory entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// Empty, `.` or `..`.
    Reserved,
    /// Holds `/` or NUL.
    BadByte,
    /// Longer than [`NAME_MAX`].
    TooLong,
}

/// Checks that `name` can name a directory entry. Every name that a server sends passes here before it is used.
///
/// # Errors
/// [`NameError`] says why not.
pub fn check_name(name: &[u8]) -> Result<(), NameError> {
    match name {
        b"" | b"." | b".." => Err(NameError::Reserved),
        name if name.iter().any(|&b| b == b'/' || b == 0) => Err(NameError::BadByte),
        name if name.len() > NAME_MAX => Err(NameError::TooLong),
        _ => Ok(()),
    }
}

/// An absolute path with no empty, `.` or `..` component, no NUL, and no trailing slash but for the root.
///
/// Paths are bytes: names need not be UTF-8. A `VPath` is either a name of the program's namespace or, when it is
/// handed to a [`crate::Driver`], a name below that driver's own root.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VPath(Vec<u8>);

impl VPath {
    /// The root, `/`.
    #[must_use]
    pub fn root() -> VPath {
        VPath(vec![b'/'])
    }

    /// Makes any bytes absolute and normal, textually: `..` takes away the component before it and stops at the root.
    ///
    /// Right only where no component can be a symbolic link, or where text is what the user meant (mount prefixes,
    /// URLs). `None` if there is a NUL.
    #[must_use]
    pub fn normal(bytes: &[u8]) -> Option<VPath> {
        if bytes.contains(&0) {
            return None;
        }
        let mut path = VPath::root();
        for component in bytes.split(|&b| b == b'/') {
            match component {
                b"" | b"." => {}
                b".." => path.pop(),
                name => path.push(name),
            }
        }
        Some(path)
    }

    /// The bytes, beginning with `/`.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is `/`.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.len() == 1
    }

    /// The components, from the root down.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|&b| b == b'/').filter(|c| !c.is_empty())
    }

    /// The last component; `None` for the root.
    #[must_use]
    pub fn name(&self) -> Option<&[u8]> {
        self.components().next_back()
    }

    /// The path without its last component; `None` for the root.
    #[must_use]
    pub fn parent(&self) -> Option<VPath> {
        if self.is_root() {
            return None;
        }
        let mut parent = self.clone();
        parent.pop();
        Some(parent)
    }

    /// Appends one component, which the caller has checked with [`check_name`].
    pub fn push(&mut self, name: &[u8]) {
        debug_assert!(!name.is_empty() && !name.contains(&b'/') && name != b"." && name != b"..");
        if !self.is_root() {
            self.0.push(b'/');
        }
        self.0.extend_from_slice(name);
    }

    /// Takes the last component away; the root stays.
    pub fn pop(&mut self) {
        let cut = self.0.iter().rposition(|&b| b == b'/').unwrap_or(0);
        self.0.truncate(cut.max(1));
    }

    /// This path with one more component.
    #[must_use]
    pub fn child(&self, name: &[u8]) -> VPath {
        let mut child = self.clone();
        child.push(name);
        child
    }

    /// This path with all of `below` (a path of its own root) under it.
    #[must_use]
    pub fn join(&self, below: &VPath) -> VPath {
        if below.is_root() {
            return self.clone();
        }
        if self.is_root() {
            return below.clone();
        }
        let mut joined = self.0.clone();
        joined.extend_from_slice(&below.0);
        VPath(joined)
    }

    /// Whether `other` is this path or lies below it.
    #[must_use]
    pub fn contains(&self, other: &VPath) -> bool {
        self.is_root()
            || (other.0.starts_with(&self.0) && matches!(other.0.get(self.0.len()), None | Some(b'/')))
    }

    /// `self` as seen from `ancestor`, as a path of its own root; `None` if it does not lie there.
    #[must_use]
    pub fn below(&self, ancestor: &VPath) -> Option<VPath> {
        if !ancestor.contains(self) {
            return None;
        }
        if ancestor.is_root() {
            return Some(self.clone());
        }
        match &self.0[ancestor.0.len()..] {
            b"" => Some(VPath::root()),
            rest => Some(VPath(rest.to_vec())),
        }
    }
}

impl fmt::Display for VPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for VPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> VPath {
        VPath::normal(text.as_bytes()).unwrap()
    }

    #[test]
    fn normal_paths() {
        for (given, normal) in [
            ("", "/"),
            ("/", "/"),
            ("a//b/./c/", "/a/b/c"),
            ("/../..", "/"),
            ("/a/../b", "/b"),
            ("/a/b/..", "/a"),
        ] {
            assert_eq!(path(given).as_bytes(), normal.as_bytes(), "{given}");
        }
        assert!(VPath::normal(b"/a\0b").is_none());
    }

    #[test]
    fn ancestors_are_cut_at_components() {
        assert!(path("/a").contains(&path("/a/b")));
        assert!(path("/a").contains(&path("/a")));
        assert!(!path("/a").contains(&path("/ab")));
        assert!(path("/").contains(&path("/ab")));
        assert_eq!(path("/a/b/c").below(&path("/a")), Some(path("/b/c")));
        assert_eq!(path("/a").below(&path("/a")), Some(path("/")));
        assert_eq!(path("/ab").below(&path("/a")), None);
        assert_eq!(path("/a").join(&path("/b")), path("/a/b"));
        assert_eq!(path("/").join(&path("/b")), path("/b"));
        assert_eq!(path("/a/b").parent(), Some(path("/a")));
        assert_eq!(path("/a").parent(), Some(path("/")));
        assert_eq!(path("/").parent(), None);
    }

    #[test]
    fn names_of_entries() {
        assert_eq!(check_name(b"x y\n\xff"), Ok(()));
        assert_eq!(check_name(b".."), Err(NameError::Reserved));
        assert_eq!(check_name(b"a/b"), Err(NameError::BadByte));
        assert_eq!(check_name(&[b'a'; 256]), Err(NameError::TooLong));
    }
}
