//! Names: hosts as directories, mounts and their options, links and `..` across mounts, what a program is told of where it is.

mod site;

use std::fs;
use std::os::unix::fs::symlink;

use mynah_testkit::run::{Ended, Identity, run};
use mynah_testkit::serving::Serving;

use site::{LIMIT, Site, again_traced, assert_ended, assert_refused};

/// A site with a server over `served`, which holds a file `f` and a directory `d` with a file `g`.
fn served(name: &str) -> (Site, Serving, String) {
    let site = Site::new(name);
    site.file("served/f", "the file f\n");
    site.directory("served/d");
    site.file("served/d/g", "the file g\n");
    let serving = site.serve();
    let mount = serving.mount().display().to_string();
    (site, serving, mount)
}

/// Runs a shell under Mynah and asserts what it prints, and that it succeeds.
#[track_caller]
fn prints(site: &Site, options: &[&str], script: &str, expected: &str) {
    let outcome = site.shell(options, script);
    assert_eq!(outcome.out(), expected, "{script}\nerr: {}", outcome.err());
    assert_ended(&outcome, Ended::Exit(0));
}

#[test]
fn a_host_is_an_ordinary_directory() {
    let (site, serving, mount) = served("host");
    let host = format!("127.0.0.1:{}", serving.port());
    prints(&site, &[], &format!("cat {mount}/f {mount}/d/g"), "the file f\nthe file g\n");
    prints(&site, &[], &format!("ls {mount}; cd {mount}; ls d"), "d\nf\ng\n");
    prints(
        &site,
        &[],
        "ls -d /chirp; ls / | grep -x chirp; test -d /chirp && echo dir",
        "/chirp\nchirp\ndir\n",
    );
    prints(
        &site,
        &[],
        &format!("stat -c %F {mount} /chirp; ls /chirp"),
        &format!("directory\ndirectory\n{host}\n"),
    );
    prints(
        &site,
        &[],
        &format!("cd /chirp; cd {host}; pwd; cd ..; pwd; cd ..; pwd"),
        &format!("{mount}\n/chirp\n/\n"),
    );
}

#[test]
fn the_service_root_takes_no_entries() {
    let (site, _serving, _) = served("service-root");
    let script =
        "mkdir /chirp/x; echo x > /chirp/x; rmdir /chirp; rm -r /chirp; mv /chirp /tmp; ln -s x /chirp; true";
    let outcome = site.shell(&["--timeout", "5s"], &format!("{{ {script}; }} 2>&1 | grep -vc :"));
    assert_eq!(outcome.out(), "0\n", "each attempt is refused in words");
    prints(&site, &[], "test -d /chirp && echo there", "there\n");
}

/// Version control and version managers look for their files in every directory above: a name that no host can have is
/// absent, and nobody is asked for it.
#[test]
fn what_programs_look_for_above_a_server_is_absent() {
    let (site, _serving, _) = served("above-a-server");
    let script = "for name in .git .python-version .hg; do cat /chirp/$name 2>&1; done";
    let outcome = site.shell(&["--summary"], script);
    assert_eq!(outcome.out().matches("No such file or directory").count(), 3, "{}", outcome.out());
    assert!(!outcome.err().contains("chirp://"), "{}", outcome.err());
}

#[test]
fn dot_dot_never_escapes() {
    let (site, _serving, mount) = served("dot-dot");
    fs::write(site.join("outside-the-root"), "secret").unwrap();
    prints(
        &site,
        &[],
        &format!(
            "ls {mount}/..; ls -d {mount}/../../etc; cat {mount}/d/../f; cat {mount}/d/../../outside-the-root 2>/dev/null || echo no"
        ),
        &format!("{}\n{mount}/../../etc\nthe file f\nno\n", mount.trim_start_matches("/chirp/")),
    );
    prints(
        &site,
        &[],
        &format!("cd {mount}/d; cat ../f; cat ../../../f 2>/dev/null || echo no"),
        "the file f\nno\n",
    );
}

#[test]
fn a_prefix_names_a_directory_of_a_server() {
    let (site, serving, mount) = served("prefix");
    let url = format!("/data=chirp://127.0.0.1:{}/d", serving.port());
    prints(
        &site,
        &["-m", &url],
        "cat /data/g; ls / | grep -x data; cd /data; pwd",
        "the file g\ndata\n/data\n",
    );
    let virtual_path = format!("/data={mount}/d");
    prints(&site, &["-m", &virtual_path], "cat /data/g; echo new > /data/h", "the file g\n");
    assert_eq!(fs::read_to_string(site.join("served/d/h")).unwrap(), "new\n");
}

#[test]
fn a_prefix_names_a_local_directory() {
    let (site, _serving, _) = served("local-prefix");
    let target = format!("/data={}", site.join("served").display());
    prints(
        &site,
        &["-m", &target],
        "cat /data/f; cd /data/d && pwd && readlink /proc/self/cwd",
        "the file f\n/data/d\n/data/d\n",
    );
}

#[test]
fn the_longest_prefix_wins() {
    let (site, serving, mount) = served("longest");
    let url = format!("/data=chirp://127.0.0.1:{}/", serving.port());
    let local = format!("/data/d={}", site.file("local/g", "local\n").parent().unwrap().display());
    for options in [["-m", &url, "-m", &local], ["-m", &local, "-m", &url]] {
        prints(&site, &options, "cat /data/f /data/d/g; ls /data", "the file f\nlocal\nd\nf\n");
    }
    // A mount point shows in its parent's listing though the server knows nothing of it.
    let extra = format!("/data/extra={}", site.join("local").display());
    prints(
        &site,
        &["-m", &url, "-m", &extra],
        "ls /data; test -d /data/extra && cat /data/extra/g",
        "d\nextra\nf\nlocal\n",
    );
    prints(&site, &[], &format!("ls {mount}"), "d\nf\n");
}

#[test]
fn many_instances_of_one_program_side_by_side() {
    let (site, _serving, mount) = served("instances");
    for number in [7, 8] {
        let output = format!("output.txt=output.{number}.txt");
        prints(
            &site,
            &["-m", &output],
            &format!("echo number {number} > output.txt; cat output.txt"),
            &format!("number {number}\n"),
        );
        let remote = format!("result={mount}/result.{number}");
        prints(
            &site,
            &["-m", &remote],
            &format!("echo remote {number} > result; cat result; ls result"),
            &format!("remote {number}\nresult\n"),
        );
    }
    for number in [7, 8] {
        assert_eq!(
            fs::read_to_string(site.join(format!("local/output.{number}.txt"))).unwrap(),
            format!("number {number}\n")
        );
        assert_eq!(
            fs::read_to_string(site.join(format!("served/result.{number}"))).unwrap(),
            format!("remote {number}\n")
        );
    }
    assert!(!site.join("local/output.txt").exists());
}

#[test]
fn a_whole_root_on_a_server() {
    let (site, serving, _) = served("root");
    site.put_on_the_server("/bin/busybox");
    let root = format!("/=chirp://127.0.0.1:{}/", serving.port());
    let program = [
        "/busybox",
        "sh",
        "-c",
        "/busybox cat /f; /busybox ls /d; cd /d; /busybox pwd; test -e /etc/passwd || echo no local files",
    ];
    let outcome = run(site.mynah(&["-m", &root], &program).current_dir("/"), LIMIT).unwrap();
    assert_ended(&outcome, Ended::Exit(0));
    assert_eq!(outcome.out(), "the file f\ng\n/d\nno local files\n");
}

#[test]
fn mounts_from_a_file() {
    let (site, serving, mount) = served("mountfile");
    let text = format!(
        "# mounts of a test\n\n/data  chirp://127.0.0.1:{}/d   ro\n/more\t{mount}\n/here {}\n",
        serving.port(),
        site.join("local").display()
    );
    let file = site.file("mounts", text);
    let options = ["--mountfile", file.to_str().unwrap()];
    prints(
        &site,
        &options,
        "cat /data/g /more/f; touch /here/made; touch /data/x 2>/dev/null || echo ro",
        "the file g\nthe file f\nro\n",
    );
    assert!(site.join("local/made").exists());
}

#[test]
fn options_of_mounts() {
    let (site, serving, _) = served("options");
    site.file("served/run", "#!/bin/sh\necho ran\n");
    let target = format!("chirp://127.0.0.1:{}/", serving.port());
    let with = |option: &str| format!("/data={target},{option}");
    let errno = |call: &str| format!("perl -e '{call} or print 0+$!, \"\\n\"'");
    let (erofs, eacces, enoent) = ("30\n", "13\n", "2\n");
    prints(&site, &["-m", &with("ro")], "cat /data/f", "the file f\n");
    for call in [
        "mkdir \"/data/x\"",
        "unlink \"/data/f\"",
        "open F, \">\", \"/data/f\"",
        "rename \"/data/f\", \"/data/x\"",
        "chmod 0600, \"/data/f\"",
        "utime 1, 1, \"/data/f\"",
        "symlink \"x\", \"/data/x\"",
        "truncate \"/data/f\", 0",
    ] {
        prints(&site, &["-m", &with("ro")], &errno(call), erofs);
    }
    prints(&site, &["-m", "/data=-,deny"], &errno("open F, \"/data/f\""), eacces);
    prints(&site, &["-m", "/data=-,deny"], &errno("opendir D, \"/data\""), eacces);
    prints(&site, &["-m", "/data=-,hide"], &errno("open F, \"/data/f\""), enoent);
    prints(&site, &["-m", "/data=-,hide"], "ls / | grep -x data || echo hidden", "hidden\n");
    prints(&site, &[], &format!("chmod 755 {}/run; {0}/run", serving.mount().display()), "ran\n");
    prints(&site, &["-m", &with("noexec")], &errno("exec {\"/data/run\"} \"run\""), eacces);
    prints(&site, &["-m", &with("noexec")], "sh /data/run", "ran\n");
    prints(&site, &["-m", &with("ro,noexec,timeout=30s")], "cat /data/f", "the file f\n");
    prints(&site, &["-m", &with("blksize=65536")], "stat -c %o /data/f", "65536\n");
}

#[test]
fn strict_consistency_is_refused_not_imitated() {
    let (site, serving, _) = served("strict");
    let mount = format!("/data=chirp://127.0.0.1:{}/,consistency=strict", serving.port());
    assert_refused(&site.shell(&["-m", &mount], "true"), 125, &["strict"]);
    let mount = format!("/data=chirp://127.0.0.1:{}/,consistency=session", serving.port());
    prints(&site, &["-m", &mount], "cat /data/f", "the file f\n");
}

#[test]
fn links_across_mounts() {
    let (site, serving, mount) = served("links");
    symlink(format!("{mount}/d"), site.join("local/to-remote")).unwrap();
    prints(
        &site,
        &[],
        "cat to-remote/g; cd to-remote; pwd -P; ls ..",
        &format!("the file g\n{mount}/d\nd\nf\n"),
    );
    let local = site.file("local/own", "local file\n");
    symlink(&local, site.join("served/out")).unwrap();
    symlink("../f", site.join("served/d/within")).unwrap();
    symlink("/f", site.join("served/d/absolute")).unwrap();
    symlink("../../../../../../../etc/passwd", site.join("served/d/up")).unwrap();
    prints(&site, &[], &format!("cat {mount}/d/within"), "the file f\n");
    for link in ["out", "d/up"] {
        prints(&site, &[], &format!("cat {mount}/{link} 2> /dev/null || echo kept inside"), "kept inside\n");
    }
    let all = format!("/data=chirp://127.0.0.1:{}/,symlinks=all", serving.port());
    prints(&site, &["-m", &all], "cat /data/out", "local file\n");
    // A link is read as it is, whatever it may lead to.
    prints(&site, &[], &format!("readlink {mount}/out"), &format!("{}\n", local.display()));
}

#[test]
fn a_ring_of_links_across_mounts() {
    let (site, serving, _) = served("ring");
    symlink(site.join("local/ring"), site.join("served/ring")).unwrap();
    symlink("/data/ring", site.join("local/ring")).unwrap();
    let all = format!("/data=chirp://127.0.0.1:{}/,symlinks=all", serving.port());
    prints(&site, &["-m", &all], "perl -e 'open F, \"/data/ring\" or print 0+$!, \"\\n\"'", "40\n");
}

#[test]
fn what_crosses_a_mount_is_exdev() {
    let (site, _serving, mount) = served("exdev");
    site.file("local/own", "local file\n");
    for call in [
        format!("rename \"own\", \"{mount}/own\""),
        format!("rename \"{mount}/f\", \"f\""),
        format!("link \"own\", \"{mount}/own\""),
        format!("link \"{mount}/f\", \"f\""),
    ] {
        prints(&site, &[], &format!("perl -e '{call} or print 0+$!, \"\\n\"'"), "18\n");
    }
    prints(&site, &[], &format!("mv own {mount}/moved && cat {mount}/moved; ls"), "local file\n");
    prints(&site, &[], &format!("mv {mount}/d back; cat back/g; ls {mount}"), "the file g\nf\nmoved\n");
}

#[test]
fn redirections_reach_the_server() {
    let (site, _serving, mount) = served("redirections");
    prints(
        &site,
        &[],
        &format!("cd {mount}; cat < f > copy; echo more >> copy; ls none >> copy 2>&1; wc -l < copy"),
        "3\n",
    );
    let text = fs::read_to_string(site.join("served/copy")).unwrap();
    assert!(text.starts_with("the file f\nmore\n") && text.contains("none"), "{text:?}");
}

#[test]
fn standard_streams_may_be_closed() {
    let (site, _serving, mount) = served("closed");
    let mynah =
        format!("{} run --cache-dir {} --", site.mynah_path().display(), site.join("cache").display());
    let script = format!(
        "{mynah} sh -c 'cat {mount}/f > {mount}/copy' <&- >&- 2>&-; echo $?; {mynah} /bin/true <&-; echo $?"
    );
    let outcome = run(site.command("/bin/sh").args(["-c", &script]), LIMIT).unwrap();
    assert_eq!(outcome.out(), "0\n0\n", "{}", outcome.err());
    assert_eq!(fs::read_to_string(site.join("served/copy")).unwrap(), "the file f\n");
}

#[test]
fn programs_on_the_server_run() {
    let (site, _serving, mount) = served("programs");
    site.put_on_the_server("/bin/echo");
    site.file("served/interpreter", "#!/bin/sh\nexec ./echo interpreted \"$@\"\n");
    site.file("served/script", format!("#!{mount}/interpreter opt\n"));
    let script = format!(
        "cd {mount}; chmod 755 interpreter script; ./echo ran; {mount}/echo by its name; ./script arg; readlink /proc/self/exe"
    );
    let outcome = site.shell(&[], &script);
    assert_ended(&outcome, Ended::Exit(0));
    let expected = "ran\nby its name\ninterpreted opt ./script arg\n";
    assert!(outcome.out().starts_with(expected), "{}", outcome.out());
    let started_there =
        run(&mut site.mynah(&[], &[format!("{mount}/echo"), "first program".into()]), LIMIT).unwrap();
    assert_eq!(started_there.out(), "first program\n", "{}", started_there.err());
}

#[test]
fn several_servers_and_a_restart_on_the_same_port() {
    let (site, serving, mount) = served("several");
    site.directory("served2");
    site.directory("server2");
    let second =
        Serving::start(&site.mynah_path(), &site.join("served2"), &site.join("server2"), Identity::Ordinary)
            .unwrap();
    let other = second.mount().display().to_string();
    prints(
        &site,
        &[],
        &format!("cp -r {mount}/. {other}/; cat {other}/d/g; rm -r {mount}/d; ls {mount}"),
        "the file g\nf\n",
    );
    let port = serving.port();
    drop(serving);
    let again = Serving::start_at(
        &site.mynah_path(),
        &site.join("served"),
        &site.join("server"),
        Identity::Ordinary,
        port,
    )
    .unwrap();
    assert_eq!(again.port(), port);
    prints(&site, &[], &format!("cat {mount}/f"), "the file f\n");
}

#[test]
fn drivers_and_system_calls_are_told() {
    let site = Site::new("told");
    let drivers = run(site.command(site.mynah_path()).arg("drivers"), LIMIT).unwrap();
    assert_ended(&drivers, Ended::Exit(0));
    assert!(drivers.out().contains("chirp") && drivers.out().contains("9094"), "{}", drivers.out());
    let calls = run(site.command(site.mynah_path()).arg("syscalls"), LIMIT).unwrap();
    assert_ended(&calls, Ended::Exit(0));
    for call in ["openat2", "io_uring_setup", "statx", "execveat", "bind"] {
        assert!(
            calls.out().lines().any(|line| line.split_whitespace().any(|word| word == call)),
            "{call} is not listed"
        );
    }
}

/// What lsattr and chattr ask for would be the placeholder's: a flag set there would make the cache's file immutable, or append-only.
#[test]
fn inode_flags_are_no_business_of_the_cache() {
    let (site, _serving, mount) = served("flags");
    let ask = |request: &str| {
        format!(
            "perl -e 'open(F, \"<\", \"{mount}/f\"); $x = pack(\"Q\", 0); ioctl(F, {request}, $x) and print \"done\\n\" \
             or print \"$!\\n\"'"
        )
    };
    for request in ["0x80086601", "0x40086602", "0x801c581f"] {
        prints(&site, &[], &ask(request), "Inappropriate ioctl for device\n");
    }
}

#[test]
fn names_are_the_same_where_programs_are_traced() {
    again_traced(&[
        "a_host_is_an_ordinary_directory",
        "the_service_root_takes_no_entries",
        "dot_dot_never_escapes",
        "a_prefix_names_a_directory_of_a_server",
        "a_prefix_names_a_local_directory",
        "the_longest_prefix_wins",
        "many_instances_of_one_program_side_by_side",
        "a_whole_root_on_a_server",
        "options_of_mounts",
        "links_across_mounts",
        "what_crosses_a_mount_is_exdev",
        "redirections_reach_the_server",
        "standard_streams_may_be_closed",
        "programs_on_the_server_run",
    ]);
}
