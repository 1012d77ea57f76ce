//! Whose program it is, as the program sees it: every view of user, groups and host, in this one place.
//!
//! Numbers and names of home stand where this machine's would: in the answers of calls ([`crate::syscalls`] asks here), in
//! the owners that stat shows and chown takes, in the texts of `/proc`, in the auxiliary vector, and in `/etc/passwd` and its
//! kin (`accounts`). Nobody has more or fewer rights by it: what the kernel allows is what the real user may do.

mod accounts;

pub use accounts::Account;

use mynah_intercept::arch::OwnerAt;
use mynah_intercept::{Tid, UserPtr, auxv, memory};
use mynah_vfs::Errno;

/// One side of an identity, which decides what has to be trapped for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Numbers of user and groups.
    User,
    /// The name of the host.
    Host,
}

/// The numbers of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// The user.
    pub uid: u32,
    /// The primary group.
    pub gid: u32,
    /// The supplementary groups, in rising order as the kernel keeps them.
    pub groups: Vec<u32>,
}

/// What programs see of their user and host in place of what is real.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// What this process, and so the kernel, goes by.
    pub real: Ids,
    /// What is shown for it.
    pub shown: Ids,
    /// The host's name, of at most [`HOST_NAME_MAX`] bytes; `None` for the machine's own.
    pub host: Option<String>,
}

/// Bytes of a host's name (`__NEW_UTS_LEN`).
pub const HOST_NAME_MAX: usize = 64;

/// The id that says "none" or "leave it".
pub(crate) const NO_ID: u32 = u32::MAX;
/// What 16-bit interfaces show of an id that does not fit (`overflowuid`).
const OVERFLOW_ID: u16 = 65534;

const AT_UID: u64 = 11;
const AT_EUID: u64 = 12;
const AT_GID: u64 = 13;
const AT_EGID: u64 = 14;

impl Identity {
    /// Whether anything differs from what is real there.
    #[must_use]
    pub fn shows(&self, view: View) -> bool {
        match view {
            View::User => self.real != self.shown,
            View::Host => self.host.is_some(),
        }
    }

    /// The user to show for a real one. Others are shown as they are.
    pub(crate) fn uid(&self, real: u32) -> u32 {
        if real == self.real.uid { self.shown.uid } else { real }
    }

    /// The group to show for a real one.
    pub(crate) fn gid(&self, real: u32) -> u32 {
        if real == self.real.gid { self.shown.gid } else { real }
    }

    /// The real owner and group that a program means by what it gives to chown(2): the shown ones are its own.
    ///
    /// # Errors
    /// EPERM for a number that is hidden behind the shown one: a file given to it would seem to be the program's own.
    pub(crate) fn owner(&self, uid: u32, gid: u32) -> Result<(u32, u32), Errno> {
        let real = |given, real, shown| match given {
            NO_ID => Ok(NO_ID),
            given if given == shown => Ok(real),
            given if given == real => Err(Errno::EPERM),
            given => Ok(given),
        };
        Ok((real(uid, self.real.uid, self.shown.uid)?, real(gid, self.real.gid, self.shown.gid)?))
    }

    /// Whether a change of user to these is one to oneself, which changes nothing.
    pub(crate) fn is_own_uid(&self, ids: &[u32]) -> bool {
        ids.iter().all(|&id| id == self.shown.uid || id == NO_ID)
    }

    /// The same for the group.
    pub(crate) fn is_own_gid(&self, ids: &[u32]) -> bool {
        ids.iter().all(|&id| id == self.shown.gid || id == NO_ID)
    }

    /// What setgroups(2) with these comes to: an ordinary user may not ask at all, and root is told of no change that was
    /// not made.
    pub(crate) fn set_groups(&self, groups: &mut [u32]) -> Result<(), Errno> {
        groups.sort_unstable();
        if self.shown.uid == 0 && groups == self.shown.groups { Ok(()) } else { Err(Errno::EPERM) }
    }

    /// Entries of a new program's auxiliary vector (getauxval(3)).
    pub(crate) fn auxv(&self) -> [(u64, u64); 4] {
        let (uid, gid) = (u64::from(self.shown.uid), u64::from(self.shown.gid));
        [(AT_UID, uid), (AT_EUID, uid), (AT_GID, gid), (AT_EGID, gid)]
    }

    /// Puts the shown numbers in place of the real ones in any program's `/proc/PID/auxv`.
    pub(crate) fn show_in_auxv(&self, vector: &mut [u8]) {
        for key in [AT_UID, AT_EUID, AT_GID, AT_EGID] {
            let Some(real) = auxv::find(vector, key).and_then(|id| u32::try_from(id).ok()) else { continue };
            let shown = if matches!(key, AT_UID | AT_EUID) { self.uid(real) } else { self.gid(real) };
            auxv::set(vector, &[(key, u64::from(shown))]);
        }
    }

    /// `/proc/PID/status` with the lines that tell user and groups put right. Whoever has the real numbers is shown with the
    /// others, so that all of the user's processes agree with the owners of their directories.
    pub(crate) fn status(&self, text: &[u8]) -> Vec<u8> {
        let mut told = Vec::with_capacity(text.len());
        for line in text.split_inclusive(|&b| b == b'\n') {
            let told_line = if let Some(ids) = line.strip_prefix(b"Uid:\t") {
                Some(format!("Uid:\t{}\n", each(ids, "\t", |id| self.uid(id))))
            } else if let Some(ids) = line.strip_prefix(b"Gid:\t") {
                Some(format!("Gid:\t{}\n", each(ids, "\t", |id| self.gid(id))))
            } else {
                // The kernel ends this line with a blank.
                line.strip_prefix(b"Groups:\t").map(|ids| format!("Groups:\t{} \n", self.groups_line(ids)))
            };
            told.extend_from_slice(told_line.as_ref().map_or(line, String::as_bytes));
        }
        told
    }

    fn groups_line(&self, line: &[u8]) -> String {
        if numbers(line) == self.real.groups {
            return joined(&self.shown.groups, " ");
        }
        each(line, " ", |id| self.gid(id))
    }

    /// Puts the shown owner in place of the real one, in what the kernel has written at `to` or would write there.
    pub(crate) fn show_owner(&self, bytes: &mut [u8], at: OwnerAt) {
        let Some(pair) = bytes.get_mut(at.offset..at.offset + 2 * at.width) else { return };
        let (uid, gid) = pair.split_at_mut(at.width);
        put(uid, self.uid(id_of(uid)));
        put(gid, self.gid(id_of(gid)));
    }

    /// [`Identity::show_owner`] in a program's memory. Where that cannot be, the kernel has just been able to write: it is the
    /// program's own doing, and it sees the real owner.
    pub(crate) fn show_owner_in(&self, tid: Tid, to: UserPtr, at: OwnerAt) {
        let to = to.offset(at.offset as u64);
        let mut pair = vec![0; 2 * at.width];
        if memory::read(tid, to, &mut pair).is_ok() {
            self.show_owner(&mut pair, OwnerAt { offset: 0, ..at });
            let _ = memory::write(tid, to, &pair);
        }
    }

    /// Puts the shown host's name where uname(2) has written the real one.
    pub(crate) fn show_host_in(&self, tid: Tid, to: UserPtr, room: usize) {
        let Some(host) = &self.host else { return };
        let mut name = host.as_bytes()[..host.len().min(room - 1)].to_vec();
        name.resize(room, 0);
        let _ = memory::write(tid, to, &name);
    }
}

/// An id in two or four bytes. (An id in two that does not fit is shown as the kernel shows it, and is nobody's.)
pub(crate) fn id_of(bytes: &[u8]) -> u32 {
    match *bytes {
        [a, b] => u32::from(u16::from_ne_bytes([a, b])),
        [a, b, c, d] => u32::from_ne_bytes([a, b, c, d]),
        _ => NO_ID,
    }
}

fn put(bytes: &mut [u8], id: u32) {
    if bytes.len() == 2 {
        bytes.copy_from_slice(&narrow(id).to_ne_bytes());
    } else {
        bytes.copy_from_slice(&id.to_ne_bytes());
    }
}

/// An id as 16-bit interfaces tell it.
pub(crate) fn narrow(id: u32) -> u16 {
    u16::try_from(id).unwrap_or(OVERFLOW_ID)
}

fn numbers(line: &[u8]) -> Vec<u32> {
    let words = line.split(u8::is_ascii_whitespace).filter_map(|word| std::str::from_utf8(word).ok());
    words.filter_map(|word| word.parse().ok()).collect()
}

fn each(line: &[u8], between: &str, show: impl Fn(u32) -> u32) -> String {
    let shown: Vec<u32> = numbers(line).into_iter().map(show).collect();
    joined(&shown, between)
}

fn joined(ids: &[u32], between: &str) -> String {
    ids.iter().map(u32::to_string).collect::<Vec<_>>().join(between)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity {
            real: Ids { uid: 1001, gid: 1001, groups: vec![27, 1001] },
            shown: Ids { uid: 500, gid: 50, groups: vec![50, 60, 70] },
            host: Some("home".to_owned()),
        }
    }

    #[test]
    fn the_shown_owner_is_oneself_and_the_hidden_one_nobody() {
        let identity = identity();
        assert_eq!((identity.uid(1001), identity.uid(0), identity.gid(1001)), (500, 0, 50));
        assert_eq!(identity.owner(500, NO_ID), Ok((1001, NO_ID)));
        assert_eq!(identity.owner(NO_ID, 50), Ok((NO_ID, 1001)));
        assert_eq!(identity.owner(0, 60), Ok((0, 60)));
        assert_eq!(identity.owner(1001, NO_ID), Err(Errno::EPERM));
        let same = Identity { real: identity.real.clone(), shown: identity.real.clone(), host: None };
        assert_eq!(same.owner(1001, 1001), Ok((1001, 1001)));
        assert!(!same.shows(View::User) && !same.shows(View::Host));
    }

    #[test]
    fn status_is_retold() {
        let text = b"Name:\tcat\nUid:\t1001\t1001\t1001\t0\nGid:\t1001\t1001\t1001\t1001\nGroups:\t27 1001 \nUmask:\t0022\n";
        let told =
            b"Name:\tcat\nUid:\t500\t500\t500\t0\nGid:\t50\t50\t50\t50\nGroups:\t50 60 70 \nUmask:\t0022\n";
        assert_eq!(identity().status(text), told);
        assert_eq!(identity().status(b"Groups:\t1001 \n"), b"Groups:\t50 \n");
        assert_eq!(identity().status(b"Groups:\t \n"), b"Groups:\t \n");
    }

    #[test]
    fn a_vector_of_another_user_stays() {
        let vector = |words: &[u64]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
        let mut own = vector(&[33, 0x7fff_0000_0000, 11, 1001, 12, 1001, 13, 1001, 14, 7, 0, 0]);
        identity().show_in_auxv(&mut own);
        assert_eq!(own, vector(&[33, 0x7fff_0000_0000, 11, 500, 12, 500, 13, 50, 14, 7, 0, 0]));
    }

    #[test]
    fn owners_are_shown_in_fields_of_both_widths() {
        let mut wide = [0; 12];
        wide[4..8].copy_from_slice(&1001_u32.to_ne_bytes());
        identity().show_owner(&mut wide, OwnerAt { offset: 4, width: 4 });
        assert_eq!(wide[4..8], 500_u32.to_ne_bytes());
        let mut short = 1001_u16.to_ne_bytes().repeat(2);
        let far = Identity { shown: Ids { uid: 70_000, gid: 50, groups: vec![] }, ..identity() };
        far.show_owner(&mut short, OwnerAt { offset: 0, width: 2 });
        assert_eq!(short, [65534_u16.to_ne_bytes(), 50_u16.to_ne_bytes()].concat());
        far.show_owner(&mut [], OwnerAt { offset: 0, width: 4 });
    }
}
