//! Who one is: the answers of an [identity](crate::identity). Trapped only where one is shown.

use crate::identity::{NO_ID, View, narrow};
use crate::outcome::{Call, Outcome};
use crate::tasks::Task;
use mynah_intercept::arch::{OwnerAt, UCRED_OWNER};
use mynah_intercept::{UserPtr, memory};
use mynah_vfs::Errno;
use std::sync::Arc;

/// Groups that one process can have (NGROUPS_MAX).
const GROUPS_MAX: usize = 65536;
/// `struct new_utsname`: the fields have this room each, and the host's name is the second.
const UTS_FIELD: usize = 65;

/// How ids are laid out: i386 has kept its first interface, of 16 bits, beside the second.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    Short,
    Full,
}

impl Width {
    fn encode(self, id: u32) -> Vec<u8> {
        match self {
            Width::Short => narrow(id).to_ne_bytes().to_vec(),
            Width::Full => id.to_ne_bytes().to_vec(),
        }
    }

    /// An id as an argument gives it.
    pub(super) fn id(self, argument: u32) -> u32 {
        match self {
            Width::Short if argument as u16 == u16::MAX => NO_ID,
            Width::Short => argument & u32::from(u16::MAX),
            Width::Full => argument,
        }
    }

    fn value(self, id: u32) -> Outcome {
        Outcome::Value(match self {
            Width::Short => i64::from(narrow(id)),
            Width::Full => i64::from(id),
        })
    }

    fn bytes(self) -> usize {
        match self {
            Width::Short => 2,
            Width::Full => 4,
        }
    }
}

/// The calls of the table, by their names.
pub(super) fn native(call: Call<'_>) -> Outcome {
    let row = super::table::row(call.notification.call.number);
    // Only rows that name this handler come here.
    row.and_then(|row| answer(call, row.name, Width::Full)).unwrap_or(Outcome::Resume)
}

/// The calls that [`answer`] answers.
pub(super) const NAMES: &[&str] = &[
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "getresuid",
    "getresgid",
    "getgroups",
    "setuid",
    "setreuid",
    "setresuid",
    "setgid",
    "setregid",
    "setresgid",
    "setfsuid",
    "setfsgid",
    "setgroups",
];

/// What one is, and what comes of wanting to be another; `None` for calls that are of neither kind.
pub(super) fn answer(call: Call<'_>, name: &str, width: Width) -> Option<Outcome> {
    let shown = &call.agent.identity.shown;
    Some(match name {
        "getuid" | "geteuid" => width.value(shown.uid),
        "getgid" | "getegid" => width.value(shown.gid),
        "getresuid" => thrice(call, shown.uid, width),
        "getresgid" => thrice(call, shown.gid, width),
        "getgroups" => groups(call, width),
        "setuid" => set_uid(call, 1, width),
        "setreuid" => set_uid(call, 2, width),
        "setresuid" => set_uid(call, 3, width),
        "setgid" => set_gid(call, 1, width),
        "setregid" => set_gid(call, 2, width),
        "setresgid" => set_gid(call, 3, width),
        // These two tell what the id was, and nothing else (setfsuid(2)).
        "setfsuid" => width.value(shown.uid),
        "setfsgid" => width.value(shown.gid),
        "setgroups" => set_groups(call, width),
        _ => return None,
    })
}

/// Real, effective and saved id are one and the same.
fn thrice(call: Call<'_>, id: u32, width: Width) -> Outcome {
    let parts = (0..3).map(|at| (call.pointer(at), width.encode(id))).collect();
    Outcome::FillEach { parts, value: 0 }
}

fn groups(call: Call<'_>, width: Width) -> Outcome {
    let groups = &call.agent.identity.shown.groups;
    let Ok(room) = usize::try_from(call.int(0)) else { return Outcome::Errno(Errno::EINVAL) };
    let value = groups.len() as i64;
    if room == 0 {
        return Outcome::Value(value);
    }
    if room < groups.len() {
        return Outcome::Errno(Errno::EINVAL);
    }
    let bytes = groups.iter().flat_map(|&gid| width.encode(gid)).collect();
    Outcome::Fill { to: call.pointer(1), bytes, value }
}

/// setuid(2), setreuid(2) and setresuid(2) with their `count` arguments: to oneself changes nothing, and nobody else can be
/// become, whoever one is shown to be.
fn set_uid(call: Call<'_>, count: usize, width: Width) -> Outcome {
    may_set(call.agent.identity.is_own_uid(&arguments(call, count, width)), call, count, width)
}

fn set_gid(call: Call<'_>, count: usize, width: Width) -> Outcome {
    may_set(call.agent.identity.is_own_gid(&arguments(call, count, width)), call, count, width)
}

fn arguments(call: Call<'_>, count: usize, width: Width) -> Vec<u32> {
    (0..count).map(|at| width.id(call.bits(at))).collect()
}

fn may_set(own: bool, call: Call<'_>, count: usize, width: Width) -> Outcome {
    // Only the calls with several ids can leave one as it is.
    if count == 1 && width.id(call.bits(0)) == NO_ID {
        return Outcome::Errno(Errno::EINVAL);
    }
    if own { Outcome::DONE } else { Outcome::Errno(Errno::EPERM) }
}

fn set_groups(call: Call<'_>, width: Width) -> Outcome {
    let count = call.bits(0) as usize;
    if count > GROUPS_MAX {
        return Outcome::Errno(Errno::EINVAL);
    }
    let mut bytes = vec![0; count * width.bytes()];
    if memory::read(call.tid(), call.pointer(1), &mut bytes).is_err() {
        return Outcome::Errno(Errno::EFAULT);
    }
    let mut groups: Vec<u32> = bytes.chunks_exact(width.bytes()).map(crate::identity::id_of).collect();
    match call.agent.identity.set_groups(&mut groups) {
        Ok(()) => Outcome::DONE,
        Err(errno) => Outcome::Errno(errno),
    }
}

/// The calls that change who one is: those of an identity that is shown come to nothing, all others the kernel performs, and
/// the agent takes note.
pub(super) fn change(call: Call<'_>) -> Outcome {
    if call.agent.identity.shows(View::User) { native(call) } else { noted(call) }
}

/// capset(2) and all that gives or takes rights. Whoever gives some up must not see by our eyes what it can no longer see by its
/// own.
pub(super) fn noted(call: Call<'_>) -> Outcome {
    call.agent.tasks.credentials_change(call.tid());
    Outcome::Resume
}

/// Whether a call, by its name, changes who one is.
pub(super) fn is_change(name: &str) -> bool {
    name == "capset" || (NAMES.contains(&name) && name.starts_with("set"))
}

pub(super) fn uname(call: Call<'_>) -> Outcome {
    named(call, UTS_FIELD)
}

/// uname(2) whose fields have `room` bytes each.
pub(super) fn named(call: Call<'_>, room: usize) -> Outcome {
    let (agent, tid, to) = (Arc::clone(call.agent), call.tid(), call.pointer(0));
    Outcome::PerformThen(Box::new(move |result| {
        if result == 0 {
            agent.identity.show_host_in(tid, to.offset(room as u64), room);
        }
    }))
}

/// sethostname(2): the host that is shown is not this machine.
pub(super) fn sethostname(_: Call<'_>) -> Outcome {
    Outcome::Errno(Errno::EPERM)
}

/// getsockopt(2) for SO_PEERCRED.
pub(super) fn native_getsockopt(call: Call<'_>) -> Outcome {
    getsockopt(call, call.notification.call.args)
}

/// getsockopt(2) with these arguments, for SO_PEERCRED or, as the filter looks at 64-bit calls only, something else.
pub(super) fn getsockopt(call: Call<'_>, args: [u64; 6]) -> Outcome {
    if args[1] as i32 != libc::SOL_SOCKET || args[2] as i32 != libc::SO_PEERCRED {
        return Outcome::Resume;
    }
    let (agent, tid, to, length) = (Arc::clone(call.agent), call.tid(), UserPtr(args[3]), UserPtr(args[4]));
    let needed = (UCRED_OWNER.offset + 2 * UCRED_OWNER.width) as u32;
    Outcome::PerformThen(Box::new(move |result| {
        if result == 0 && memory::read_u32(tid, length).is_ok_and(|length| length >= needed) {
            agent.identity.show_owner_in(tid, to, UCRED_OWNER);
        }
    }))
}

/// The kernel performs a call that puts attributes at `to`, and the program sees the shown owner in them.
pub(super) fn with_shown_owner(task: Task, to: UserPtr, at: OwnerAt) -> Outcome {
    Outcome::PerformThen(Box::new(move |result| {
        if result == 0 {
            task.agent.identity.show_owner_in(task.tid, to, at);
        }
    }))
}
