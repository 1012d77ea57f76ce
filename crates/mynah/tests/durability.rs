//! What was written is at its server, whole and once: whoever is killed, links, removes, truncates or fails meanwhile; and
//! what a server and the cache hold never shows as anything but the files that programs made.

mod site;

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use mynah_testkit::run::{Ended, Identity, Outcome, Running, run, start, start_fed};
use mynah_testkit::serving::Serving;

use site::{LIMIT, Site, assert_ended};

/// As in `durability/numbered.py`.
const BLOCK: usize = 4096;

/// 60 MB: closing such a file takes long enough to be interrupted.
const MANY_BLOCKS: usize = 60_000_000 / BLOCK;

/// A site with a server, and the directory where programs see it.
fn served(name: &str) -> (Site, Serving, String) {
    let site = Site::new(name);
    let serving = site.serve();
    let mount = serving.mount().display().to_string();
    (site, serving, mount)
}

/// The files of `tests/durability`, where the user's programs can read them.
fn programs(site: &Site) -> PathBuf {
    let copies = site.directory("programs");
    let originals = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/durability");
    for entry in fs::read_dir(originals).expect("the programs") {
        let original = entry.expect("an entry").path();
        let name = original.file_name().expect("a name").to_str().expect("UTF-8");
        if name.ends_with(".py") {
            site.file(&format!("programs/{name}"), fs::read(&original).expect("a program"));
        }
    }
    copies
}

/// Runs `tests/durability/NAME.py` under Mynah.
fn python(site: &Site, name: &str, arguments: &[&str]) -> Outcome {
    let program = programs(site).join(format!("{name}.py"));
    let mut whole = vec!["python3", "-B", program.to_str().expect("UTF-8")];
    whole.extend(arguments);
    run(&mut site.mynah(&[], &whole), LIMIT).expect("mynah runs")
}

/// Where the server keeps a file, as text.
fn at_the_server(site: &Site, name: &str) -> String {
    site.join("served").join(name).to_str().expect("UTF-8").to_owned()
}

/// The content that `numbered.blocks` makes.
fn numbered(blocks: usize) -> Vec<u8> {
    (0..blocks).flat_map(|number| format!("{number:08}").repeat(BLOCK / 8).into_bytes()).collect()
}

/// Asserts what a file holds, and shows the first difference only: files here are large.
#[track_caller]
fn assert_holds(path: impl AsRef<Path>, expected: &[u8]) {
    let found = fs::read(path.as_ref()).expect("it is there");
    let different = found.iter().zip(expected).position(|(one, other)| one != other);
    assert_eq!((found.len(), different), (expected.len(), None), "(size, first difference)");
}

/// Sets the largest file, in bytes, that the server may write; "unlimited" takes the limit away. The server's own user does
/// that, because root of a container may lack the right.
fn let_the_server_write(site: &Site, serving: &Serving, bytes: &str) {
    let mut prlimit = site.command("prlimit");
    prlimit.arg("--pid").arg(serving.pid().as_raw_nonzero().to_string()).arg(format!("--fsize={bytes}:"));
    assert_ended(&run(&mut prlimit, LIMIT).expect("prlimit"), Ended::Exit(0));
}

/// A shell under Mynah that waits for a line after `first`, and then does `second`.
fn in_two_steps(site: &Site, first: &str, second: &str) -> (Running, io::PipeWriter) {
    let script = format!("{first}; echo waiting; read go; {second}");
    let mut command = site.mynah(&[], &["/bin/sh", "-c", &script]);
    let (go, tell) = io::pipe().expect("a pipe");
    let mut running = start_fed(command.stdin(go)).expect("mynah starts");
    running.wait_for("waiting", LIMIT).expect("the first step ends");
    (running, tell)
}

#[test]
fn a_servers_link_into_proc_does_not_lead_out() {
    let (site, _serving, mount) = served("links-to-proc");
    let links = [
        ("status", "/proc/self/status"),
        ("root", "/proc/self/root"),
        ("thread", "/proc/thread-self/status"),
        ("descriptor", "/proc/self/fd/0"),
        ("process", "/proc/self"),
    ];
    for (name, text) in links {
        symlink(text, site.join("served").join(name)).unwrap();
    }
    for name in ["status", "root/etc/passwd", "root/", "thread", "descriptor", "process/comm"] {
        let outcome = site.shell(&[], &format!("cat {mount}/{name} < /dev/null"));
        assert_ended(&outcome, Ended::Exit(1));
        assert!(outcome.err().contains("Invalid cross-device link"), "{name}: {}", outcome.err());
        assert_eq!(outcome.out(), "", "{name}");
    }
}

#[test]
fn proc_self_beyond_a_mount_is_the_programs_own() {
    let (site, _serving, mount) = served("dots-to-proc");
    let script = format!(
        "cat {mount}/../../proc/self/comm; head -n 1 {mount}/../../proc/thread-self/comm; cd {mount}; cat ../../proc/self/comm;
        cd ../../proc/self && cat comm"
    );
    let outcome = site.shell(&[], &script);
    assert_eq!(outcome.out(), "cat\nhead\ncat\nsh\n", "{}", outcome.err());
    assert_ended(&outcome, Ended::Exit(0));
}

#[test]
fn what_a_full_server_refused_is_sent_with_the_next_append() {
    let (site, serving, mount) = served("full-for-a-while");
    let content = numbered(700);
    site.file("local/big", &content);
    let_the_server_write(&site, &serving, "1000000");
    let (running, mut tell) = in_two_steps(
        &site,
        &format!("cp big {mount}/f && echo not refused"),
        &format!("echo appended >> {mount}/f"),
    );
    let_the_server_write(&site, &serving, "unlimited");
    tell.write_all(b"go\n").unwrap();
    let outcome = running.finish(LIMIT).unwrap();
    assert_ended(&outcome, Ended::Exit(0));
    assert_eq!(outcome.out(), "waiting\n");
    assert!(outcome.err().contains("File too large"), "{}", outcome.err());
    assert_holds(site.join("served/f"), &[&content[..], b"appended\n"].concat());
}

#[test]
fn what_a_full_server_never_took_is_kept_and_named() {
    let (site, serving, mount) = served("full-for-ever");
    let content = numbered(700);
    site.file("local/big", &content);
    let_the_server_write(&site, &serving, "1000000");
    let outcome = site.shell(&[], &format!("cp big {mount}/f; exit 0"));
    assert_ended(&outcome, Ended::Exit(125));
    let error = outcome.err();
    let told = error.lines().last().expect("a line");
    assert!(told.contains(&format!("{mount}/f was not written")), "{error}");
    let (_, kept) = told.rsplit_once("kept in ").expect("where it is kept");
    assert_holds(kept, &content);
}

#[test]
fn a_program_killed_in_the_middle_of_a_close_leaves_a_whole_file() {
    let (site, _serving, mount) = served("killed-closing");
    let arguments = [&format!("{mount}/f"), &at_the_server(&site, "f"), &MANY_BLOCKS.to_string()];
    let outcome = python(&site, "killed_while_closing", &arguments.map(String::as_str));
    assert_ended(&outcome, Ended::Exit(0));
    assert_holds(site.join("served/f"), &numbered(MANY_BLOCKS));
}

#[test]
fn truncating_a_file_to_its_size_loses_nothing_of_its_writer() {
    let (site, _serving, mount) = served("same-size");
    let outcome = python(&site, "truncated_to_its_size", &[&format!("{mount}/f"), "2000"]);
    assert_ended(&outcome, Ended::Exit(0));
    assert_holds(site.join("served/f"), &numbered(2000));
}

#[test]
fn a_file_written_anew_is_not_followed_by_what_a_killed_program_wrote() {
    for when in ["at-once", "on-its-way"] {
        let (site, _serving, mount) = served("written-anew");
        let arguments =
            [&format!("{mount}/f"), &at_the_server(&site, "f"), &MANY_BLOCKS.to_string(), &when.to_owned()];
        let outcome = python(&site, "written_anew", &arguments.map(String::as_str));
        assert_ended(&outcome, Ended::Exit(0));
        assert_eq!(outcome.out(), "6\n", "{when}");
        assert_holds(site.join("served/f"), b"short\n");
    }
}

#[test]
fn a_file_linked_while_others_remove_its_first_name_has_its_content() {
    let (site, _serving, mount) = served("linked");
    let outcome = python(&site, "linked_while_removed", &[&mount, "600"]);
    assert_ended(&outcome, Ended::Exit(0));
    for number in outcome.out().lines() {
        let kept = fs::read_to_string(site.join(format!("served/kept-{number}"))).expect("a second name");
        assert_eq!(kept, format!("content {number}"));
    }
    assert_ne!(outcome.out(), "", "no file got a second name");
}

#[test]
fn runs_that_begin_at_once_share_a_cache() {
    let (site, _serving, mount) = served("at-once");
    site.file("served/f", "content\n");
    let started: Vec<Running> = (0..12)
        .map(|number| {
            let script = format!("cat {mount}/f && echo {number} > {mount}/from-{number}");
            start(&mut site.mynah(&[], &["/bin/sh", "-c", &script])).expect("mynah starts")
        })
        .collect();
    for (number, running) in started.into_iter().enumerate() {
        let outcome = running.finish(LIMIT).unwrap();
        assert_ended(&outcome, Ended::Exit(0));
        assert_eq!((outcome.out(), outcome.err()), ("content\n".to_owned(), String::new()));
        assert_holds(site.join(format!("served/from-{number}")), format!("{number}\n").as_bytes());
    }
}

#[test]
fn closing_one_of_two_descriptors_loses_nothing_of_the_other() {
    let (site, _serving, mount) = served("two-descriptors");
    let arguments = [&format!("{mount}/f"), &at_the_server(&site, "f")];
    assert_ended(&python(&site, "two_descriptors", &arguments.map(String::as_str)), Ended::Exit(0));
    assert_holds(site.join("served/f"), b"onetwo");
}

#[test]
fn closing_a_descriptor_beside_a_mapping_loses_nothing_of_it() {
    let (site, _serving, mount) = served("mapping");
    let arguments = [&format!("{mount}/f"), &at_the_server(&site, "f")];
    assert_ended(&python(&site, "mapped_and_appended", &arguments.map(String::as_str)), Ended::Exit(0));
    let mut expected = [b'.'; 8193];
    expected[..5].copy_from_slice(b"first");
    expected[4096..4102].copy_from_slice(b"second");
    expected[8000..8005].copy_from_slice(b"third");
    expected[8192] = b'+';
    assert_holds(site.join("served/f"), &expected);
}

#[test]
fn a_file_that_the_server_may_write_but_not_date_is_written() {
    if Identity::Ordinary.change_to().is_none() {
        // Only root can have a file that the server's user does not own.
        return;
    }
    let (site, _serving, mount) = served("not-owned");
    let file = site.join("served/f");
    fs::write(&file, "first\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().uid(), 0);
    let outcome = site.shell(&[], &format!("echo appended >> {mount}/f"));
    assert_eq!(outcome.err(), "");
    assert_ended(&outcome, Ended::Exit(0));
    assert_holds(&file, b"first\nappended\n");
}

#[test]
fn the_names_of_one_file_show_the_same_attributes() {
    let (site, _serving, mount) = served("hard-links");
    assert_ended(&python(&site, "hard_links", &[&mount]), Ended::Exit(0));
}

#[test]
fn files_that_are_removed_leave_the_cache() {
    let (site, _serving, mount) = served("small-cache");
    let cache = site.join("cache").to_str().unwrap().to_owned();
    let arguments = [&format!("{mount}/f"), &cache, &MANY_BLOCKS.to_string(), "20"];
    assert_ended(&python(&site, "written_and_removed", &arguments), Ended::Exit(0));
}

#[test]
fn a_program_that_runs_can_be_replaced_at_its_server() {
    let (site, _serving, mount) = served("replaced");
    site.put_on_the_server("/bin/cat");
    site.put_on_the_server("/bin/echo");
    let served = site.join("served");
    let script = format!(
        "coproc {mount}/cat; echo old runs >&${{COPROC[1]}}; read line <&${{COPROC[0]}}; echo $line
        mv {served}/echo {served}/cat; {mount}/cat new runs
        echo old still runs >&${{COPROC[1]}}; read line <&${{COPROC[0]}}; echo $line",
        served = served.display()
    );
    let outcome = run(&mut site.mynah(&[], &["/bin/bash", "-c", &script]), LIMIT).unwrap();
    assert_eq!(outcome.out(), "old runs\nnew runs\nold still runs\n", "{}", outcome.err());
    assert_ended(&outcome, Ended::Exit(0));
}
#[test]
fn creating_a_name_that_others_remove_never_fails() {
    let (site, _serving, mount) = served("created");
    let outcome = python(&site, "created_while_removed", &[&format!("{mount}/f"), "600"]);
    assert_ended(&outcome, Ended::Exit(0));
}
