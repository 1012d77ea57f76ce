//! Who is at the other end: the loop of proposals, and the unix method.

use super::ServerConfig;
use super::wire::Wire;
use crate::proto::argument::Word;
use std::fmt::Write;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The longest line of authentication, with its newline.
const LINE_MAX: usize = 2048;
/// How many methods a client may propose before we hang up.
const PROPOSALS_MAX: usize = 16;
/// How often we look for the client's file, for the sake of network file systems that show it late.
const LOOKS: usize = 5;
const LOOK_PAUSE: Duration = Duration::from_secs(1);
/// Bytes of chance in a challenge's name.
const CHANCE: usize = 16;

/// An authenticated identity.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    /// `method:name`.
    pub(super) name: String,
    /// Whether it is the user who owns the server's files.
    pub(super) owner: bool,
}

/// Runs the loop of proposals; `None` if the client gave up.
pub(super) async fn authenticate(wire: &mut Wire, config: &ServerConfig) -> io::Result<Option<Subject>> {
    for _ in 0..PROPOSALS_MAX {
        let Some(method) = wire.line(LINE_MAX, config.stall).await? else { return Ok(None) };
        if &method[..] != b"unix" {
            wire.out.extend_from_slice(b"no\n");
            continue;
        }
        wire.out.extend_from_slice(b"yes\n");
        if let Some((user, owner)) = unix(wire, config).await? {
            wire.out.extend_from_slice(format!("yes\nunix\n{user}\n").as_bytes());
            return Ok(Some(Subject { name: format!("unix:{user}"), owner }));
        }
    }
    Ok(None)
}

/// Asks the client to make a file that only its user could make, and looks at the owner.
async fn unix(wire: &mut Wire, config: &ServerConfig) -> io::Result<Option<(String, bool)>> {
    let challenge = challenge(&config.challenge_dir)?;
    wire.out.extend_from_slice(challenge.as_os_str().as_encoded_bytes());
    wire.out.push(b'\n');
    match wire.line(LINE_MAX, config.stall).await? {
        Some(answer) if &answer[..] == b"yes" => {}
        // The client could not make it, and now expects to propose another method.
        _ => return Ok(None),
    }
    let proved = look(&challenge).await.and_then(|uid| user(uid, config.owner).map(|user| (user, uid)));
    // The client removes its file too; ours to remove only where the directory lets us.
    let _ = std::fs::remove_file(&challenge);
    wire.out.extend_from_slice(if proved.is_some() { b"yes\n" } else { b"no\n" });
    Ok(proved.map(|(user, uid)| (user, uid == config.owner)))
}

fn challenge(dir: &Path) -> io::Result<PathBuf> {
    let mut chance = [0; CHANCE];
    rustix::rand::getrandom(&mut chance, rustix::rand::GetRandomFlags::empty())?;
    let mut name = format!("challenge.{}.", std::process::id());
    for byte in chance {
        // Writing to a string cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    Ok(dir.join(name))
}

/// The owner of the file that the client made.
async fn look(challenge: &Path) -> Option<u32> {
    for attempt in 0..LOOKS {
        if attempt > 0 {
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        if let Ok(found) = std::fs::symlink_metadata(challenge) {
            return is_answer(&found).then_some(found.uid());
        }
    }
    None
}

/// A fresh, empty file of the client's own: a link to somebody else's file, symbolic or hard, proves nothing.
fn is_answer(found: &std::fs::Metadata) -> bool {
    found.is_file() && found.nlink() == 1 && found.len() == 0
}

/// The name of a user number by the password file. The owner needs no entry: its number serves as a name.
fn user(uid: u32, owner: u32) -> Option<String> {
    let named = std::fs::read_to_string("/etc/passwd").ok().and_then(|table| user_of(&table, uid));
    named.or_else(|| (uid == owner).then(|| uid.to_string()))
}

fn user_of(table: &str, uid: u32) -> Option<String> {
    let matching = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let number = fields.nth(1)?;
        (number.parse() == Ok(uid) && Word::new(name.as_bytes()).is_some()).then(|| name.to_owned())
    };
    table.lines().find_map(matching)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_by_number() {
        let table = "root:x:0:0:root:/root:/bin/sh\nbroken\nal ice:x:7:7::/:/\nalice:x:1000:1000::/home/alice:/bin/sh\n";
        assert_eq!(user_of(table, 1000).as_deref(), Some("alice"));
        assert_eq!(user_of(table, 7), None);
        assert_eq!(user_of(table, 1), None);
    }

    #[test]
    fn somebody_elses_file_proves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let look = |name: &str| is_answer(&std::fs::symlink_metadata(dir.path().join(name)).unwrap());
        std::fs::write(dir.path().join("own"), "").unwrap();
        assert!(look("own"));
        std::fs::hard_link(dir.path().join("own"), dir.path().join("hard")).unwrap();
        std::os::unix::fs::symlink("own", dir.path().join("soft")).unwrap();
        std::fs::write(dir.path().join("full"), "x").unwrap();
        for name in ["hard", "soft", "full", "."] {
            assert!(!look(name), "{name}");
        }
    }

    #[test]
    fn challenges_differ() {
        let dir = Path::new("/tmp");
        assert_ne!(challenge(dir).unwrap(), challenge(dir).unwrap());
    }
}
