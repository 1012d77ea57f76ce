//! Running programs where something about it is special: their loader lies in a mount, the cache may not execute, another
//! user runs them.

mod site;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use mynah_testkit::compiler::compile;
use mynah_testkit::run::{Ended, Outcome, run};
use mynah_testkit::serving::Serving;

use site::{LIMIT, Site, assert_ended};

/// A site whose server has a loader and a program that asks for it by a path of the namespace.
fn with_loader(name: &str) -> (Site, Serving, [String; 2]) {
    let site = Site::new(name);
    let program = compiled(&site, "loader", "program");
    site.directory("served/loader");
    fs::copy(machine_loader(), site.join("served/loader/ld.so")).expect("the machine's loader");
    site.put_on_the_server(program.to_str().expect("a plain path"));
    let serving = site.serve();
    let port = serving.port();
    (
        site,
        serving,
        [format!("/loader=chirp://127.0.0.1:{port}/loader"), format!("/data=chirp://127.0.0.1:{port}/")],
    )
}

/// The program of `tests/exec/SOURCE.c`.
fn compiled(site: &Site, source: &str, name: &str) -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let program = site.join(name);
    let source = tests.join("exec").join(format!("{source}.c"));
    compile(&source, &tests.join("differential"), &program).expect("it compiles");
    program
}

fn machine_loader() -> PathBuf {
    let candidates = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"];
    candidates.iter().map(PathBuf::from).find(|path| path.exists()).expect("a loader")
}

#[track_caller]
fn says(outcome: &Outcome, lines: &[&str]) {
    assert_ended(outcome, Ended::Exit(0));
    let out = outcome.out();
    assert_eq!(out.lines().collect::<Vec<_>>(), lines, "err: {}", outcome.err());
}

#[test]
fn a_remote_program_gets_the_loader_that_the_namespace_has() {
    let (site, _serving, [loader, data]) = with_loader("remote-loader");
    let options = ["-m", &loader, "-m", &data];
    let outcome = site.shell(&options, "cd /data; exec ./program one");
    let expected = |exe: &str, shown: &str, arguments: &[&str]| {
        let mut lines = vec![format!("exe {exe}"), format!("AT_EXECFN {shown}"), "comm program".to_owned()];
        lines.extend(arguments.iter().map(|argument| format!("argument {argument}")));
        lines.push("asks for /loader/ld.so".to_owned());
        lines.push("loaded /loader/ld.so".to_owned());
        lines.push("mapped from the mount".to_owned());
        lines
    };
    let remote = expected("/data/program", "./program", &["./program", "one"]);
    says(&outcome, &remote.iter().map(String::as_str).collect::<Vec<_>>());

    // One of the machine's own asks for it as well.
    let local = site.join("program");
    let local = local.to_str().expect("a plain path");
    let outcome = run(&mut site.mynah(&options, &[local, "two"]), LIMIT).expect("mynah runs");
    let lines = expected(local, local, &[local, "two"]);
    says(&outcome, &lines.iter().map(String::as_str).collect::<Vec<_>>());

    // And as what runs a script, of which the process has the name.
    let script = site.file("served/script", "#!/data/program of a script\n");
    fs::set_permissions(script, fs::Permissions::from_mode(0o755)).expect("chmod");
    let outcome = site.shell(&options, "cd /data; exec ./script three");
    let arguments = ["/data/program", "of a script", "./script", "three"];
    let mut lines = expected("/data/program", "./script", &arguments);
    lines[2] = "comm script".to_owned();
    says(&outcome, &lines.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn a_loader_that_is_not_there_is_told_as_by_the_kernel() {
    let (site, _serving, [loader, data]) = with_loader("no-loader");
    fs::rename(site.join("served/loader/ld.so"), site.join("served/loader/ld")).expect("a new name");
    let outcome = site.shell(&["-m", &loader, "-m", &data], "/data/program; echo $?; echo and on");
    assert_eq!(outcome.out(), "127\nand on\n", "err: {}", outcome.err());
    fs::write(site.join("served/loader/ld.so"), "no loader").expect("a file");
    let outcome = site.shell(&["-m", &loader, "-m", &data], "/data/program; echo $?");
    assert_eq!(outcome.out(), "126\n", "not executable: {}", outcome.err());
}

#[test]
fn a_program_that_is_replaced_is_run_anew_with_its_remote_loader() {
    let (site, _serving, [loader, data]) = with_loader("loader-again");
    let script = "cd /data; for i in 1 2; do ./program $i | grep -c mapped.from.the.mount; cp program new; \
                  mv new program; done; ./program 3 | grep argument.3";
    let outcome = site.shell(&["-m", &loader, "-m", &data], script);
    assert_eq!(outcome.out(), "1\n1\nargument 3\n", "err: {}", outcome.err());
    assert_ended(&outcome, Ended::Exit(0));
}

/// Runs a shell's commands under Mynah with a cache that may not execute, in name spaces of its own.
fn shell_on_noexec(site: &Site, serving: &Serving, script: &str) -> Outcome {
    let cache = site.directory("noexec");
    let data = format!("/data=chirp://127.0.0.1:{}/", serving.port());
    let inner = format!(
        "mount -t tmpfs -o noexec none {cache} && {mynah} run --cache-dir {cache} -m {data} -- /bin/sh -c '{script}'; \
         echo left: $(find {cache}/agents {temporary}/mynah-0-programs/agents -mindepth 1)",
        cache = cache.display(),
        mynah = site.mynah_path().display(),
        temporary = site.join("temporary").display(),
    );
    let mut command = site.command("unshare");
    command.args(["--user", "--map-root-user", "--mount", "/bin/sh", "-c", &inner]);
    run(&mut command, LIMIT).expect("unshare runs")
}

#[test]
fn programs_and_libraries_run_from_a_cache_on_a_noexec_file_system() {
    let site = Site::new("noexec");
    site.put_on_the_server("/bin/echo");
    for (name, text) in [
        ("lib.c", "int answer(void) { return 42; }"),
        (
            "main.c",
            "int printf(const char *, ...); int answer(void); int main() { return printf(\"%d\\n\", answer()) < 0; }",
        ),
        ("script", "#!/bin/sh\necho a script\n"),
    ] {
        let path = site.file(&format!("served/{name}"), text);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("chmod");
    }
    let serving = site.serve();
    let script = "set -e; cd /data; ./echo a program; ./script; \
                  cc -shared -fPIC -o lib.so lib.c; chmod 644 lib.so; cc -o main main.c ./lib.so; ./main; \
                  cp lib.so copy.so; cp main copy; mv copy.so lib.so; ./copy; \
                  LD_PRELOAD=./lib.so ./echo preloaded; cat main | wc -c > size; \
                  readlink /proc/self/exe; grep -c noexec/agents /proc/self/maps || true";
    let outcome = shell_on_noexec(&site, &serving, script);
    let expected = "a program\na script\n42\n42\npreloaded\n/usr/bin/readlink\n0\nleft:\n";
    assert_eq!(outcome.out(), expected, "err: {}", outcome.err());
}

#[test]
fn a_library_is_found_by_an_absolute_path_in_the_namespace() {
    let site = Site::new("rpath");
    site.directory("served/lib");
    site.file("served/lib.c", "int answer(void) { return 42; }");
    site.file("served/main.c", "int answer(void); int main() { return answer(); }");
    let serving = site.serve();
    let data = format!("/data=chirp://127.0.0.1:{}/", serving.port());
    let script = "cd /data; cc -shared -fPIC -o lib/libanswer.so lib.c; cc -o by-rpath main.c -Llib -lanswer \
                  -Wl,-rpath,/none:/data/lib; cc -o main main.c -Llib -lanswer; cd /; /data/by-rpath; echo $?; \
                  LD_LIBRARY_PATH=/none:/data/lib /data/main; echo $?; \
                  ldd /data/by-rpath | grep -c /data/lib/libanswer.so";
    let outcome = site.shell(&["-m", &data], script);
    assert_eq!(outcome.out(), "42\n42\n1\n", "err: {}", outcome.err());
}

#[test]
fn a_descriptor_that_was_only_named_is_executed() {
    let site = Site::new("path-only");
    site.put_on_the_server("/bin/echo");
    let serving = site.serve();
    let data = format!("/data=chirp://127.0.0.1:{}/", serving.port());
    // Nothing has fetched the file before.
    let script =
        "import os; os.execve(os.open(\"/data/echo\", os.O_PATH), [\"echo\", \"by descriptor\"], {})";
    let outcome =
        run(&mut site.mynah(&["-m", &data], &["python3", "-c", script]), LIMIT).expect("mynah runs");
    assert_eq!(outcome.out(), "by descriptor\n", "err: {}", outcome.err());
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_32_bit_program_runs_remote_ones_and_is_run_from_a_server() {
    let site = Site::new("narrow");
    let narrow = compiled(&site, "narrow", "narrow");
    let narrow = narrow.to_str().expect("a plain path");
    site.put_on_the_server(narrow);
    site.put_on_the_server("/bin/echo");
    let script = site.file("served/script", "#!/data/echo a script of\n");
    fs::set_permissions(script, fs::Permissions::from_mode(0o755)).expect("chmod");
    let serving = site.serve();
    let data = format!("/data=chirp://127.0.0.1:{}/", serving.port());
    let shell = format!(
        "{narrow} /data/echo one; {narrow} /data/script two; /data/narrow /data/narrow /bin/echo three; \
         {narrow} /data/none; {narrow} /data"
    );
    let outcome = site.shell(&["-m", &data], &shell);
    let told = "sizeof(void *) == 4: yes\n";
    let expected = format!(
        "{told}one\n{told}a script of /data/script two\n{told}{told}three\n{told}/data/none: ENOENT\n{told}/data: EACCES\n"
    );
    assert_eq!(outcome.out(), expected, "err: {}", outcome.err());
}
