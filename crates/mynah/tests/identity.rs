//! Whoever a program is shown to be, it sees so everywhere at once.

mod site;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use mynah_testkit::compiler::compile;
use mynah_testkit::run::{Ended, Identity, run};
use site::{LIMIT, Site, assert_ended};

const SHOWN: &[&str] = &[
    "--uid",
    "4242",
    "--gid",
    "4343",
    "--groups",
    "4470,4460=atlas",
    "--user",
    "alice",
    "--group",
    "folk",
    "--hostname",
    "home.example",
];

/// What the program `views` has to say under [`SHOWN`], with a 16-bit interface or none.
fn views(home: &Path) -> String {
    let home = home.display();
    format!(
        "\
uid: 4242 4242 4242 4242 4242
gid: 4343 4343 4343 4343 4343
groups: 2 4460 4470
getgroups without room: EINVAL
Uid:\t4242\t4242\t4242\t4242
Gid:\t4343\t4343\t4343\t4343
Groups:\t4460 4470 
getauxval: 4242 4242 4343 4343
/proc/self/auxv: 11 4242
/proc/self/auxv: 14 4343
getpwuid: alice 4242:4343 {home} /bin/sh
getgrgid: folk
getpwnam: 4242
getgrnam: 4460 alice
/etc/passwd has the size it shows: 1
/etc/passwd is one file: 1
host: home.example home.example home.example
kernel: Linux
stat: 0 4242:4343
lstat: 0 4242:4343
fstat: 0 4242:4343
fstatat of a descriptor: 0 4242:4343
stat through /proc: 0 4242:4343
statx: 0 4242:4343
statx of a descriptor: 0 4242:4343
chown to oneself: ok
fchown to oneself: ok
lchown to oneself: ok
/proc/self: 0 4242:4343
peer: 0 1 4242:4343
setuid to oneself: ok
setgid to oneself: ok
setresuid to oneself: ok
setreuid to another: EPERM
setuid to another: EPERM
setgid to another: EPERM
setuid to -1: EINVAL
setfsuid: 1
setgroups: EPERM
"
    )
}

/// The program that prints every view, compiled with these options too.
fn program(site: &Site, options: &[&str]) -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let source = site.join("views.c");
    let text = fs::read_to_string(tests.join("identity/views.c")).expect("the source");
    fs::write(&source, format!("// cc: {}\n{text}", options.join(" "))).expect("a copy");
    let program = site.join("views");
    compile(&source, &tests, &program).expect("it compiles");
    program
}

fn sees_all(user: Identity, options: &[&str]) {
    let site = Site::of("views", user);
    let program = program(&site, options);
    let own = site.file("local/own", "text");
    let mut command = site.mynah(SHOWN, &[program.as_path(), own.as_path()]);
    let outcome = run(command.env("SHELL", "/bin/sh"), LIMIT).expect("mynah runs");
    assert_ended(&outcome, Ended::Exit(0));
    assert_eq!(outcome.out(), views(&site.join("home")), "{}", outcome.err());
    assert_eq!(owner(&own), real_user(user), "the file's real owner stays");
}

fn real_user(user: Identity) -> u32 {
    user.change_to().unwrap_or_else(|| owner(Path::new("/proc/self")))
}

fn owner(path: &Path) -> u32 {
    fs::metadata(path).expect("attributes").uid()
}

#[test]
fn a_program_sees_home_in_every_place() {
    for &user in Identity::available() {
        sees_all(user, &[]);
    }
}

#[test]
fn a_static_program_sees_home_in_every_place() {
    for &user in Identity::available() {
        sees_all(user, &["-static"]);
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_32_bit_program_sees_home_in_every_place() {
    for &user in Identity::available() {
        sees_all(user, &["-m32"]);
    }
}

#[test]
fn the_programs_that_people_ask_agree() {
    for &user in Identity::available() {
        let site = Site::of("asked", user);
        site.file("local/own", "text");
        let script = "id; id alice; whoami; groups; hostname; uname -n; busybox id; busybox whoami; ls -l own | cut -d' ' -f3,4
            ls -ln own | cut -d' ' -f3,4; stat -c '%u %g %U %G' own; find . -user alice -name own; echo $USER $LOGNAME $HOSTNAME
            python3 -c 'import os, pwd, grp; print(os.getuid(), pwd.getpwuid(os.getuid()).pw_name, grp.getgrnam(\"folk\").gr_gid)'
            perl -e 'print scalar getpwuid($<), \" $(\n\"'; cat /proc/self/status | grep Uid; test -O own && echo mine";
        let outcome = site.shell(SHOWN, &script.replace("\n            ", "\n"));
        assert_ended(&outcome, Ended::Exit(0));
        let expected = "\
uid=4242(alice) gid=4343(folk) groups=4343(folk),4460(atlas),4470
uid=4242(alice) gid=4343(folk) groups=4343(folk),4460(atlas)
alice
folk atlas 4470
home.example
home.example
uid=4242(alice) gid=4343(folk) groups=4460(atlas),4470
alice
alice folk
4242 4343
4242 4343 alice folk
./own
alice alice home.example
4242 alice 4343
alice 4343 4460 4470
Uid:\t4242\t4242\t4242\t4242
mine
";
        assert_eq!(outcome.out(), expected, "{}", outcome.err());
    }
}

/// tar and cp restore owners when they are root: their own succeed, others' are refused by the kernel, as ever.
#[test]
fn a_shown_root_owns_what_is_its_own_and_nothing_else() {
    let site = Site::new("root");
    site.file("local/own", "text");
    let script = "whoami; tar -cf t own; tar -xpf t && echo extracted; cp -a own copy && stat -c %U:%G copy
        chown root own && echo given; chown 65534 own; chown 5 own; cat /etc/shadow; test -w /etc && echo writable; true";
    let outcome = site.shell(&["--uid", "0", "--gid", "0"], script);
    assert_ended(&outcome, Ended::Exit(0));
    assert_eq!(outcome.out(), "root\nextracted\nroot:root\ngiven\n", "{}", outcome.err());
    let refusals = outcome.err();
    assert_eq!(refusals.matches("Operation not permitted").count(), 2, "{refusals}");
    assert_eq!(refusals.matches("Permission denied").count(), 1, "{refusals}");
}

#[test]
fn files_of_a_server_have_the_shown_owner_too() {
    let site = Site::new("remote");
    let server = site.serve();
    let mount = format!("/data={}", server.mount().display());
    let options = [&["-m", mount.as_str()], SHOWN].concat();
    let script = "cd /data; echo text > new; stat -c %U:%G new; exec 3< new; stat -L -c %U:%G /proc/self/fd/3
        mkdir d; cp -a new d/copy; chown alice:folk new && stat -c %u:%g d/copy d new; ls -ln new | cut -d' ' -f3,4
        chown 77 new";
    let outcome = site.shell(&options, script);
    let expected = "alice:folk\nalice:folk\n4242:4343\n4242:4343\n4242:4343\n4242 4343\n";
    assert_eq!(outcome.out(), expected, "{}", outcome.err());
    assert!(outcome.err().contains("not permitted"), "{}", outcome.err());
    assert_eq!(owner(&site.join("served/new")), real_user(Identity::Ordinary));
}

#[test]
fn without_a_name_the_numbers_have_the_real_ones() {
    let site = Site::new("unnamed");
    let script = "id -u; id -un; id -gn; test $(id -G) = 4343 && getent passwd 4242 | cut -d: -f1";
    let real = run(site.command("id").arg("-un"), LIMIT).unwrap().out();
    let real_group = run(site.command("id").arg("-gn"), LIMIT).unwrap().out();
    let outcome = site.shell(&["--uid", "4242", "--gid", "4343", "--groups", "4343"], script);
    assert_eq!(outcome.out(), format!("4242\n{real}{real_group}{real}"), "{}", outcome.err());
}

#[test]
fn a_name_alone_changes_no_number() {
    let site = Site::new("named");
    let real = real_user(Identity::Ordinary);
    let outcome = site.shell(&["--user", "alice"], "id -u; id -un; echo $USER");
    assert_eq!(outcome.out(), format!("{real}\nalice\nalice\n"), "{}", outcome.err());
}

#[test]
fn a_mount_of_the_users_own_is_not_covered() {
    let site = Site::new("covered");
    let own = site.file("passwd", "carol:x:4242:1::/:/bin/sh\n");
    let mount = format!("/etc/passwd={}", own.display());
    let outcome = site.shell(&["-m", &mount, "--uid", "4242", "--user", "alice"], "id -un");
    assert_eq!(outcome.out(), "carol\n", "{}", outcome.err());
}

#[test]
fn the_shown_files_are_not_to_be_changed() {
    let site = Site::of("files", Identity::available()[Identity::available().len() - 1]);
    let script = "echo x >> /etc/passwd; rm -f /etc/group; cat /proc/self/mounts > /dev/null; id -un; ls /etc | grep -cx passwd";
    let outcome = site.shell(&["--user", "alice"], script);
    assert_eq!(outcome.out(), "alice\n1\n", "{}", outcome.err());
    assert!(outcome.err().contains("Read-only file system"), "{}", outcome.err());
    assert!(!fs::read_to_string("/etc/passwd").unwrap().contains("alice"));
}

/// A debugger has the program already, so that nothing can be put on a new program's stack: it runs all the same.
#[test]
fn under_a_debugger_programs_run() {
    let site = Site::new("debugger");
    let outcome =
        site.shell(SHOWN, "strace -f -o trace sh -c 'id -un; uname -s; stat -c %u trace; exec true'");
    assert_ended(&outcome, Ended::Exit(0));
    assert_eq!(outcome.out(), "alice\nLinux\n4242\n", "{}", outcome.err());
}

#[test]
fn identities_that_make_no_sense() {
    let site = Site::new("nonsense");
    for options in [
        ["--uid", "-1"],
        ["--uid", "4294967295"],
        ["--gid", "staff"],
        ["--groups", "1,,2"],
        ["--groups", "1=a b"],
        ["--user", "a:b"],
        ["--user", ""],
        ["--group", "+"],
        ["--hostname", "a b"],
        ["--hostname", ""],
    ] {
        let argument = format!("{}={}", options[0], options[1]);
        let outcome = run(&mut site.mynah(&[&argument], &["/bin/true"]), LIMIT).unwrap();
        assert_ended(&outcome, Ended::Exit(125));
        assert!(outcome.err().contains(options[0]), "{}", outcome.err());
    }
}
