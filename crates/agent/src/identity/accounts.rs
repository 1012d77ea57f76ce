//! The files in which programs look users, groups and hosts up: this machine's, with home's entries put first.
//!
//! The C library takes the first entry that fits (passwd(5), group(5)), so what is shown comes first and all else stays.

use super::{Identity, View};

/// The names of an identity. What is not given is what this machine's files say of the real numbers, but for root's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// The user's.
    pub user: Option<String>,
    /// The primary group's.
    pub group: Option<String>,
    /// Those of other groups, by number.
    pub groups: Vec<(u32, String)>,
    /// The home directory.
    pub home: Option<String>,
    /// The login shell.
    pub shell: Option<String>,
}

const DEFAULT_HOME: &str = "/";
const DEFAULT_SHELL: &str = "/bin/sh";

impl Identity {
    /// `/etc/passwd` from this machine's, of which it is the one with the shown user first. As it is if that user has no name.
    #[must_use]
    pub fn passwd(&self, text: &str, account: &Account) -> String {
        let real = entry(text, 2, &self.real.uid.to_string());
        let known = default_name(self.shown.uid).or(real.first().copied());
        let Some(name) = account.user.as_deref().or(known) else { return text.to_owned() };
        let named = entry(text, 0, name);
        let old = if named.is_empty() { real } else { named };
        // A separator in a field would make another entry of it.
        let field = |given: &Option<String>, at: usize, default: &str| {
            let given = given.clone().filter(|value| !value.is_empty() && !value.contains([':', '\n']));
            given.or_else(|| old.get(at).map(|&value| value.to_owned())).unwrap_or_else(|| default.to_owned())
        };
        let first = format!(
            "{name}:x:{}:{}:{}:{}:{}\n",
            self.shown.uid,
            self.shown.gid,
            old.get(4).unwrap_or(&""),
            field(&account.home, 5, DEFAULT_HOME),
            field(&account.shell, 6, DEFAULT_SHELL),
        );
        first + &without(text, &[name])
    }

    /// `/etc/group` from this machine's: the primary group first, then the others, of which alone the user is a member.
    #[must_use]
    pub fn group(&self, text: &str, passwd: &str, account: &Account) -> String {
        let user = passwd.split(':').next().unwrap_or("");
        let mut first = String::new();
        let mut names = Vec::new();
        let primary = self.shown.gid.to_string();
        let real = entry(text, 2, &self.real.gid.to_string());
        let known = default_name(self.shown.gid).or(real.first().copied());
        if let Some(name) = account.group.as_deref().or(known) {
            first += &format!("{name}:x:{primary}:\n");
            names.push(name);
        }
        for gid in self.shown.groups.iter().filter(|gid| **gid != self.shown.gid) {
            let known = entry(text, 2, &gid.to_string());
            let given =
                account.groups.iter().find(|(number, _)| number == gid).map(|(_, name)| name.as_str());
            let Some(name) = given.or(known.first().copied()) else { continue };
            let others = known.get(3).copied().unwrap_or("").split(',').filter(|one| *one != user);
            let members: Vec<&str> = others.filter(|one| !one.is_empty()).chain([user]).collect();
            first += &format!("{name}:x:{gid}:{}\n", members.join(","));
            names.push(name);
        }
        let rest = without(text, &names);
        let rest = if self.real.groups == self.shown.groups { rest } else { without_member(&rest, user) };
        first + &rest
    }

    /// `/etc/nsswitch.conf` from this machine's: users and groups are looked up in files first, or another source could
    /// have another user by the shown number.
    #[must_use]
    pub fn nsswitch(text: &str) -> String {
        text.split_inclusive('\n').map(files_first).collect()
    }

    /// `/etc/hostname`.
    #[must_use]
    pub fn hostname(&self) -> Option<String> {
        self.host.as_ref().filter(|_| self.shows(View::Host)).map(|host| format!("{host}\n"))
    }
}

/// Number 0 has one name everywhere.
fn default_name(id: u32) -> Option<&'static str> {
    (id == 0).then_some("root")
}

/// The fields of the first entry with `value` in field `at`; none if there is none.
fn entry<'a>(text: &'a str, at: usize, value: &str) -> Vec<&'a str> {
    let entries = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    entries.into_iter().find(|fields| fields.get(at) == Some(&value)).unwrap_or_default()
}

/// All entries but those of these names.
fn without(text: &str, names: &[&str]) -> String {
    let is_other = |line: &&str| line.split(':').next().is_none_or(|name| !names.contains(&name));
    let mut rest: String = text.split_inclusive('\n').filter(is_other).collect();
    if !rest.is_empty() && !rest.ends_with('\n') {
        rest.push('\n');
    }
    rest
}

/// The entries of groups without `user` among their members.
fn without_member(text: &str, user: &str) -> String {
    let strip = |line: &str| match line.rsplit_once(':') {
        Some((head, members)) if members.split(',').any(|one| one == user) => {
            let left: Vec<&str> = members.split(',').filter(|one| *one != user).collect();
            format!("{head}:{}\n", left.join(","))
        }
        _ => format!("{line}\n"),
    };
    text.lines().map(strip).collect()
}

fn files_first(line: &str) -> String {
    let Some((database, services)) = line.split_once(':') else { return line.to_owned() };
    if !matches!(database.trim(), "passwd" | "group" | "initgroups") {
        return line.to_owned();
    }
    let (services, comment) = services.split_once('#').unwrap_or((services, ""));
    let mut words = services.split_whitespace();
    // `compat` reads the files as well.
    if matches!(words.clone().next(), Some("files" | "compat")) {
        return line.to_owned();
    }
    let rest: Vec<&str> = words.by_ref().filter(|word| *word != "files").collect();
    let comment = comment.trim_end();
    let comment = if comment.is_empty() { String::new() } else { format!(" #{comment}") };
    format!("{database}: files {}{comment}\n", rest.join(" "))
}

#[cfg(test)]
mod tests {
    use super::super::Ids;
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\nbob:x:1001:1001:Bob,,,:/home/bob:/bin/zsh\nwww:x:500:500::/www:/bin/false";
    const GROUP: &str = "root:x:0:\nsudo:x:27:bob,eve\nbob:x:1001:\natlas:x:60:eve\n";

    fn identity() -> Identity {
        Identity {
            real: Ids { uid: 1001, gid: 1001, groups: vec![27, 1001] },
            shown: Ids { uid: 500, gid: 50, groups: vec![50, 60, 70] },
            host: None,
        }
    }

    #[test]
    fn the_shown_user_comes_first() {
        let account =
            Account { user: Some("alice".to_owned()), home: Some("/h".to_owned()), ..Account::default() };
        let told = identity().passwd(PASSWD, &account);
        let (first, rest) = told.split_once('\n').unwrap_or_default();
        assert_eq!(first, "alice:x:500:50:Bob,,,:/h:/bin/zsh");
        assert_eq!(rest, format!("{PASSWD}\n"));
    }

    #[test]
    fn without_a_name_given_it_is_the_real_one() {
        let account = Account { home: Some("not:a:field".to_owned()), ..Account::default() };
        let told = identity().passwd(PASSWD, &account);
        assert!(told.starts_with("bob:x:500:50:Bob,,,:/home/bob:/bin/zsh\nroot:"), "{told}");
        assert_eq!(told.matches("bob:x:").count(), 1);
        let root = Identity { shown: Ids::default(), ..identity() };
        assert!(
            root.passwd(PASSWD, &Account::default()).starts_with("root:x:0:0:root:/root:/bin/bash\nbob:")
        );
        assert!(root.group(GROUP, "root:", &Account::default()).starts_with("root:x:0:\nsudo:"));
        let nobody = Identity { real: Ids { uid: 7, ..Ids::default() }, ..identity() };
        assert_eq!(nobody.passwd(PASSWD, &Account::default()), PASSWD);
    }

    #[test]
    fn groups_have_their_names_and_their_member() {
        let account = Account {
            group: Some("home".to_owned()),
            groups: vec![(70, "cms".to_owned())],
            ..Account::default()
        };
        let told = identity().group(GROUP, "bob:x:500:50:::", &account);
        let expected =
            "home:x:50:\natlas:x:60:eve,bob\ncms:x:70:bob\nroot:x:0:\nsudo:x:27:eve\nbob:x:1001:\n";
        assert_eq!(told, expected);
    }

    #[test]
    fn files_are_asked_first() {
        let text = "# a comment: here\npasswd:   sss files systemd # why\ngroup: files sss\nhosts: dns files\ninitgroups: sss\n";
        let told = "# a comment: here\npasswd: files sss systemd # why\ngroup: files sss\nhosts: dns files\ninitgroups: files sss\n";
        assert_eq!(Identity::nsswitch(text), told);
    }
}
