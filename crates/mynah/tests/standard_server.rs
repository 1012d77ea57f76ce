//! The ancestor's own server, which thousands of files are served by today: what its protocol lacks is made up for or said.

mod site;

use mynah_testkit::run::Ended;
use site::{Site, assert_ended};

/// Runs `script` in a mount of the ancestor's server.
fn on_the_ancestors_server(name: &str, script: &str, expected: &str) {
    let site = Site::new(name);
    let serving = site.serve_standard();
    let whole = format!("cd {} || exit 1; {script}", serving.mount().display());
    let outcome = site.shell(&[], &whole);
    assert_eq!(outcome.out(), expected, "{}", outcome.err());
    assert_ended(&outcome, Ended::Exit(0));
}

#[test]
fn an_open_file_is_carried_home_whatever_becomes_of_its_name() {
    // Its times can be set by name alone.
    let script = "exec 3> a; echo moved >&3; mv a b; exec 3>&-; cat b; \
                  exec 3> c; ln c d; rm c; echo linked >&3; exec 3>&-; cat d; \
                  exec 3> e; rm e; echo gone >&3; exec 3>&-; ls";
    on_the_ancestors_server("names", script, "moved\nlinked\nb\nd\n");
}

#[test]
fn files_tell_of_their_file_system() {
    on_the_ancestors_server("statfs", "echo > a; stat -f -c %l a; stat -f -c %l none; echo $?", "255\n1\n");
}

#[test]
fn a_directory_takes_the_place_of_an_empty_one() {
    let script = "mkdir old new full; echo in > old/x; echo > full/y; \
                  python3 -c 'import os; os.rename(\"old\", \"new\")'; cat new/x; \
                  python3 -c 'import os; os.rename(\"new\", \"full\")' 2>&1 | grep -o 'not empty'; ls new full";
    on_the_ancestors_server("rename", script, "in\nnot empty\nfull:\ny\n\nnew:\nx\n");
}

#[test]
fn programs_are_built_and_run() {
    let script = "printf 'int puts(const char *); int main(void) { return puts(\"built\") < 0; }' > main.c; \
                  printf 'main: main.c\\n\\tcc -o main main.c\\n' > Makefile; make -s && ./main; \
                  git init -q . && git add main.c && git -c user.name=a -c user.email=b commit -q -m c && git log --format=%s; \
                  ln -s main link; ./link; link main main; echo $?; link . dot 2>&1 | grep -o 'not permitted'";
    on_the_ancestors_server("build", script, "built\nc\nbuilt\n1\nnot permitted\n");
}
