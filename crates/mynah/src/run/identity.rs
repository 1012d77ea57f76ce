//! Who the program is to see itself to be: from the options, this process's own numbers, and this machine's files.

use crate::cli::IdentityArgs;
use mynah_agent::identity::{Account, Identity, Ids};
use mynah_cache::{Store, StoreError};
use mynah_vfs::mounts::{MountOptions, MountSpec, Target};
use std::ffi::CString;
use std::path::Path;

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";
const NSSWITCH: &str = "/etc/nsswitch.conf";
const HOSTNAME: &str = "/etc/hostname";
/// The name service's cache, which would be asked before any file. (`/var/run` is a link to `/run`, or the other way round.)
const NSCD: &str = "/var/run/nscd";

/// An identity with its names.
pub(super) struct Shown {
    pub(super) identity: Identity,
    account: Account,
    shows_user: bool,
}

impl Shown {
    pub(super) fn new(args: &IdentityArgs) -> Shown {
        let real = real_ids();
        let mut groups: Vec<u32> = match &args.groups {
            Some(groups) => groups.0.iter().map(|group| group.gid).collect(),
            None => {
                let shown = |gid: &u32| args.gid.filter(|_| *gid == real.gid).unwrap_or(*gid);
                real.groups.iter().map(shown).collect()
            }
        };
        groups.sort_unstable();
        let shown = Ids { uid: args.uid.unwrap_or(real.uid), gid: args.gid.unwrap_or(real.gid), groups };
        let named = args.groups.iter().flat_map(|groups| &groups.0);
        let account = Account {
            user: args.user.clone(),
            group: args.group.clone(),
            groups: named.filter_map(|group| Some((group.gid, group.name.clone()?))).collect(),
            home: std::env::var("HOME").ok(),
            shell: std::env::var("SHELL").ok(),
        };
        let shows_user = args.user.is_some() || args.group.is_some() || real != shown;
        Shown { identity: Identity { real, shown, host: args.hostname.clone() }, account, shows_user }
    }

    /// Whether it says anything that is not so already, as far as can be seen here.
    pub(super) fn differs(&self) -> bool {
        let lacks = |file: &str, name: &Option<String>| {
            name.as_ref().is_some_and(|name| {
                let text = std::fs::read_to_string(file).unwrap_or_default();
                !text.lines().any(|line| line.split(':').next() == Some(name))
            })
        };
        let Identity { real, shown, host } = &self.identity;
        let other_host = host
            .as_ref()
            .is_some_and(|host| rustix::system::uname().nodename().to_bytes() != host.as_bytes());
        real != shown || other_host || lacks(PASSWD, &self.account.user) || lacks(GROUP, &self.account.group)
    }

    /// The variables of the environment that say what the identity says.
    pub(super) fn adjust(&self, environment: &mut Vec<CString>) {
        let mut set = |name: &str, value: &Option<String>| {
            let Some(value) = value else { return };
            let prefix = format!("{name}=");
            environment.retain(|entry| !entry.as_bytes().starts_with(prefix.as_bytes()));
            // Options hold no NUL.
            environment.extend(CString::new(prefix + value));
        };
        set("USER", &self.account.user);
        set("LOGNAME", &self.account.user);
        set("HOSTNAME", &self.identity.host);
    }

    /// Mounts that show the files of the identity, where the user has mounted nothing else.
    ///
    /// # Errors
    /// They cannot be written.
    pub(super) fn mounts(&self, store: &Store, own: &[MountSpec]) -> Result<Vec<MountSpec>, StoreError> {
        let mut mounts = Vec::new();
        for (path, text) in self.files() {
            let path = canonical(path);
            if own.iter().any(|spec| covers(&spec.prefix, &path)) {
                continue;
            }
            let name = path.rsplit('/').next().unwrap_or(&path);
            let file = store.text(name, text.as_bytes())?.into_os_string().into_encoded_bytes();
            let options = MountOptions { read_only: true, ..MountOptions::default() };
            mounts.push(MountSpec { prefix: path.into_bytes(), target: Target::Path(file), options });
        }
        if self.shows_user && Path::new(NSCD).is_dir() {
            let options = MountOptions { hide: true, ..MountOptions::default() };
            let prefix = canonical(NSCD) + "/socket";
            if !own.iter().any(|spec| covers(&spec.prefix, &prefix)) {
                mounts.push(MountSpec { prefix: prefix.into_bytes(), target: Target::None, options });
            }
        }
        Ok(mounts)
    }

    fn files(&self) -> Vec<(&'static str, String)> {
        let mut files = Vec::new();
        if self.shows_user {
            let passwd = self.identity.passwd(&read(PASSWD), &self.account);
            let group = self.identity.group(&read(GROUP), &passwd, &self.account);
            files.push((PASSWD, passwd));
            files.push((GROUP, group));
            let sources = read(NSSWITCH);
            let files_first = Identity::nsswitch(&sources);
            if files_first != sources {
                files.push((NSSWITCH, files_first));
            }
        }
        if Path::new(HOSTNAME).is_file() {
            files.extend(self.identity.hostname().map(|text| (HOSTNAME, text)));
        }
        files
    }
}

fn real_ids() -> Ids {
    let groups = rustix::process::getgroups().unwrap_or_default();
    Ids {
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        groups: groups.into_iter().map(rustix::process::Gid::as_raw).collect(),
    }
}

/// A machine without the file has nobody in it.
fn read(path: &str) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

/// The path that a link leads to in the end: the namespace is textual.
fn canonical(path: &str) -> String {
    let real = std::fs::canonicalize(path).ok().and_then(|real| real.into_os_string().into_string().ok());
    real.unwrap_or_else(|| path.to_owned())
}

fn covers(prefix: &[u8], path: &str) -> bool {
    let rest = path.as_bytes().strip_prefix(prefix);
    prefix == b"/" || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn a_mount_covers_what_is_at_and_below_it() {
        for prefix in ["/", "/etc", "/etc/passwd"] {
            assert!(covers(prefix.as_bytes(), "/etc/passwd"), "{prefix}");
        }
        for prefix in ["/et", "/etc/pass", "/etc/passwd-", "/home"] {
            assert!(!covers(prefix.as_bytes(), "/etc/passwd"), "{prefix}");
        }
    }
}
