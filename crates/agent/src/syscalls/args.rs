//! What the arguments of a system call are, for whoever shows them to people.

use std::borrow::Cow;

/// One argument of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arg {
    /// A path: from the directory in the argument before it if that is [`Arg::Dirfd`], else from the working directory.
    Path,
    /// Another text: that of a link, the name of an attribute.
    Text,
    /// The descriptor from which a path starts, or AT_FDCWD.
    Dirfd,
    /// Another descriptor.
    Fd,
    /// An `int`.
    Int,
    /// A size, an offset, a count.
    Size,
    /// Permission bits.
    Mode,
    /// Permission bits that count only if the flags before them ask for a file to be made.
    ModeOfNew,
    /// Bits that have names.
    Set(&'static Set),
    /// Bits without names here.
    Bits,
    /// An address: it tells nothing but whether it is null.
    Pointer,
}

/// The names of a set of bits.
#[derive(Debug, PartialEq, Eq)]
pub struct Set {
    /// Bits of which exactly one value holds, and the values.
    one_of: (u32, &'static [(u32, &'static str)]),
    /// Single bits; those of several bits come before the ones that they contain.
    flags: &'static [(u32, &'static str)],
}

macro_rules! names {
    ($($name:ident)*) => { &[$((libc::$name as u32, stringify!($name))),*] };
}

impl Arg {
    /// An argument's value as people write it. Texts are the caller's, who has read them.
    #[must_use]
    pub fn shown(self, value: u64) -> Cow<'static, str> {
        match self {
            Arg::Dirfd if value as i32 == libc::AT_FDCWD => "AT_FDCWD".into(),
            Arg::Dirfd | Arg::Fd | Arg::Int => (value as i32).to_string().into(),
            Arg::Size => value.to_string().into(),
            Arg::Mode | Arg::ModeOfNew => format!("{:#05o}", value as u32).replacen("0o", "0", 1).into(),
            Arg::Set(set) => set.shown(value as u32),
            Arg::Bits => format!("{:#x}", value as u32).into(),
            Arg::Path | Arg::Text | Arg::Pointer if value == 0 => "NULL".into(),
            Arg::Path | Arg::Text | Arg::Pointer => "...".into(),
        }
    }

    /// Whether it points to a text.
    #[must_use]
    pub const fn is_text(self) -> bool {
        matches!(self, Arg::Path | Arg::Text)
    }

    /// What is worth keeping of a value: of an address only that it is none.
    #[must_use]
    pub const fn kept(self, value: u64) -> u64 {
        match self {
            Arg::Path | Arg::Text | Arg::Pointer => (value != 0) as u64,
            Arg::Size => value,
            _ => value as u32 as u64,
        }
    }
}

impl Set {
    fn shown(&self, value: u32) -> Cow<'static, str> {
        let (mask, values) = self.one_of;
        let mut left = value & !mask;
        let mut names: Vec<Cow<'static, str>> = Vec::new();
        match values.iter().find(|(one, _)| *one == value & mask) {
            Some((_, name)) => names.push((*name).into()),
            None => left = value,
        }
        for (bits, name) in self.flags {
            if left & bits == *bits {
                names.push((*name).into());
                left &= !bits;
            }
        }
        if left != 0 || names.is_empty() {
            names.push(if left == 0 { "0".into() } else { format!("{left:#x}").into() });
        }
        names.join("|").into()
    }
}

/// The flags of open(2).
pub(super) const OPEN: Arg = Arg::Set(&Set {
    one_of: (libc::O_ACCMODE as u32, names!(O_RDONLY O_WRONLY O_RDWR)),
    flags: names!(O_TMPFILE O_SYNC O_CREAT O_EXCL O_NOCTTY O_TRUNC O_APPEND O_NONBLOCK O_DSYNC O_ASYNC O_DIRECT
        O_DIRECTORY O_NOFOLLOW O_NOATIME O_CLOEXEC O_PATH),
});
/// Whether the flags of an open ask for a file to be made.
#[must_use]
pub fn makes_file(flags: u64) -> bool {
    let flags = flags as i32;
    flags & libc::O_CREAT != 0 || flags & libc::O_TMPFILE == libc::O_TMPFILE
}

const fn flags(flags: &'static [(u32, &'static str)]) -> Set {
    Set { one_of: (0, &[]), flags }
}

/// The flags of dup3(2).
pub(super) const DUP: Arg = Arg::Set(&flags(names!(O_CLOEXEC)));
/// The flags of the calls that end in `at`.
pub(super) const AT: Arg = Arg::Set(&flags(names!(AT_SYMLINK_NOFOLLOW AT_SYMLINK_FOLLOW AT_NO_AUTOMOUNT
    AT_EMPTY_PATH AT_STATX_FORCE_SYNC AT_STATX_DONT_SYNC AT_RECURSIVE)));
/// Those of unlinkat(2), where one bit means something else.
pub(super) const UNLINK: Arg = Arg::Set(&flags(names!(AT_REMOVEDIR)));
/// Those of faccessat2(2), where one bit means something else.
pub(super) const AT_ACCESS: Arg = Arg::Set(&flags(names!(AT_EACCESS AT_SYMLINK_NOFOLLOW AT_EMPTY_PATH)));
/// What access(2) asks for.
pub(super) const ACCESS: Arg =
    Arg::Set(&Set { one_of: (u32::MAX, names!(F_OK)), flags: names!(R_OK W_OK X_OK) });
pub(super) const RENAME: Arg = Arg::Set(&flags(names!(RENAME_NOREPLACE RENAME_EXCHANGE RENAME_WHITEOUT)));
pub(super) const XATTR: Arg = Arg::Set(&flags(names!(XATTR_CREATE XATTR_REPLACE)));
pub(super) const NAMESPACES: Arg =
    Arg::Set(&flags(names!(CLONE_NEWNS CLONE_NEWCGROUP CLONE_NEWUTS CLONE_NEWIPC
    CLONE_NEWUSER CLONE_NEWPID CLONE_NEWNET CLONE_FS CLONE_FILES)));
pub(super) const PROT: Arg =
    Arg::Set(&Set { one_of: (u32::MAX, names!(PROT_NONE)), flags: names!(PROT_READ PROT_WRITE PROT_EXEC) });
pub(super) const MAP: Arg = Arg::Set(&Set {
    one_of: (0x0f, names!(MAP_SHARED MAP_PRIVATE MAP_SHARED_VALIDATE)),
    flags: names!(MAP_FIXED_NOREPLACE MAP_FIXED MAP_ANONYMOUS MAP_NORESERVE MAP_POPULATE MAP_SYNC),
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_as_people_write_them() {
        let open = |flags: i32| OPEN.shown(flags as u64).into_owned();
        assert_eq!(open(0), "O_RDONLY");
        assert_eq!(open(libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC), "O_WRONLY|O_CREAT|O_TRUNC");
        assert_eq!(open(libc::O_RDWR | libc::O_TMPFILE), "O_RDWR|O_TMPFILE");
        assert_eq!(open(libc::O_SYNC | 0x4000_0000), "O_RDONLY|O_SYNC|0x40000000");
        assert_eq!(open(3), "0x3");
        assert_eq!(AT.shown(0), "0");
        assert_eq!(ACCESS.shown(0), "F_OK");
        assert_eq!(ACCESS.shown(5), "R_OK|X_OK");
        assert_eq!(Arg::Mode.shown(0o644), "0644");
        assert_eq!(Arg::Mode.shown(0), "0000");
        assert_eq!(Arg::Mode.shown(0o100_755), "0100755");
        // A descriptor is an int, whatever the upper half of the register holds.
        assert_eq!(Arg::Dirfd.shown(0xffff_ff9c), "AT_FDCWD");
        assert_eq!(Arg::Fd.shown(u64::from(u32::MAX)), "-1");
        assert_eq!(Arg::Pointer.shown(0), "NULL");
        assert_eq!(Arg::Pointer.kept(0x7fff_0000_1234), 1);
    }

    #[test]
    fn every_set_shows_each_of_its_names() {
        for set in [OPEN, DUP, AT, UNLINK, AT_ACCESS, ACCESS, RENAME, XATTR, NAMESPACES, PROT, MAP] {
            let Arg::Set(set) = set else { panic!("not a set") };
            for (bits, name) in set.flags {
                assert!(set.shown(*bits).split('|').any(|shown| shown == *name), "{name}");
            }
        }
    }
}
