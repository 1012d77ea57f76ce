//! By what the kernel judges a thread: credentials(7), as `/proc/TID/status` tells them.

use mynah_vfs::{Errno, Stat};
use std::fs::{read_link, read_to_string};

/// A capability by its number (capabilities(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capability(u32);

impl Capability {
    pub(crate) const CHOWN: Capability = Capability(0);
    pub(crate) const DAC_OVERRIDE: Capability = Capability(1);
    pub(crate) const DAC_READ_SEARCH: Capability = Capability(2);
    pub(crate) const FOWNER: Capability = Capability(3);
    pub(crate) const FSETID: Capability = Capability(4);
    pub(crate) const SYS_ADMIN: Capability = Capability(21);
    pub(crate) const MKNOD: Capability = Capability(27);

    fn bit(self) -> u64 {
        1 << self.0
    }
}

/// Those that have to do with files.
const OF_FILES: u64 = 0b1_1111 | 1 << Capability::SYS_ADMIN.0 | 1 << Capability::MKNOD.0;

/// Who somebody is to the files that it uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Rising.
    groups: Vec<u32>,
    capabilities: u64,
    /// How far the capabilities reach that a user namespace gave; `None` in the agent's own.
    reach: Option<Reach>,
}

/// Which of an object's two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    User,
    Group,
}

/// What a user namespace shows for a number that it does not have (`/proc/sys/kernel/overflowuid`).
const OVERFLOW_ID: u32 = 65534;

/// The ids that a user namespace has, by their numbers outside: capabilities count for nobody else's files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Reach {
    uids: Vec<Range>,
    gids: Vec<Range>,
}

/// A line of uid_map or gid_map (user_namespaces(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    inside: u32,
    outside: u32,
    count: u32,
}

/// A thread's credentials, for most calls and for access(2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OfThread {
    /// With the ids of the file system.
    pub(crate) acting: Credentials,
    /// With the real ids, and the capabilities that would come of them.
    pub(crate) real: Credentials,
}

impl OfThread {
    /// Those of the agent itself.
    pub(crate) fn of_agent() -> Option<OfThread> {
        OfThread::parse(&read_to_string("/proc/thread-self/status").ok()?, None)
    }

    /// Those of a thread; `None` for one that is gone.
    pub(crate) fn of(tid: i32) -> Option<OfThread> {
        let file = |name: &str| format!("/proc/{tid}/{name}");
        // Where the namespace cannot be looked at, we have no rights over the thread, nor it over us.
        let elsewhere = match (read_link(file("ns/user")), read_link("/proc/self/ns/user")) {
            (Ok(its), Ok(own)) => its != own,
            _ => false,
        };
        let ranges = |name: &str| read_to_string(file(name)).map(|text| ranges(&text)).unwrap_or_default();
        let reach = elsewhere.then(|| Reach { uids: ranges("uid_map"), gids: ranges("gid_map") });
        OfThread::parse(&read_to_string(file("status")).ok()?, reach)
    }

    fn parse(status: &str, reach: Option<Reach>) -> Option<OfThread> {
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
        let numbers = |name: &str| -> Option<Vec<u32>> {
            field(name)?.split_whitespace().map(|word| word.parse().ok()).collect()
        };
        let set = |name: &str| u64::from_str_radix(field(name)?.trim(), 16).ok();
        // Real, effective, saved, of the file system.
        let (uids, gids) = (numbers("Uid:")?, numbers("Gid:")?);
        let mut groups = numbers("Groups:")?;
        groups.sort_unstable();
        let acting = Credentials {
            uid: *uids.get(3)?,
            gid: *gids.get(3)?,
            groups,
            capabilities: set("CapEff:")?,
            reach,
        };
        let mut real = Credentials { uid: uids[0], gid: gids[0], ..acting.clone() };
        // access(2) asks for the real user's rights: all that root may have, none otherwise (open.c, access_override_creds).
        real.capabilities = if real.is_root() { set("CapPrm:")? } else { 0 };
        Some(OfThread { acting, real })
    }
}

impl Credentials {
    /// Whether a server that knows `own` may take this one for it: the same ids, and no fewer rights.
    pub(crate) fn passes_for(&self, own: &Credentials) -> bool {
        let rights = own.capabilities & OF_FILES;
        let has_them = self.capabilities & rights == rights && (rights == 0 || self.reach == own.reach);
        (self.uid, self.gid, &self.groups) == (own.uid, own.gid, &own.groups) && has_them
    }

    /// Whether it is in another user namespace than the agent.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.reach.is_some()
    }

    /// Owner and group as they are numbered where this one is.
    pub(crate) fn seen_from_inside(&self, (uid, gid): (u32, u32)) -> (u32, u32) {
        let Some(reach) = &self.reach else { return (uid, gid) };
        let inside = |ranges: &[Range], id: u32| {
            let number = |range: &Range| translated(id, range.outside, range.inside, range.count);
            ranges.iter().find_map(number).unwrap_or(OVERFLOW_ID)
        };
        (inside(&reach.uids, uid), inside(&reach.gids, gid))
    }

    /// The owner or group that this one means by a number.
    ///
    /// # Errors
    /// EINVAL for a number that its namespace does not have.
    pub(crate) fn meant_from_inside(&self, of: Kind, id: u32) -> Result<u32, Errno> {
        let Some(reach) = &self.reach else { return Ok(id) };
        let ranges = match of {
            Kind::User => &reach.uids,
            Kind::Group => &reach.gids,
        };
        let number = |range: &Range| translated(id, range.inside, range.outside, range.count);
        ranges.iter().find_map(number).ok_or(Errno::EINVAL)
    }

    pub(crate) fn is_in(&self, gid: u32) -> bool {
        self.gid == gid || self.groups.binary_search(&gid).is_ok()
    }

    /// Whether a capability counts for an object.
    pub(crate) fn is_capable(&self, capability: Capability, of: &Stat) -> bool {
        self.has(capability) && self.reach.as_ref().is_none_or(|reach| reach.holds(of))
    }

    /// Whether a capability counts that no user namespace can give.
    pub(crate) fn is_capable_here(&self, capability: Capability) -> bool {
        self.has(capability) && self.reach.is_none()
    }

    fn has(&self, capability: Capability) -> bool {
        self.capabilities & capability.bit() != 0
    }

    fn is_root(&self) -> bool {
        let root = |reach: &Reach| {
            reach.uids.iter().find(|range| range.inside == 0).is_some_and(|range| range.outside == self.uid)
        };
        self.reach.as_ref().map_or(self.uid == 0, root)
    }
}

impl Reach {
    fn holds(&self, object: &Stat) -> bool {
        let within = |ranges: &[Range], id: u32| {
            ranges.iter().any(|range| translated(id, range.outside, range.inside, range.count).is_some())
        };
        within(&self.uids, object.uid) && within(&self.gids, object.gid)
    }
}

/// A number of a range that begins at `from`, in the one that begins at `to`.
fn translated(id: u32, from: u32, to: u32, count: u32) -> Option<u32> {
    id.checked_sub(from).filter(|&at| at < count).and_then(|at| to.checked_add(at))
}

fn ranges(map: &str) -> Vec<Range> {
    let line = |line: &str| {
        let mut words = line.split_whitespace().map(|word| word.parse().ok());
        Some(Range { inside: words.next()??, outside: words.next()??, count: words.next()?? })
    };
    map.lines().filter_map(line).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const STATUS: &str = "Name:\tx\nUid:\t0\t1\t2\t65534\nGid:\t10\t11\t12\t13\nGroups:\t7 5 \n\
        CapPrm:\t000001ffffffffff\nCapEff:\t0000000000000008\n";

    /// An ordinary user's.
    pub(crate) fn user(uid: u32, gid: u32, groups: &[u32]) -> Credentials {
        Credentials { uid, gid, groups: groups.to_vec(), ..Credentials::default() }
    }

    pub(crate) fn with(capability: Capability, credentials: Credentials) -> Credentials {
        Credentials { capabilities: capability.bit(), ..credentials }
    }

    #[test]
    fn a_status_tells_both_kinds() {
        let of = OfThread::parse(STATUS, None).expect("a status");
        assert_eq!(of.acting, with(Capability::FOWNER, user(65534, 13, &[5, 7])));
        assert_eq!((of.real.uid, of.real.gid), (0, 10));
        assert!(of.real.has(Capability::DAC_OVERRIDE), "the real user is root, and may be all again");
        assert_eq!(OfThread::parse("Uid:\t0\n", None), None);
    }

    #[test]
    fn who_passes_for_whom() {
        let root = with(Capability::DAC_OVERRIDE, user(0, 0, &[]));
        assert!(root.passes_for(&root));
        assert!(!user(0, 0, &[]).passes_for(&root), "it has fewer rights");
        assert!(!with(Capability::DAC_OVERRIDE, user(0, 0, &[4])).passes_for(&root));
        let plain = user(1000, 1000, &[27]);
        assert!(plain.passes_for(&plain));
        let inside = Credentials { reach: Some(Reach::default()), ..root.clone() };
        assert!(!inside.passes_for(&root), "its rights end with its namespace");
        let inside = Credentials { reach: Some(Reach::default()), ..with(Capability::FOWNER, plain.clone()) };
        assert!(inside.passes_for(&plain), "the server lets an ordinary user do no more");
    }

    #[test]
    fn capabilities_of_a_namespace_end_with_its_ids() {
        let reach = Reach { uids: ranges("         0       1000          1\n"), gids: ranges("0 1000 2\n") };
        let inside = Credentials { reach: Some(reach), ..with(Capability::FOWNER, user(1000, 1000, &[])) };
        let file = |uid, gid| super::super::tests::object(uid, gid, 0o600);
        assert!(inside.is_capable(Capability::FOWNER, &file(1000, 1001)));
        assert!(!inside.is_capable(Capability::FOWNER, &file(1001, 1001)));
        assert!(!inside.is_capable(Capability::FOWNER, &file(1000, 1002)));
        assert!(!inside.is_capable_here(Capability::FOWNER));
        assert!(inside.is_root());
        assert_eq!(inside.seen_from_inside((1000, 1001)), (0, 1));
        assert_eq!(inside.seen_from_inside((0, 1002)), (OVERFLOW_ID, OVERFLOW_ID));
        assert_eq!(inside.meant_from_inside(Kind::Group, 1), Ok(1001));
        assert_eq!(inside.meant_from_inside(Kind::User, 1000), Err(Errno::EINVAL));
    }
}
