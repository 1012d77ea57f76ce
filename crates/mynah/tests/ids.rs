//! Programs of root's that change their ids, where the kernel is no oracle: servers and mounts that it does not have. What it can
//! tell is compared in `differential/ids`.

mod site;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use mynah_testkit::run::{Ended, Identity};
use mynah_testkit::serving::Serving;

use site::{Site, assert_ended};

/// A site of root's; `None` where the tests do not run as root, who alone can become somebody else.
fn of_root(name: &str) -> Option<Site> {
    Identity::available().contains(&Identity::Root).then(|| Site::of(name, Identity::Root))
}

/// Runs a shell's commands as somebody whom nobody knows.
fn as_somebody(site: &Site, options: &[&str], script: &str) -> String {
    let become_ = "exec setpriv --reuid 1234 --regid 1235 --clear-groups /bin/sh -c";
    let outcome = site.shell(options, &format!("{become_} '{script}'"));
    assert_ended(&outcome, Ended::Exit(0));
    outcome.out()
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
}

/// What is made belongs to its maker, or is not made: a server without the right to it can give nothing away.
#[test]
fn a_server_that_gives_nothing_away_keeps_nothing() {
    let Some(site) = of_root("gives-nothing") else { return };
    let served = site.join("served");
    set_mode(&served, 0o777);
    let without = format!(
        "#!/bin/sh\nexec setpriv --bounding-set=-chown --inh-caps=-chown -- {} \"$@\"\n",
        site.mynah_path().display()
    );
    let without = site.file("without-chown", without);
    set_mode(&without, 0o755);
    let serving = Serving::start(&without, &served, &site.join("server"), Identity::Root).unwrap();
    let mount = serving.mount().display().to_string();
    let made = as_somebody(
        &site,
        &[],
        &format!(
            "cd {mount}; for make in \"mkdir d\" \"touch f\" \"ln -s x l\" \"mkfifo p\"; do \
             $make 2>&1 | grep -o \"Operation not permitted\"; done; ls"
        ),
    );
    assert_eq!(made, "Operation not permitted\n".repeat(4));
    assert_eq!(fs::read_dir(&served).unwrap().count(), 0, "nothing is left behind");
    let own = site.shell(&[], &format!("mkdir {mount}/d && ls {mount}"));
    assert_eq!(own.out(), "d\n", "whom the server knows makes what it likes: {}", own.err());
}

/// A directory of this machine under another name is opened by the agent, whose rights are not the program's.
#[test]
fn a_mount_of_this_machine_is_judged_too() {
    let Some(site) = of_root("local") else { return };
    set_mode(&site.file("served/secret", "secret\n"), 0o600);
    set_mode(&site.directory("served/open"), 0o777);
    let mount = format!("/data={}", site.join("served").display());
    let out = as_somebody(
        &site,
        &["-m", &mount],
        "cat /data/secret 2>&1 | grep -o \"Permission denied\"; rm -f /data/secret 2>&1 | grep -o \"Permission denied\"; \
         echo x > /data/open/f; echo more >> /data/open/f; cat /data/open/f; mkdir /data/open/d; \
         echo y > /data/f 2>/dev/null || echo refused",
    );
    assert_eq!(out, "Permission denied\nPermission denied\nx\nmore\nrefused\n");
    for made in ["f", "d"] {
        let made = fs::metadata(site.join("served/open").join(made)).unwrap();
        assert_eq!((made.uid(), made.gid()), (1234, 1235));
    }
    assert!(!site.join("served/f").exists());
}

/// The kernel lets nobody through a directory to what is mounted below it.
#[test]
fn a_mount_below_a_closed_directory_is_closed() {
    let Some(site) = of_root("closed") else { return };
    site.file("served/f", "inside\n");
    set_mode(site.path(), 0o755);
    let way = site.directory("way");
    let point = way.join("mount").display().to_string();
    let mount = format!("{point}={}", site.join("served").display());
    let script = format!("cat {point}/f 2>&1 | grep -o -e inside -e \"Permission denied\"");
    set_mode(&way, 0o711);
    assert_eq!(as_somebody(&site, &["-m", &mount], &script), "inside\n");
    set_mode(&way, 0o700);
    assert_eq!(as_somebody(&site, &["-m", &mount], &script), "Permission denied\n");
}
